"""The page of evidence: what a benchmark of a hub found, as Markdown with its date, machine and command."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from statistics import fmean

from hubscout._printable import printable
from hubscout.evaluation.benchmark import HubBenchmark
from hubscout.evaluation.benchmark_lists import ABLATIONS
from hubscout.evaluation.bootstrap import Interval
from hubscout.evaluation.published import PublishedTable
from hubscout.evaluation.selection import NestedSelection
from hubscout.evaluation.standings import Standing
from hubscout.report.numbers import DASH

_READING = """\
**mean tau** is the mean weighted tau over tasks (SciPy's convention; 1 is the order of fine-tuning, 0 is chance), with
a 90 % bootstrap interval over candidates and tasks; **truth-w.** the same with weights from the truth alone; **worst**
the lowest task; **regret@1** the points of accuracy lost by taking the first; **lift** the mean tau above the static
order (mean place on the other tasks), paired; **seconds** those of one candidate when features and their decomposition
are ready. Orders in *italics* do not look at the data. Candidates without a value are left out, never counted as 0."""
_MAIN = ("ordered by", "mean tau", "90 %", "truth-w.", "worst", "regret@1", "lift", "90 % of lift", "tasks", "seconds")


def evidence_page(found: HubBenchmark, published: Sequence[PublishedTable], command: str) -> str:
    """Write the page.

    Parameters
    ----------
    found : HubBenchmark
    published : sequence of PublishedTable
        Benchmarks of the literature, judged again; may be empty.
    command : str
        What made the page. Untrusted text.

    Returns
    -------
    str
        Markdown.
    """
    sections = [_head(found, command), _truth(found), _scores(found), _by_task(found)]
    sections += [_selection(label, chosen, found) for label, chosen in found.selections.items()]
    sections += [_ceilings(found), _ablations(found), _literature(published), _remarks(found)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(found: HubBenchmark, command: str) -> str:
    versions = ", ".join(
        f"{name} {found.environment[name]}"
        for name in ("python", "numpy", "scipy", "torch")
        if name in found.environment
    )
    return (
        "# Evidence\n\nDoes a score deserve belief? Everything on this page is written by one command; nothing is "
        f"typed in.\n\n```\n{printable(command)}\n```\n\nMade {found.created[:10]} on {os.cpu_count()} cores of "
        f"{platform.machine()}, {versions}, hubscout {found.environment.get('hubscout', DASH)}.\n\n{_READING}"
    )


def _truth(found: HubBenchmark) -> str:
    rows = [
        (
            truth.task,
            truth.family,
            str(len(truth.values)),
            f"{min(truth.values.values()):.3f} to {max(truth.values.values()):.3f}" if truth.values else DASH,
            DASH if truth.n_test is None else str(truth.n_test),
        )
        for truth in found.truths
    ]
    header = ("task", "truth", "candidates", "range", "test samples")
    notes = "\n".join(f"- {printable(note)}" for note in found.notes)
    return f"## The truth\n\n{_table(header, rows)}\n\n{notes}"


def _scores(found: HubBenchmark) -> str:
    shown = [row for row in found.standings if "@" not in row.name and not _is_ablation_only(row.name)]
    shown.sort(key=lambda row: 2.0 if row.mean_tau is None else -row.mean_tau)
    return "## Scores and baselines\n\n" + _table(_MAIN, [_row(row) for row in shown])


def _is_ablation_only(name: str) -> bool:
    return name.startswith("disco(") and "+" not in name and name not in _SHOWN_FORMS


_SHOWN_FORMS = ("disco(compat=authors)", "disco(cross_fit=5)", "disco(cross_fit=5,n_components=64)")


def _by_task(found: HubBenchmark) -> str:
    families = list(dict.fromkeys(family for row in found.standings for family in row.families))
    tasks = [truth.task for truth in found.truths]
    shown = [
        row for row in found.standings if "@" not in row.name and not _is_ablation_only(row.name) and row.agreements
    ]
    shown.sort(key=lambda row: 2.0 if row.mean_tau is None else -row.mean_tau)
    rows = [
        (
            _name(row),
            *(_signed(row.families.get(family)) for family in families),
            *(_signed(row.agreements[task].weighted_tau if task in row.agreements else None) for task in tasks),
        )
        for row in shown
    ]
    header = ("ordered by", *(f"mean of {family}" for family in families), *tasks)
    return "## Weighted tau by task\n\n" + _table(header, rows)


def _selection(label: str, chosen: NestedSelection, found: HubBenchmark) -> str:
    tasks = [each.task for each in chosen.choices]
    means = {
        row.name: fmean(row.agreements[task].weighted_tau or 0.0 for task in tasks)
        for row in found.standings
        if row.name in chosen.candidates
    }
    best = max(means, key=lambda name: means[name])
    rows = [
        (each.task, each.chosen, _signed(each.mean_elsewhere), _signed(each.weighted_tau), f"{100 * each.regret:.1f}")
        for each in chosen.choices
    ]
    header = ("left out", "chosen on the others", "mean tau there", "tau on the task", "regret@1")
    return (
        f"## Which score to recommend: {label}\n\nFor each task the best of {len(chosen.candidates)} scores on the "
        "tasks of other collections is taken and judged on the task itself.\n\n"
        f"{_table(header, rows)}\n\nThe procedure reaches a mean weighted tau of **{chosen.mean_tau:+.2f}**. With all "
        f"tasks at hand it takes **`{printable(chosen.final)}`**. Of all these scores the best in hindsight, "
        f"`{printable(best)}`, has {_signed(means[best])}: it was picked by the same tasks, so that figure is too high."
    )


def _ceilings(found: HubBenchmark) -> str:
    if not found.ceilings:
        return ""
    rows = [
        (each.task, _signed(each.mean_tau), f"{each.low:+.2f} {each.high:+.2f}", f"{100 * each.regret:.1f}")
        for each in found.ceilings
    ]
    return (
        "## How well a score could agree at all\n\nAgreement of the truth with itself when its noise of measurement is "
        "drawn anew (binomial with the size of the test part, or normal with the stated standard error). Noise of "
        "fine-tuning, such as seeds, is not in it.\n\n" + _table(("task", "mean tau", "5 % to 95 %", "regret@1"), rows)
    )


def _ablations(found: HubBenchmark) -> str:
    by_name = {row.name: row for row in found.standings}
    parts = []
    for label, names in ABLATIONS.items():
        rows = [_row(by_name[name]) for name in names if name in by_name]
        if len(rows) > 1:
            parts.append(f"### {label.capitalize()}\n\n{_table(_MAIN, rows)}")
    return "## What DISCO's parts are worth\n\n" + "\n\n".join(parts) if parts else ""


def _literature(tables: Sequence[PublishedTable]) -> str:
    if not tables:
        return ""
    parts = [
        f"### {table.name}: {table.n_tasks} tasks, {table.n_models} models\n\n"
        + _table(_MAIN[:-1], [_row(row)[:-1] for row in table.standings])
        + "".join(f"\n\nNote: {printable(note)}." for note in table.notes)
        for table in tables
    ]
    return "## Published tables of scores, judged again\n\n" + "\n\n".join(parts)


def _remarks(found: HubBenchmark) -> str:
    lines = [f"- failed: {printable(failure)}" for failure in found.failures]
    lines += [
        f"- {row.name} has no order on {task}: {printable(reason)}"
        for row in found.standings
        if row.kind != "baseline"
        for task, reason in row.left_out.items()
    ]
    return "## Left out\n\n" + "\n".join(lines) if lines else ""


def _row(row: Standing) -> tuple[str, ...]:
    n = len(row.agreements)
    return (
        _name(row),
        _signed(row.mean_tau),
        _bounds(row.interval),
        _signed(row.mean_tau_truth),
        DASH if row.worst_task is None else f"{_signed(row.worst_tau)} ({row.worst_task})",
        DASH if row.regret is None else f"{100 * row.regret:.1f}",
        _signed(row.lift),
        _bounds(row.lift_interval),
        f"{n} of {n + len(row.left_out)}" if row.left_out else str(n),
        DASH if row.seconds is None else f"{row.seconds:.3f}",
    )


def _name(row: Standing) -> str:
    return f"*{row.name}*" if row.kind == "baseline" else f"`{row.name}`"


def _signed(value: float | None) -> str:
    return DASH if value is None else f"{value:+.2f}"


def _bounds(interval: Interval | None) -> str:
    return DASH if interval is None else f"{interval.low:+.2f} to {interval.high:+.2f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(printable(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
