"""``hubscout models``: the addresses that a pattern stands for."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    pattern: Annotated[list[str], typer.Argument(metavar="PATTERN...", help="Such as 'timm:*mobilenet*'.")],
) -> None:
    """List the models that wildcards stand for, one address a line."""
    from hubscout._printable import printable
    from hubscout.cli.streams import say, write
    from hubscout.models import list_models

    found = list(dict.fromkeys(name for each in pattern for name in list_models(each)))
    write("".join(f"{printable(name)}\n" for name in found))
    if not found:
        say(f"no model matches {', '.join(map(repr, pattern))}")
