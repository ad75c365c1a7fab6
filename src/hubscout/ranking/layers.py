"""Which layer of a candidate to take: the best by a held-out score, and what that choice is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, IntArray
from hubscout.models.reading import Readout

if TYPE_CHECKING:
    from hubscout.scores import ScoreSpec, ScoreValue

# Scores that judge each sample by a model that has not seen it; the first one that applies chooses for all others.
_HELD_OUT = ("linear_probe", "knn", "held_out")
# A sum that has such a score among its parts leaves the choice to that one.
_HELD_OUT_PARTS = {"consensus": "held_out"}
_FOLDS = 5


@dataclass(frozen=True)
class LayerValue:
    """The deciding score at one layer and pooling.

    Parameters
    ----------
    layer : int
        From 0, what goes into the first layer, to the model's depth.
    pooling : str
        How tokens or maps became one vector.
    value, standard_error : float or None
        None where the score has no value there.
    """

    layer: int
    pooling: str
    value: float | None
    standard_error: float | None = None


@dataclass(frozen=True)
class LayerChoice:
    """The layer a candidate is judged at.

    Parameters
    ----------
    score : str
        The score that chose it, with its options where they are not the default ones.
    layer : int
    pooling : str
        Of the layer that was chosen.
    value : float
        The score there: the best of several, so on the high side.
    corrected : float or None
        What the choice is worth: every fifth of the samples is judged at the layer that is best on the other four.
        None where the score has no value for each sample.
    standard_error : float or None
        Of the corrected value; that of `value` where there is none.
    layers : tuple of LayerValue
        All that were looked at.
    """

    score: str
    layer: int
    pooling: str
    value: float
    corrected: float | None
    standard_error: float | None
    layers: tuple[LayerValue, ...]


def choose_layer(
    features: npt.NDArray[Any],
    labels: Any,
    readouts: Sequence[Readout],
    *,
    score: str,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    **evaluation: Any,
) -> tuple[LayerChoice, npt.NDArray[Any]]:
    """Find the layer whose features serve the task best, on samples that were held out.

    Parameters
    ----------
    features : ndarray of shape (n_rows, sum of widths)
        The readouts side by side.
    labels : array-like
        As `hubscout.scores.evaluate` takes them.
    readouts : sequence of Readout
        One or more.
    score : str
        Name of a score, from `layer_score`.
    seed : int
        Of the folds, and of the score.
    options : mapping, optional
        Of the score.
    **evaluation
        ``task`` and ``groups`` of `hubscout.scores.evaluate`.

    Returns
    -------
    choice : LayerChoice
    chosen : ndarray of shape (n_rows, width)
        The features there.

    Raises
    ------
    DataError
        When the score has no value at any layer.

    Notes
    -----
    The best of L noisy values is too high by up to ``sqrt(2 ln L)`` standard errors. With one term t_i(l) a sample,
    fold k is judged at ``argmax_l mean_{i not in k} t_i(l)``, and the mean over all folds is free of that: the samples
    that are judged had no part in the choice.
    """
    from hubscout.errors import DataError
    from hubscout.scores import evaluate

    edges = np.concatenate([[0], np.cumsum([readout.width for readout in readouts])])
    slices = [slice(int(begin), int(end)) for begin, end in pairwise(edges)]
    own = dict(options or {})
    values: list[ScoreValue] = [
        evaluate(features[:, columns], labels, [score], seed=seed, options={score: own}, **evaluation)[score]
        for columns in slices
    ]
    known = [place for place, value in enumerate(values) if value.value is not None]
    if not known:
        msg = f"no layer has a value of {score!r}, which chooses among them: {values[0].reason}"
        raise DataError(msg)
    best = max(known, key=lambda place: values[place].value or 0.0)
    terms = [values[place].terms for place in known]
    corrected, error = None, values[best].standard_error
    if all(each is not None for each in terms):
        table = np.stack([each for each in terms if each is not None])
        corrected, error = nested_value(table, evaluation.get("groups"), seed)
    choice = LayerChoice(
        score=with_options(score, own),
        layer=readouts[best].layer,
        pooling=readouts[best].pooling,
        value=float(values[best].value or 0.0),
        corrected=corrected,
        standard_error=error,
        layers=tuple(
            LayerValue(readout.layer, readout.pooling, value.value, value.standard_error)
            for readout, value in zip(readouts, values, strict=True)
        ),
    )
    return choice, features[:, slices[best]]


def with_options(score: str, options: Mapping[str, Any]) -> str:
    """Write a score with its options, as in ``disco(cross_fit=5)``."""
    return f"{score}({', '.join(f'{name}={value}' for name, value in options.items())})" if options else score


def layer_score(decides: str, kind: Any, options: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Name the score that chooses layers, and its options: the deciding one where it judges held-out samples.

    Parameters
    ----------
    decides : str
        The score that ranks.
    kind : str
        Of the task.
    options : mapping
        Options by score.

    Returns
    -------
    score : str
    options : dict

    Examples
    --------
    >>> layer_score("disco", "classification", {})
    ('disco', {'cross_fit': 5})
    >>> layer_score("h_score", "classification", {})
    ('linear_probe', {})
    """
    from hubscout.scores import get_spec, list_scores

    applicable = list_scores(kind)
    decides = _HELD_OUT_PARTS.get(decides, decides)
    given = dict(options.get(decides, {}))
    if decides in _HELD_OUT:
        return decides, given
    if _takes_folds(get_spec(decides), kind) and given.get("compat") is None:
        return decides, {"cross_fit": _FOLDS, **given}
    held_out = next(name for name in _HELD_OUT if name in applicable)
    return held_out, dict(options.get(held_out, {}))


def _takes_folds(spec: ScoreSpec, kind: Any) -> bool:
    # Only classes are fitted in folds; everything else ranks by numbers of the samples it was fitted on.
    return "cross_fit" in spec.options and kind in ("classification", "token_classification", "segmentation")


def nested_value(terms: FloatArray, groups: IntArray | None, seed: int, n_folds: int = _FOLDS) -> tuple[float, float]:
    """Judge the choice among several rows of terms on samples that had no part in it.

    Parameters
    ----------
    terms : ndarray of shape (n_choices, n_rows)
        One number a sample under each choice.
    groups : ndarray of shape (n_rows,), int, or None
        Samples of one group stay in one fold, and count as one in the error.
    seed : int
        Of the folds.
    n_folds : int

    Returns
    -------
    value, standard_error : float

    Examples
    --------
    >>> terms = np.array([[1.0, 0.0] * 10, [0.0, 1.0] * 10])
    >>> nested_value(terms, None, seed=0)[0] <= 0.5
    True
    """
    n_rows = terms.shape[1]
    members = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = int(members.max()) + 1
    fold_of_group = np.random.default_rng(seed).permutation(n_groups) % min(n_folds, n_groups)
    fold = fold_of_group[members]
    judged = np.empty(n_rows)
    for each in range(int(fold.max()) + 1):
        is_out = fold == each
        kept = terms[:, ~is_out] if not is_out.all() else terms
        judged[is_out] = terms[int(np.argmax(kept.mean(axis=1)))][is_out]
    value = float(judged.mean())
    sums = np.bincount(members, weights=judged - value)
    error = float(np.sqrt(np.sum(sums**2) * n_groups / max(n_groups - 1, 1)) / n_rows)
    return value, error
