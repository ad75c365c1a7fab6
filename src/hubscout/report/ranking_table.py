"""The table of a ranking for the terminal, with a legend and the reasons of what is missing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hubscout._printable import printable
from hubscout.ranking.records import Ranking, ScoreRecord
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.names import short_names
from hubscout.report.numbers import DASH, count, decimals, rate, with_error

_UNITS = {"image": "img", "text": "text", "features": "row"}
_MEANING = {"img": "images", "text": "texts", "row": "rows"}
_PART = {"box": "box", "word": "word", "point": "point", "pair": "pair"}
_TIE, _EFFICIENT = " =", "*"
_STYLES = {"ranked": "", "unranked": "dim", "failed": "dim"}


def ranking_table(ranking: Ranking, width: int) -> RenderableType:
    """Lay out a ranking.

    Parameters
    ----------
    ranking : Ranking
        What is shown.
    width : int
        Columns of the terminal; from 60 on, rank, candidate and the deciding score always fit on one line.

    Returns
    -------
    rich renderable
        Table, legend, and one line for each candidate without a rank and for each value that is missing.
    """
    shown, left_out = fit(_columns(ranking), width)
    styles = [_STYLES[record.status] for record in ranking.records]
    if ranking.ranked:
        styles[0] = "bold"
    parts: list[RenderableType] = [build_table(shown, styles), Text()]
    parts.append(Text(_legend(ranking, shown, left_out), style="dim"))
    parts.extend(_reasons(ranking))
    return Group(*parts)


def _columns(ranking: Ranking) -> list[Column]:
    records = ranking.records
    names = short_names([record.candidate for record in records])
    unit = _UNITS[ranking.task.modality]
    rates = _marked(records, "time", [rate(record.samples_per_second) for record in records])
    # First the errors of the other scores go, then the costs, then the error of the deciding score, then the other
    # scores from the right; the deciding score always stays.
    scores = [
        Column(
            name,
            _score_cells(records, name, errors=True),
            expendable=0 if place == 0 else 1,
            name=name,
            short=_score_cells(records, name, errors=False),
            shortens=4 if place == 0 else 9,
        )
        for place, name in enumerate(ranking.scores)
    ]
    return [
        Column("#", tuple(str(record.rank or DASH) for record in records)),
        Column("candidate", tuple(names[record.candidate] for record in records), justify="left", folds=True),
        *scores[:1],
        *_chances(records),
        *_parts(records, ranking.scores[:1]),
        *scores[1:],
        *_layers(records),
        Column("width", tuple(str(record.n_features or DASH) for record in records), 2, name="width"),
        Column("params", _marked(records, "parameters", [count(r.n_parameters) for r in records]), 5, name="params"),
        *_macs(records),
        Column(f"{unit}/s", rates, 3, name=f"{unit}/s"),
        Column("sec", tuple(f"{record.seconds:.1f}" for record in records), 6, name="sec"),
    ]


def _parts(records: tuple[ScoreRecord, ...], deciding: tuple[str, ...]) -> list[Column]:
    """Show what the deciding values are sums of, as it was before it was spread over the candidates."""
    entries = [record.scores.get(name) for record in records for name in deciding]
    names = dict.fromkeys(
        part for entry in entries if entry is not None and len(entry.parts) > 1 for part in entry.parts
    )
    columns = []
    for name in names:
        values = [None if entry is None else entry.parts.get(name) for entry in entries]
        digits = decimals(values)
        cells = tuple(DASH if value is None else with_error(value, None, digits) for value in values)
        columns.append(Column(printable(name), cells, 1, name=printable(name)))
    return columns


def _chances(records: tuple[ScoreRecord, ...]) -> list[Column]:
    """Show how likely each is the best, with a mark for ties with the first."""
    standings = [record.standing for record in records]
    if not any(each is not None and (each.probability_best is not None or each.is_tie) for each in standings):
        return []
    cells = []
    for each in standings:
        chance = DASH if each is None or each.probability_best is None else f"{each.probability_best:.2f}"
        cells.append(chance + (_TIE if each is not None and each.is_tie else " " * len(_TIE)))
    return [Column("p(best)", tuple(cells), 1, name="p(best)")]


def _macs(records: tuple[ScoreRecord, ...]) -> list[Column]:
    if not any(record.n_macs for record in records):
        return []
    return [Column("MACs", _marked(records, "macs", [count(record.n_macs) for record in records]), 6, name="MACs")]


def _marked(records: tuple[ScoreRecord, ...], cost: str, cells: list[str]) -> tuple[str, ...]:
    """Mark what is on the front of score and cost, with room where others are not."""
    if not any(cost in record.efficient_in for record in records):
        return tuple(cells)
    return tuple(
        cell + (_EFFICIENT if cost in record.efficient_in else " " * len(_EFFICIENT))
        for cell, record in zip(cells, records, strict=True)
    )


def _layers(records: tuple[ScoreRecord, ...]) -> list[Column]:
    if not any(record.layers is not None for record in records):
        return []
    poolings = {each.pooling for record in records if record.layers for each in record.layers.layers}
    cells = [
        DASH
        if record.layers is None
        else f"{record.layers.layer} {record.layers.pooling}"
        if len(poolings) > 1
        else str(record.layers.layer)
        for record in records
    ]
    return [Column("layer", tuple(printable(cell) for cell in cells), 1, name="layer")]


def _score_cells(records: tuple[ScoreRecord, ...], name: str, *, errors: bool) -> tuple[str, ...]:
    digits = decimals([record.value(name) for record in records])
    entries = [record.scores.get(name) for record in records]
    return tuple(
        DASH if entry is None else with_error(entry.value, entry.standard_error if errors else None, digits)
        for entry in entries
    )


def _legend(ranking: Ranking, shown: list[Column], left_out: list[str]) -> str:
    titles = {column.title for column in shown}
    unit = _UNITS[ranking.task.modality]
    words = [f"ordered by {ranking.scores[0]}, higher is better"]
    if any("±" in cell for column in shown for cell in column.cells):
        words.append("± standard error")
    if any(len(entry.parts) > 1 for record in ranking.ranked for entry in record.scores.values()):
        words.append(f"values of parts ({_part_names(ranking)}) are added after each is spread over 0 to 1")
    if "p(best)" in titles:
        words.append("p(best): probability of being the best by this score")
        if any(_TIE in cell for column in shown if column.title == "p(best)" for cell in column.cells):
            words.append("=: a tie, not clearly worse than the first at 90 %")
    if "layer" in titles:
        words.append("layer: the one each candidate is judged at")
    if "width" in titles:
        words.append(f"width: features per {_PART.get(ranking.task.unit, 'sample')}")
    if "params" in titles:
        words.append("params: parameters of the encoder")
    if "MACs" in titles:
        words.append("MACs: multiplications with an addition for one sample")
    if f"{unit}/s" in titles:
        words.append(f"{unit}/s: {_MEANING[unit]} a second when the features were extracted")
    costs = [column for column in shown if column.title in ("params", "MACs", f"{unit}/s")]
    if any(_EFFICIENT in cell for column in costs for cell in column.cells):
        words.append("*: no other is better at no more of this cost")
    if "sec" in titles:
        words.append("sec: seconds for all of it in this run")
    if any(name != address for address, name in short_names([r.candidate for r in ranking.records]).items()):
        words.append("long addresses are shortened here, and whole with --json")
    if left_out:
        words.append(f"not shown for lack of room: {', '.join(left_out)}")
    return printable("; ".join(words) + ".")


def _part_names(ranking: Ranking) -> str:
    entries = [entry for record in ranking.ranked for entry in record.scores.values() if len(entry.parts) > 1]
    return ", ".join(dict.fromkeys(name for entry in entries for name in entry.parts))


def _reasons(ranking: Ranking) -> list[RenderableType]:
    lines: list[RenderableType] = []
    names = short_names([record.candidate for record in ranking.records])
    if ranking.not_ranked:
        lines += [
            Text(),
            Text(f"Not ranked: {len(ranking.not_ranked)} of {len(ranking.records)}", style="bold"),
        ]
    lines += [_line(names[record.candidate], record.reason or "no reason was given") for record in ranking.not_ranked]
    missing: dict[tuple[str, str], list[str]] = {}
    for record in ranking.ranked:
        for name, entry in record.scores.items():
            if entry.value is None:
                missing.setdefault((name, entry.reason or "no reason was given"), []).append(names[record.candidate])
    if missing:
        lines += [Text(), Text("No value", style="bold")]
    lines += [_line(f"{name} of {', '.join(who)}", reason) for (name, reason), who in missing.items()]
    return lines


def _line(subject: str, reason: str) -> RenderableType:
    return Padding(Text(f"{printable(subject)}: {printable(reason)}", overflow="fold"), (0, 0, 0, 2))
