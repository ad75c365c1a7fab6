"""Predicted accuracy: what past fine-tunings say of the value of a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout.errors import UsageError
from hubscout.evaluation.finetune.history import History
from hubscout.evaluation.finetune.recipe import Method

FEWEST_PAIRS = 8


@dataclass(frozen=True)
class Prediction:
    """What a candidate should reach after fine-tuning.

    Parameters
    ----------
    value, low, high : float or None
        The prediction with its interval; None where nothing honest can be said.
    level : float
        Nominal coverage of the interval.
    n_pairs, n_tasks : int
        Fine-tunings it rests on, and the tasks they are from.
    is_extrapolated : bool
        Whether the score lies outside of all past values.
    reason : str or None
        Why there is no value.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n_pairs: int
    n_tasks: int
    is_extrapolated: bool = False
    reason: str | None = None


def predict_accuracy(
    history: History,
    values: Sequence[float | None],
    *,
    score: str,
    measure: str = "accuracy",
    method: Method = "full",
    level: float = 0.9,
) -> tuple[Prediction, ...]:
    r"""Predict what candidates reach from the values of a score, by the user's own fine-tunings.

    Parameters
    ----------
    history : History
        From `hubscout.evaluation.finetune.history.read_history`.
    values : sequence of float or None
        Of one score, one a candidate; None where it has no value.
    score : str
        Name of the score.
    measure : {"accuracy", "R2"}
        What is predicted; past fine-tunings with another measure are left out.
    method : {"full", "linear-probe", "lora"}
        How candidates would be fine-tuned; those by other methods are left out too.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    tuple of Prediction
        One a candidate. Without values when there are fewer than 8 past pairs of this score, or all their scores are
        equal.

    Notes
    -----
    A least-squares line :math:`a + b s` through the n past pairs with :math:`b \ge 0`, since a higher score must not
    promise less. The interval is the usual one for a new observation, :math:`\pm t_{n-2}\, \sigma \sqrt{1 + 1/n + (s -
    \bar s)^2 / S_{ss}}`. Scores of different tasks need not stand on one scale: with several tasks :math:`\sigma` is at
    least the root mean square error of lines that were fitted without the task they are held against. Within [0, 1]
    for accuracies, and at most 1 for :math:`R^2`.
    """
    if not 0 < level < 1:
        msg = f"level must be a share between 0 and 1, got {level!r}"
        raise UsageError(msg)
    pairs = [
        (entry.scores[score], entry.value, entry.fingerprint)
        for entry in history.entries
        if (entry.measure, entry.recipe.get("method")) == (measure, method)
        and math.isfinite(entry.scores.get(score, math.nan))
        and math.isfinite(entry.value)
    ]
    tasks = sorted({task for _, _, task in pairs})
    reason = _reason(pairs, score)
    if reason is not None:
        nothing = Prediction(None, None, None, level, len(pairs), len(tasks), reason=reason)
        return tuple(nothing for _ in values)
    x, y = (np.array([pair[place] for pair in pairs], dtype=np.float64) for place in (0, 1))
    line = _Line(x, y, np.array([tasks.index(task) for _, _, task in pairs]))
    return tuple(_predict(line, value, measure, level) for value in values)


def _reason(pairs: list[tuple[float, float, str]], score: str) -> str | None:
    if len(pairs) < FEWEST_PAIRS:
        need = f"a prediction needs at least {FEWEST_PAIRS} past fine-tunings with {score}"
        return f"{need}, and the history has {len(pairs)}"
    if len({value for value, _, _ in pairs}) < 2:
        return f"all past values of {score} are equal"
    return None


class _Line:
    """A rising line through past pairs, and the spread around it."""

    def __init__(self, x: FloatArray, y: FloatArray, task: IntArray) -> None:
        self.x, self.n, self.n_tasks = x, len(x), int(task.max()) + 1
        self.intercept, self.slope = _fit(x, y)
        error = float(np.sum((y - self.at(x)) ** 2)) / (self.n - 2)
        if self.n_tasks > 1:
            left_out = np.concatenate([_left_out(x, y, task == each) for each in range(self.n_tasks)])
            error = max(error, float(np.mean(left_out**2)))
        self.variance = error
        self.spread = float(np.sum((x - x.mean()) ** 2))

    def at(self, x: FloatArray) -> FloatArray:
        """Height of the line."""
        return self.intercept + self.slope * x

    def standard_error(self, value: float) -> float:
        """Spread of a new observation."""
        far = (value - float(self.x.mean())) ** 2 / self.spread
        return math.sqrt(self.variance * (1 + 1 / self.n + far))


def _predict(line: _Line, value: float | None, measure: str, level: float) -> Prediction:
    from scipy.stats import t

    if value is None or not math.isfinite(value):
        reason = "the candidate has no value of the score"
        return Prediction(None, None, None, level, line.n, line.n_tasks, reason=reason)
    middle = line.intercept + line.slope * value
    half = float(t.ppf(0.5 + level / 2, line.n - 2)) * line.standard_error(value)
    least = 0.0 if measure == "accuracy" else -math.inf
    found, low, high = (min(1.0, max(least, end)) for end in (middle, middle - half, middle + half))
    outside = not float(line.x.min()) <= value <= float(line.x.max())
    return Prediction(found, low, high, level, line.n, line.n_tasks, outside)


def _fit(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = max(0.0, float(centred @ y) / spread) if spread > 0 else 0.0
    return float(y.mean() - slope * x.mean()), slope


def _left_out(x: FloatArray, y: FloatArray, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    intercept, slope = _fit(x[~chosen], y[~chosen])
    errors: FloatArray = y[chosen] - intercept - slope * x[chosen]
    return errors
