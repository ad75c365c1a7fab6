"""Scores of one file of features, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubscout._typing import TaskKind
from hubscout.errors import DataError
from hubscout.ranking.choice import check_score_options, choose_scores
from hubscout.ranking.entries import score_entry, source_probabilities
from hubscout.ranking.records import ScoreEntry


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
    scores : dict of str to ScoreEntry
        In the order that was asked for.
    notes : tuple of str
        Sentences the user should see.
    """

    source: str
    task: TaskKind
    n_samples: int
    n_features: int
    n_classes: int
    scores: dict[str, ScoreEntry]
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
    from hubscout.scores import evaluate

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
    chosen = choose_scores(scores, encoded.kind)
    options = check_score_options(score_options, chosen)
    values = evaluate(
        features, encoded.values, chosen, source_probs=probs, task=encoded.kind, seed=seed, options=options
    )
    return FeatureScores(
        source=str(path),
        task=encoded.kind,
        n_samples=int(features.shape[0]),
        n_features=int(features.shape[1]),
        n_classes=len(encoded.names),
        scores={name: score_entry(values[name]) for name in chosen},
        notes=tuple(notes),
    )
