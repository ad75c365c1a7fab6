"""Links lead somewhere, and pages say nothing of the machine they were written on."""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.DOTALL | re.MULTILINE)
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|mnt|opt)/|[A-Z]:\\Users")
UNFINISHED = re.compile(r"\b(TODO|TBD|FIXME|XXX|lorem ipsum)\b", re.IGNORECASE)


def prose(text):
    """Leave out code, in which brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text))


def anchors(text):
    """Return the anchors that headings get on the web and in the built pages."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def broken_links(document: Path) -> list[str]:
    broken = []
    for target in LINK.findall(prose(document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (document.parent / path).resolve() if path else document
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal.read_text("utf-8"))):
            broken.append(target)
    return broken


class TestLinks:
    def test_relative_links_resolve(self, document):
        assert broken_links(document) == []

    def test_a_broken_link_is_found(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(
            "# Some Title\n[a](gone.md) [b](#some-title) [c](#other) [d](page.md) [e](https://x.org) `[f](no)`\n"
        )
        assert broken_links(page) == ["gone.md", "#other"]


class TestWording:
    def test_no_path_of_a_machine(self, document):
        assert MACHINE.findall(document.read_text("utf-8")) == []

    def test_nothing_is_left_unfinished(self, document):
        assert UNFINISHED.findall(document.read_text("utf-8")) == []

    def test_a_path_of_a_machine_is_found(self):
        assert MACHINE.search("see /home/someone/data")
        assert not MACHINE.search("timm:local-dir:/folder and ./work/here")
