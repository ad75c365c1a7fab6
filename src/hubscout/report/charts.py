"""Charts of a ranking: scores with their errors, score against depth, score against training step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubscout._optional import require
from hubscout._printable import printable
from hubscout.errors import UsageError
from hubscout.ranking.records import Ranking, ScoreRecord
from hubscout.ranking.trajectory import trajectories
from hubscout.report.names import short_names

SUFFIXES = (".svg", ".png")
_WIDTH, _HEIGHT, _ROW = 560, 320, 22
_SCALE = 2.0


def check_chart_path(path: str | Path) -> Path:
    """Refuse a file that no chart can be written to, before anything runs.

    Parameters
    ----------
    path : str or Path
        Its suffix decides the form.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        When the suffix is none of `SUFFIXES`, or the folder does not exist.
    MissingExtraError
        When the library that draws is not installed.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        msg = f"plot (--plot) must be a file that ends in {' or '.join(SUFFIXES)}, got {str(path)!r}"
        raise UsageError(msg)
    if not file.parent.is_dir():
        msg = f"plot (--plot) must be a file in a folder that exists, got {str(path)!r}; make the folder first"
        raise UsageError(msg)
    _altair()
    return file


def write_chart(ranking: Ranking, path: str | Path) -> None:
    """Draw the chart that says most of a ranking.

    Parameters
    ----------
    ranking : Ranking
        Any with a ranked candidate.
    path : str or Path
        An ``.svg`` or ``.png`` file.

    Raises
    ------
    UsageError
        As `check_chart_path`.
    """
    file = check_chart_path(path)
    chart = main_chart(ranking)
    chart.save(str(file), format=file.suffix.lower()[1:], scale_factor=_SCALE if file.suffix.lower() == ".png" else 1.0)


def main_chart(ranking: Ranking) -> Any:
    """Return score against step where checkpoints were ranked, against depth where layers were, else the scores.

    Parameters
    ----------
    ranking : Ranking

    Returns
    -------
    altair.Chart
    """
    if trajectories(ranking):
        return step_chart(ranking)
    if any(record.layers is not None and len(record.layers.layers) > 1 for record in ranking.ranked):
        return depth_chart(ranking)
    return score_chart(ranking)


def score_chart(ranking: Ranking) -> Any:
    """Draw the deciding score of each candidate, best on top, with one standard error to each side."""
    alt = _altair()
    names = short_names([record.candidate for record in ranking.records])
    score = ranking.scores[0]
    rows = [
        {"candidate": printable(names[record.candidate]), **_bounds(record.value(score), _error(record, score))}
        for record in ranking.ranked
    ]
    base = alt.Chart(alt.Data(values=rows))
    order = [row["candidate"] for row in rows]
    y = alt.Y("candidate:N", sort=order, title=None, axis=alt.Axis(labelLimit=260))
    x = alt.X("value:Q", title=f"{score} (higher is better)", scale=alt.Scale(zero=False))
    points = base.mark_point(filled=True, size=60).encode(x=x, y=y)
    bars = base.mark_rule().encode(x=alt.X("low:Q"), x2="high:Q", y=y)
    return _finish(bars + points, ranking, height=_ROW * max(len(rows), 3))


def depth_chart(ranking: Ranking) -> Any:
    """Draw the held-out score of each candidate against the depth of the layer; the chosen layers are filled."""
    alt = _altair()
    names = short_names([record.candidate for record in ranking.records])
    rows: list[dict[str, Any]] = []
    for record in ranking.ranked:
        choice = record.layers
        if choice is None:
            continue
        deepest = max((each.layer for each in choice.layers), default=1) or 1
        rows += [
            {
                "candidate": printable(names[record.candidate]),
                "pooling": each.pooling,
                "depth": each.layer / deepest,
                "layer": each.layer,
                "chosen": (each.layer, each.pooling) == (choice.layer, choice.pooling),
                **_bounds(each.value, each.standard_error),
            }
            for each in choice.layers
            if each.value is not None
        ]
    score = next(record.layers.score for record in ranking.ranked if record.layers is not None)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("depth:Q", title="Depth of the layer, as a share of the model's depth"),
        color=alt.Color("candidate:N", title=None, legend=alt.Legend(labelLimit=260)),
    )
    y = _score_axis(alt, score)
    dash = alt.StrokeDash("pooling:N", title="Pooling")
    lines = base.mark_line().encode(y=y, strokeDash=dash)
    bars = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q")
    chosen = base.transform_filter("datum.chosen").mark_point(filled=True, size=90).encode(y=y)
    return _finish(lines + bars + chosen, ranking)


def step_chart(ranking: Ranking) -> Any:
    """Draw the deciding score of each training run against the step of the checkpoint."""
    alt = _altair()
    score = ranking.scores[0]
    rows = [
        {
            "run": printable(run.run),
            "step": each.step,
            "settled": each is run.settled,
            **_bounds(each.record.value(score), _error(each.record, score)),
        }
        for run in trajectories(ranking)
        for each in run.checkpoints
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("step:Q", title="Step of the checkpoint"),
        color=alt.Color("run:N", title=None, legend=alt.Legend(labelLimit=420, orient="bottom")),
    )
    y = _score_axis(alt, score)
    lines = base.mark_line(point=True).encode(y=y)
    bars = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q"), y2="high:Q")
    settled = base.transform_filter("datum.settled").mark_point(filled=True, size=120).encode(y=y)
    return _finish(lines + bars + settled, ranking)


def _altair() -> Any:
    require("vl_convert", "report", "charts")
    return require("altair", "report", "charts")


def _score_axis(alt: Any, score: str) -> Any:
    return alt.Y("value:Q", title=f"{score} (higher is better)", scale=alt.Scale(zero=False))


def _error(record: ScoreRecord, score: str) -> float | None:
    entry = record.scores.get(score)
    return None if entry is None else entry.standard_error


def _bounds(value: float | None, error: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - (error or 0.0), "high": value + (error or 0.0)}


def _finish(chart: Any, ranking: Ranking, height: int = _HEIGHT) -> Any:
    title = f"{ranking.task.name}: {ranking.probe.n} samples"
    return chart.properties(width=_WIDTH, height=height, title=printable(title))
