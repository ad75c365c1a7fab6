"""Transferability scores: one paper family a file, all on the same statistics."""

from hubscout.scores._spec import (
    FEATURE_INVARIANCES,
    INVARIANCES,
    Estimate,
    NullReference,
    ScoreSpec,
    get_spec,
    list_scores,
)
from hubscout.scores._spec import score as register_score
from hubscout.scores.disco import disco
from hubscout.scores.evaluate import RECOMMENDED_SCORE, ScoreValue, evaluate, score
from hubscout.scores.h_score import h_score, h_score_shrunk
from hubscout.scores.leep import leep, nce
from hubscout.scores.logme import logme
from hubscout.scores.probes import knn, linear_probe, nearest_centroid

__all__ = [
    "FEATURE_INVARIANCES",
    "INVARIANCES",
    "RECOMMENDED_SCORE",
    "Estimate",
    "NullReference",
    "ScoreSpec",
    "ScoreValue",
    "disco",
    "evaluate",
    "get_spec",
    "h_score",
    "h_score_shrunk",
    "knn",
    "leep",
    "linear_probe",
    "list_scores",
    "logme",
    "nce",
    "nearest_centroid",
    "register_score",
    "score",
]
