"""The examples of the documentation run, and their command lines are ones that hubscout understands."""

from __future__ import annotations

import doctest
import re
import shlex

import pytest
import typer

from hubscout.cli.app import app
from hubscout.cli.choices import score_names
from hubscout.errors import UsageError
from hubscout.models import parse_address
from hubscout.scores import get_spec

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def fenced(text, *languages):
    return [block for language, block in FENCE.findall(text) if language in languages]


def commands(text):
    """Return the words of each hubscout command line, up to a pipe or a redirection."""
    found = []
    for block in fenced(text, "console", "bash", "sh", "shell"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] == ["hubscout"]:
                end = next((place for place, word in enumerate(words) if word in ("|", ">", "&&")), len(words))
                found.append(words[1:end])
    return found


def check_command(words):
    """Parse a command line without running it, and look at the addresses and scores it names."""
    command, words = typer.main.get_command(app), list(words)
    while words and hasattr(command, "commands"):
        context = command.make_context("hubscout", [words[0]])
        _, command, _ = command.resolve_command(context, [words.pop(0)])
    options = command.make_context("hubscout", words).params
    for address in [*(options.get("models") or ()), *(options.get("pattern") or ())]:
        if address != "ADDRESS..." and not address.startswith("@"):
            parse_address(address)
    names = score_names(options["scores"]) if isinstance(options.get("scores"), str) else None
    for name in () if names in (None, "all") else names:
        get_spec(name)


class TestPython:
    def test_examples_run(self, document, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path / "home"))
        source = "\n".join(fenced(document.read_text("utf-8"), "pycon"))
        test = doctest.DocTestParser().get_doctest(source, {}, document.name, str(document), 0)
        said = []
        doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=said.append)
        assert "".join(said) == ""


class TestCommandLines:
    def test_they_are_understood(self, document):
        for words in commands(document.read_text("utf-8")):
            check_command(words)

    def test_getting_started_has_some(self, request):
        text = (request.config.rootpath / "docs" / "getting-started.md").read_text("utf-8")
        assert len(commands(text)) >= 5

    @pytest.mark.parametrize("line", ["hubscout rank photos/ -m bundled:* --no-such", "hubscout nosuch"])
    def test_a_wrong_option_is_found(self, line):
        with pytest.raises(Exception, match="No such") as caught:
            check_command(commands(f"```console\n$ {line}\n```")[0])
        assert caught.value.exit_code == 2

    @pytest.mark.parametrize("line", ["hubscout models resnet50", "hubscout rank x -m bundled:a --scores nosuch"])
    def test_a_wrong_name_is_found(self, line):
        with pytest.raises(UsageError):
            check_command(commands(f"```console\n$ {line}\n```")[0])
