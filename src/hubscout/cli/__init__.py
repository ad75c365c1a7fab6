"""The command ``hubscout``: parse, call one library verb, print."""

from hubscout.cli.app import main

__all__ = ["main"]
