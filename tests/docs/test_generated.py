"""The pages that follow from the code are those the code gives now."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from hubscout.scores import list_scores

ROOT = Path(__file__).parents[2]
REMEDY = "run python tools/generate_docs.py"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "generate_docs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def pages(generator):
    return generator.generate()


class TestGeneratedPages:
    def test_committed_pages_are_current(self, pages):
        stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
        assert stale == [], REMEDY

    def test_every_score_has_a_page_and_no_other_page_is_left(self, generator, pages):
        names = {path.stem for path in (generator.DOCS / "scores").glob("*.md")}
        assert names == {"index", *list_scores()}, REMEDY

    def test_index_links_every_score(self, generator, pages):
        index = pages[generator.DOCS / "scores" / "index.md"]
        assert [name for name in list_scores() if f"[`{name}`]({name}.md)" not in index] == []


class TestHelp:
    def test_every_command_has_a_section(self, pages, generator):
        page = pages[generator.DOCS / "cli.md"]
        for command in ("rank", "score", "scores", "models", "demo", "cache", "cache show", "cache prune"):
            assert f"\n## `hubscout {command}`\n" in page

    def test_help_is_plain_whatever_the_terminal(self, generator, monkeypatch):
        usual = generator.help_of(["rank"])
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert generator.help_of(["rank"]) == usual
        assert "\x1b" not in usual
        assert max(map(len, usual.splitlines())) <= 80

    def test_an_unknown_command_is_an_error(self, generator, capsys):
        with pytest.raises(RuntimeError, match=r"^hubscout nosuch --help ended with 2$"):
            generator.help_of(["nosuch"])


def test_picture_of_the_demo_has_the_scores_of_the_demo():
    from hubscout.cli.demo import _SCORES

    picture = (ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    head = next(line for line in picture.splitlines() if "candidate" in line and "width" in line)
    words = re.sub(r"<[^>]*>|&#160;", " ", head).split()
    assert {name for name in list_scores() if name in words} == set(_SCORES), "run python tools/picture_of_demo.py"
