"""Real fine-tuning of a shortlist: recipe, data, loop, result, and the history of what came of it."""

from hubscout.evaluation.finetune.history import History, HistoryEntry, append_history, read_history
from hubscout.evaluation.finetune.prediction import Prediction, predict_accuracy
from hubscout.evaluation.finetune.recipe import Recipe

__all__ = [
    "History",
    "HistoryEntry",
    "Prediction",
    "Recipe",
    "append_history",
    "predict_accuracy",
    "read_history",
]
