"""How well scores agreed with fine-tuning, as a table and in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hubscout._printable import printable
from hubscout.evaluation.comparison import Comparison
from hubscout.report.fitting import Column, build_table, fit
from hubscout.report.numbers import DASH


def agreement_table(rows: Sequence[Comparison], width: int) -> RenderableType:
    """Lay out the agreement of several scores.

    Parameters
    ----------
    rows : sequence of Comparison
        In the order they are shown.
    width : int
        Columns of the terminal.

    Returns
    -------
    rich renderable
    """
    results = [row.agreement for row in rows]
    columns = [
        Column("ordered by", tuple(_name(row) for row in rows), justify="left", folds=True),
        Column("weighted tau", tuple(_signed(each.weighted_tau) for each in results)),
        Column(
            "truth-weighted",
            tuple(_signed(each.weighted_tau_truth) for each in results),
            2,
            name="truth-weighted",
        ),
        Column("spearman", tuple(_signed(each.spearman) for each in results), 3, name="spearman"),
        Column("regret@1", tuple(_points(each.regret) for each in results)),
        Column("hit", tuple(_yes(each.top1_hit) for each in results), 1, name="hit"),
        Column("n", tuple(str(each.n) for each in results), 4, name="n"),
    ]
    shown, _ = fit(columns, width)
    legend = (
        "weighted tau: agreement with the fine-tuned order, 1 is the same order, 0 is chance (SciPy's convention; "
        "truth-weighted: weights from the truth alone); regret@1: points of accuracy lost by taking the first; "
        "hit: the first is the best"
    )
    legend += "; n: candidates with both values." if any(column.title == "n" for column in shown) else "."
    return Group(build_table(shown), Text(), Text(legend, style="dim"))


def findings(rows: Sequence[Comparison], score: str) -> list[str]:
    """Say in plain words what one table of agreement shows, and what it does not.

    Parameters
    ----------
    rows : sequence of Comparison
        The table.
    score : str
        The score whose order the user was shown.

    Returns
    -------
    list of str
        Sentences.
    """
    by_name = {row.name: row for row in rows}
    shown = by_name.get(score)
    if shown is None or shown.agreement.weighted_tau is None:
        return [f"{score} gives no order that could be compared with fine-tuning."]
    # A score that leaves candidates out answers another question.
    others = [row for row in rows if row is not shown and row.agreement.n == shown.agreement.n]
    noise = chance_spread(shown.agreement.n)
    tau = shown.agreement.weighted_tau
    sentences = [f"The order of {score} agrees with fine-tuning at a weighted tau of {tau:+.2f}; {_first(shown)}."]
    yardstick = _best([row for row in others if row.is_yardstick])
    if yardstick is not None:
        sentences.append(_versus(score, tau, yardstick, noise))
    other = _best([row for row in others if not row.is_yardstick])
    if other is not None:
        sentences.append(_beside(tau, other, noise))
    sentences.append(
        f"This is one task and {shown.agreement.n} candidates, where random orders spread by about {noise:.2f}: it "
        "shows that the pieces work together, not which score is best."
    )
    return sentences


def chance_spread(n: int) -> float:
    """Return the standard deviation of Kendall's tau over random orders of n candidates.

    Parameters
    ----------
    n : int
        At least 2.

    Returns
    -------
    float
        That of the weighted tau is somewhat larger.

    Examples
    --------
    >>> round(chance_spread(14), 2)
    0.2
    """
    return math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))


def _first(row: Comparison) -> str:
    regret = row.agreement.regret
    if regret is None:
        return "it has no first candidate"
    if regret == 0:
        return "its first candidate is also the best after fine-tuning"
    return f"its first candidate ends {100 * regret:.1f} points of accuracy below the best"


def _versus(score: str, tau: float, yardstick: Comparison, noise: float) -> str:
    value = yardstick.agreement.weighted_tau or 0.0
    if tau - value > noise:
        return f"The best order that does not look at the data, {yardstick.name}, reaches {value:+.2f}: looking paid."
    if value - tau > noise:
        return (
            f"The order by {yardstick.name}, which does not look at the data, reaches {value:+.2f}: "
            f"here looking with {score} did not pay."
        )
    return f"The order by {yardstick.name}, which does not look at the data, reaches {value:+.2f}: no clear difference."


def _beside(tau: float, other: Comparison, noise: float) -> str:
    value = other.agreement.weighted_tau or 0.0
    if value - tau > noise:
        return f"Of the other scores, {other.name} does better here, at {value:+.2f}."
    if tau - value > noise:
        return f"None of the other scores comes near here; the next is {other.name}, at {value:+.2f}."
    return f"Of the other scores, {other.name} is about as good here, at {value:+.2f}."


def _best(rows: Sequence[Comparison]) -> Comparison | None:
    comparable = [row for row in rows if row.agreement.weighted_tau is not None]
    return max(comparable, key=lambda row: row.agreement.weighted_tau or 0.0, default=None)


def _name(row: Comparison) -> str:
    return printable(f"{row.name} (no look at the data)" if row.is_yardstick else row.name)


def _signed(value: float | None) -> str:
    return DASH if value is None else f"{value:+.3f}"


def _points(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f}"


def _yes(value: bool | None) -> str:
    return DASH if value is None else ("yes" if value else "no")
