"""Write the pages of docs/ that follow from the code: one a score, and the command line's help.

Usage: ``python tools/generate_docs.py``. A test compares what it writes with what is committed.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from hubscout.cli.app import app, run
from hubscout.cli.spec_table import kinds_in_full, kinds_in_short
from hubscout.scores import INVARIANCES, RECOMMENDED_SCORE, ScoreSpec, get_spec, list_scores

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Written by tools/generate_docs.py from the code: change the code, then run it again. -->\n\n"
# Without a terminal the help has the width of COLUMNS, and no colour.
TERMINAL = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}


def generate() -> dict[Path, str]:
    """Return the text of every generated page, by path."""
    pages = {DOCS / "cli.md": command_page(), DOCS / "scores" / "index.md": score_index()}
    for name in list_scores():
        pages[DOCS / "scores" / f"{name}.md"] = score_page(get_spec(name))
    return pages


def score_index() -> str:
    """Lay out the table of all scores."""
    rows = [
        f"| [`{spec.name}`]({spec.name}.md){_marks(spec)} | {_cell(spec.summary)} "
        f"| {_list(spec.needs)} | {kinds_in_short(spec)} |"
        for spec in map(get_spec, list_scores())
    ]
    names = "\n".join(list_scores())
    return (
        f"{NOTE}# Scores\n\n"
        "A score takes features and labels (some take the source head's probabilities instead of features) and gives "
        "one number; **higher is always better**. Values of different scores have different units and cannot be "
        "compared with each other, only between candidates on one probe.\n\n"
        "`*` ranks by default. **(b)** marks a baseline: a simple method that a score must beat to be worth its "
        "name.\n\n"
        f"| score | what it measures | needs | tasks |\n|---|---|---|---|\n{chr(10).join(rows)}\n\n"
        "`hubscout scores` prints this table, `hubscout scores NAME` all facts of one score, and "
        "`hubscout scores --task detection` what applies to one kind of task. What each means there: "
        "[kinds of task](../tasks.md#what-each-score-means-for-each-kind). A score of your own: "
        "[how to add a score](../how-to-add-a-score.md).\n\n"
        f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def score_page(spec: ScoreSpec) -> str:
    """Lay out all facts of one score, then its function."""
    facts = {
        "Range": spec.range,
        "Tasks": kinds_in_full(spec),
        "Needs": ", ".join(sorted(spec.needs)),
        "Cost": f"`{spec.cost}`",
        "Part of the spectrum it reads": spec.spectrum,
        "Repeatable": "yes" if spec.is_deterministic else "with the same seed",
        "Options": ", ".join(f"`{option}`" for option in spec.options) or "none",
        "Reference without signal": spec.null_method,
        "Degenerate input": spec.degenerate,
        "Differs from the authors' code": spec.deviations,
        "Reference": spec.reference,
    }
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in facts.items())
    ignored = "\n".join(f"- {INVARIANCES[name]} (`{name}`)" for name in INVARIANCES if name in spec.invariances)
    baseline = "This is a baseline: a simple method that a score must beat to be worth its name.\n\n"
    default = "This is the score that ranks by default.\n\n"
    return (
        f"{NOTE}# {spec.title} (`{spec.name}`)\n\n{spec.summary}\n\n"
        f"{default if spec.name == RECOMMENDED_SCORE else ''}{baseline if spec.is_baseline else ''}"
        f"```text\n{spec.formula}\n```\n\n"
        "N samples, D features, C classes or S source classes; n_c, pi_c, m_c: size, share and mean of class c; mu: "
        "mean of all. The function below says the rest.\n\n"
        f"| | |\n|---|---|\n{rows}\n\n"
        "## What leaves the value as it is\n\n"
        f"With default options, and tested for every score that declares it:\n\n{ignored}\n\n"
        "## From the command line\n\n"
        f"```console\n$ hubscout rank TARGET --models ADDRESS... --scores {spec.name}\n```\n\n"
        f"{_option_example(spec)}"
        "## From Python\n\n"
        f"```{{eval-rst}}\n.. autofunction:: hubscout.scores.{spec.name}\n```\n"
    )


def command_page() -> str:
    """Lay out the help of every command."""
    parts = [f"## `{' '.join(words)}`\n\n```text\n{help_of(words[1:])}```\n" for words in _commands()]
    return (
        f"{NOTE}# Command line\n\n"
        "Results go to stdout, progress and notes to stderr. `--json -` and `--csv -` print only JSON or CSV on "
        "stdout. What the exit codes mean: [ranking](ranking.md#exit-codes).\n\n" + "\n".join(parts)
    )


def help_of(words: list[str]) -> str:
    """Return what ``hubscout WORDS --help`` prints, 80 columns wide."""
    out = io.StringIO()
    with mock.patch.dict(os.environ, TERMINAL), contextlib.redirect_stdout(out):
        code = run([*words, "--help"])
    if code != 0:
        msg = f"hubscout {' '.join(words)} --help ended with {code}"
        raise RuntimeError(msg)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _commands() -> Iterator[list[str]]:
    def walk(command: Any, words: list[str]) -> Iterator[list[str]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, [*words, name])

    yield from walk(typer.main.get_command(app), ["hubscout"])


def _option_example(spec: ScoreSpec) -> str:
    from inspect import signature

    own = [each for each in list(signature(spec.estimate).parameters.values())[1:] if each.default is not each.empty]
    if not own:
        return ""
    listed = ", ".join(f"`{each.name}` ({each.default!r})" for each in own)
    return (
        f"Options, with their defaults: {listed}. They are given as `--option {spec.name}.NAME=VALUE`, and from Python "
        f'as `score_options={{"{spec.name}": {{...}}}}`.\n\n'
    )


def _marks(spec: ScoreSpec) -> str:
    return (" \\*" if spec.name == RECOMMENDED_SCORE else "") + (" **(b)**" if spec.is_baseline else "")


def _list(words: Any) -> str:
    return ", ".join(sorted(words))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the pages, delete those of scores that are gone, and say what changed."""
    pages = generate()
    for path in set((DOCS / "scores").glob("*.md")) - set(pages):
        path.unlink()
        print(f"deleted {path.relative_to(DOCS)}")
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS)}")


if __name__ == "__main__":
    main()
