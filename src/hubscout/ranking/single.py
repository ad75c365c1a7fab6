"""Scores of one file of features, without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubscout._typing import TaskKind
from hubscout.errors import DataError
from hubscout.ranking.choice import check_score_options, choose_scores
from hubscout.ranking.entries import score_entry, source_probabilities
from hubscout.ranking.records import ScoreEntry

if TYPE_CHECKING:
    from hubscout.scores import NullReference, ScoreValue

# Random orders of the labels that a score is held against; they know the spread to about 16 percent.
NULL_DRAWS = 20


@dataclass(frozen=True)
class JudgedScore(ScoreEntry):
    """One score of one file, beside what it says without signal.

    Parameters
    ----------
    value, standard_error, reason, seconds
        As in `ScoreEntry`.
    null : NullReference, optional
        Its values under labels in random order; None for a score that reads none.
    z : float, optional
        Standard deviations of those that the value lies above their mean.
    """

    null: NullReference | None = None
    z: float | None = None

    @classmethod
    def of(cls, value: ScoreValue) -> JudgedScore:
        """Return the record of a score's value."""
        return cls(**asdict(score_entry(value)), null=value.null, z=value.z)


@dataclass(frozen=True)
class FeatureScores:
    """The scores of one set of features.

    Parameters
    ----------
    source : str
        The file. Untrusted text.
    task : str
        Kind of the task.
    n_samples, n_features, n_classes : int
        Size of the data; no classes for regression.
    scores : dict of str to JudgedScore
        In the order that was asked for.
    notes : tuple of str
        Sentences the user should see.
    """

    source: str
    task: TaskKind
    n_samples: int
    n_features: int
    n_classes: int
    scores: dict[str, JudgedScore]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def score_file(
    path: str | Path,
    *,
    labels: str | Path | None = None,
    scores: str | Sequence[str] | None = None,
    task: TaskKind | None = None,
    seed: int = 0,
    score_options: Mapping[str, Mapping[str, Any]] | None = None,
    null_draws: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureScores:
    """Score features that were extracted elsewhere.

    Parameters
    ----------
    path : str or Path
        A file of features; see `hubscout.features.load_feature_file`.
    labels : str or Path, optional
        A ``.npy`` file of labels, instead of those in the file.
    scores : str or sequence of str, optional
        Names of scores, or ``all``; by default as for `hubscout.rank`.
    task : {"classification", "regression"}, optional
        Read from the labels when it is not given.
    seed : int
        For scores that draw.
    score_options : mapping, optional
        Options by score.
    null_draws : int, optional
        Random orders of the labels for null references, 20 by default; 0 for no such references.
    progress : callable, optional
        Called with the number of draws done and that of all.

    Returns
    -------
    FeatureScores

    Raises
    ------
    UsageError
        When a score or an option does not exist.
    DataError
        When the file cannot be scored.
    """
    from hubscout.data.labels import encode_labels
    from hubscout.features import load_feature_file
    from hubscout.scores import evaluate, get_spec, list_scores

    file = load_feature_file(path, labels=labels)
    if file.labels is None:
        msg = f"the file {str(path)!r} must hold an array 'labels', got none; add it or give --labels FILE.npy"
        raise DataError(msg)
    encoded = encode_labels(file.labels.tolist(), source=repr(str(path)), kind=task)
    features, probs = file.features, source_probabilities(file.source_logits, file.source_probs)
    notes = list(encoded.notes)
    if encoded.problems:
        features = features[encoded.kept]
        probs = None if probs is None else probs[encoded.kept]
        row, reason = encoded.problems[0]
        notes.append(f"left out: {len(encoded.problems)} samples, the first in row {row}: {reason}")
    given = {name: dict(own) for name, own in (score_options or {}).items()}
    if file.label_embeddings is not None:
        for name in list_scores(encoded.kind):
            if "label_embeddings" in get_spec(name).required_options:
                given[name] = {"label_embeddings": file.label_embeddings, **given.get(name, {})}
    chosen = choose_scores(scores, encoded.kind, given)
    check_score_options(score_options, chosen, encoded.kind)
    values = evaluate(
        features,
        encoded.values,
        chosen,
        source_probs=probs,
        task=encoded.kind,
        seed=seed,
        options=given,
        null_draws=NULL_DRAWS if null_draws is None else null_draws,
        progress=progress,
    )
    return FeatureScores(
        source=str(path),
        task=encoded.kind,
        n_samples=int(features.shape[0]),
        n_features=int(features.shape[1]),
        n_classes=len(encoded.names),
        scores={name: JudgedScore.of(values[name]) for name in chosen},
        notes=tuple(notes),
    )
