"""Does a score deserve belief? Its agreement with the accuracy after fine-tuning."""

from hubscout.evaluation.agreement import (
    Agreement,
    agreement,
    kendall,
    regret_at_k,
    spearman,
    top1_hit,
    weighted_tau,
)
from hubscout.evaluation.comparison import Comparison, compare
from hubscout.evaluation.ground_truth import GroundTruth, list_ground_truths, load_ground_truth

__all__ = [
    "Agreement",
    "Comparison",
    "GroundTruth",
    "agreement",
    "compare",
    "kendall",
    "list_ground_truths",
    "load_ground_truth",
    "regret_at_k",
    "spearman",
    "top1_hit",
    "weighted_tau",
]
