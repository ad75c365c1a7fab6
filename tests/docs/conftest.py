"""The committed documentation, as text."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def documents() -> list[Path]:
    """Return every Markdown page of the project."""
    inner = [path for folder in ("docs", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.md")]
    return sorted(path for path in (*ROOT.glob("*.md"), *inner) if "_build" not in path.parts)


def pytest_generate_tests(metafunc):
    if "document" in metafunc.fixturenames:
        found = documents()
        metafunc.parametrize("document", found, ids=[path.relative_to(ROOT).as_posix() for path in found])
