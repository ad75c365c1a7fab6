"""Where candidates run: one process each on this machine, or all in the caller's process."""

from hubscout.ranking.engines.choice import Engine, EngineOptions, get_engine, list_engines

__all__ = ["Engine", "EngineOptions", "get_engine", "list_engines"]
