"""Checks and made-up problems for everybody who writes a score; the suite of hubscout itself runs on them."""

from hubscout.scores import FEATURE_INVARIANCES
from hubscout.testing.check import check_invariance, check_score
from hubscout.testing.problem import Problem, draw_problem
from hubscout.testing.transforms import transform

__all__ = [
    "FEATURE_INVARIANCES",
    "Problem",
    "check_invariance",
    "check_score",
    "draw_problem",
    "transform",
]
