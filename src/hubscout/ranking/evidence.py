"""What a candidate's value rests on, small enough to cross from its process: one number a sample, or a fold."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hubscout._typing import FloatArray, IntArray, TaskKind

if TYPE_CHECKING:
    from hubscout.scores import ScoreValue


# Terms of scores that fit a model do not know of the whole error of the fit. For these it widens errors by about as
# much at 5 features as at 1280, at 100 samples as at 400: benchmarks/coverage.py, tests/ranking/test_coverage.py.
_WIDENED = {"consensus": 1.2, "held_out": 1.2, "linear_probe": 1.1, "logme": 1.1}
# For these it does not, and is measured on halves of the samples each time.
_HALVED = ("knn",)
Kind = Literal["samples", "folds", "halves"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Independent numbers whose mean is the deciding value.

    Parameters
    ----------
    values : ndarray of shape (n_units,), float64
        Of each sample, with all its words or boxes together; of each fold of a jackknife; or of the halves of splits
        in two, which come in pairs about the value.
    kind : {"samples", "folds", "halves"}
        What a unit is.
    """

    values: FloatArray
    kind: Kind

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the standard error."""
        return len(self.values) // 2 if self.kind == "halves" else len(self.values) - 1

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over units."""
        return float(np.std(self.values, ddof=1) / np.sqrt(len(self.values)))

    def shifted(self, value: float) -> Evidence:
        """Return the same spread about another mean."""
        return Evidence(self.values + (value - self.values.mean()), self.kind)

    def widened(self, factor: float) -> Evidence:
        """Return a wider spread about the same mean."""
        return Evidence(self.values.mean() + factor * (self.values - self.values.mean()), self.kind)

    def to_dict(self) -> dict[str, str]:
        """Return it as text: the values are base64 of little-endian float64."""
        text = base64.b64encode(self.values.astype("<f8").tobytes()).decode("ascii")
        return {"kind": self.kind, "values": text}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Evidence:
        """Read it back.

        Raises
        ------
        ValueError
            When it is not what `to_dict` gives.
        """
        kind = document["kind"]
        if kind not in get_args(Kind):
            msg = f"evidence must be of {', '.join(get_args(Kind))}, got {kind!r}"
            raise ValueError(msg)
        try:
            values = np.frombuffer(base64.b64decode(document["values"], validate=True), "<f8").astype(np.float64)
        except binascii.Error as error:
            msg = f"evidence must hold base64 text ({error})"
            raise ValueError(msg) from error
        return cls(values, kind)


def find_evidence(
    features: Any,
    labels: Any,
    score: str,
    value: ScoreValue,
    *,
    source_probs: Any = None,
    task: TaskKind = "classification",
    groups: IntArray | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Evidence | None:
    """Return what a value rests on: its terms where they tell the whole error, and values of parts of the samples else.

    Parameters
    ----------
    features, labels
        What the score was computed from, as `hubscout.scores.evaluate` takes them.
    score : str
        Its name.
    value : ScoreValue
        What came of it.
    source_probs, task, groups, seed, options
        As they were for the score.

    Returns
    -------
    Evidence or None
        None where there is no value, the value is a sum of several parts, or a tenth of the samples cannot be spared.
    """
    from hubscout.errors import HubscoutError
    from hubscout.scores.jackknife import half_samples, jackknife

    if value.value is None or len(value.parts or {}) > 1:
        return None
    evidence = evidence_of(value, groups)
    if evidence is not None:
        evidence = evidence.widened(_WIDENED.get(score, 1.0))
    is_halved = score in _HALVED or bool((options or {}).get("cross_fit"))
    if evidence is not None and not is_halved:
        return evidence
    given: dict[str, Any] = {"source_probs": source_probs, "task": task, "groups": groups}
    try:
        if evidence is not None:
            gaps = half_samples(features, labels, score, seed=seed, options=options, **given)
            return _of_halves(value.value, gaps)
        found = jackknife(features, labels, score, seed=seed, options=options, **given)
    except (HubscoutError, ArithmeticError, ValueError):  # a part of the samples may have no value
        return evidence
    return Evidence(found.pseudo_values, "folds").shifted(value.value)


def _of_halves(value: float, gaps: FloatArray) -> Evidence:
    """Write gaps as pairs about the value, whose standard error is the root of the mean square of the gaps."""
    wide = gaps * np.sqrt(2 * len(gaps) - 1)
    return Evidence(value + np.concatenate([wide, -wide]), "halves")


def evidence_of(value: ScoreValue, groups: IntArray | None = None) -> Evidence | None:
    r"""Return what a value rests on.

    Parameters
    ----------
    value : ScoreValue
        From `hubscout.scores.evaluate`.
    groups : ndarray of shape (n_rows,), int codes from 0, or None
        The sample that each row belongs to; rows of one sample depend on each other and become one number.

    Returns
    -------
    Evidence or None
        None where there is no value, no term for each row, fewer than two samples, or a value that is a sum of parts,
        which is not the sum that ranks.

    Notes
    -----
    With G groups of N rows, :math:`u_g = \theta + \frac{G}{N}\sum_{i \in g}(t_i - \bar t)`: the standard error of the
    mean of the :math:`u_g` is the cluster-robust one of the mean of the rows.
    """
    if value.value is None or value.terms is None or len(value.parts or {}) > 1:
        return None
    terms = np.asarray(value.terms, dtype=np.float64)
    centred = terms - terms.mean()
    if groups is not None:
        sums = np.bincount(groups, centred)
        centred = sums * (len(sums) / len(terms))
    if len(centred) < 2 or not np.isfinite(centred).all():
        return None
    return Evidence(value.value + centred, "samples")
