"""What packaging says and what the pages say agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

from hubscout.scores import get_spec

ROOT = Path(__file__).parents[2]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


class TestCitation:
    def test_required_fields_are_there(self):
        assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
        assert {"type", "title", "authors"} <= set(CITATION["preferred-citation"])

    def test_software_is_the_package(self):
        assert CITATION["version"] == PROJECT["version"]
        assert CITATION["license"] == PROJECT["license"]

    def test_the_paper_is_the_one_disco_refers_to(self):
        paper, reference = CITATION["preferred-citation"], get_spec("disco").reference
        names = ", ".join(author["family-names"] for author in paper["authors"])
        assert reference.startswith(f"{names}, AAAI {paper['year']}")
        assert reference.endswith(paper["identifiers"][0]["value"])


class TestChangelog:
    def test_version_is_named_and_unreleased_stands_first(self):
        lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
        sections = [line for line in lines if line.startswith("## ")]
        assert sections[0] == "## [Unreleased]"
        assert any(PROJECT["version"] in line for line in lines)


class TestExtras:
    def test_getting_started_names_those_for_users(self):
        page = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
        extras = set(PROJECT["optional-dependencies"]) - {"dev", "docs"}
        assert sorted(name for name in extras if f"| `{name}` |" not in page) == []
