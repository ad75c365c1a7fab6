"""The estimators of the public package transformer-ranker, when it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

# Our score, its module and its class; its H-score is the shrunk one.
ESTIMATORS = {
    "logme": ("logme", "LogME"),
    "h_score_shrunk": ("hscore", "HScore"),
    "knn": ("nearestneighbors", "NearestNeighbors"),
}
_ALIAS = "transformer_ranker_estimators"


def transformer_ranker() -> dict[str, Callable[[np.ndarray, np.ndarray], float] | str]:
    """Return its estimators as functions of features and labels, or why one is not at hand; empty without the package.

    The package imports a framework of language models at its top, which its estimators have no need of, so their
    modules are loaded by themselves.
    """
    found = importlib.util.find_spec("transformer_ranker")
    if found is None or not found.submodule_search_locations:
        return {}
    parent = types.ModuleType(_ALIAS)
    parent.__path__ = [f"{folder}/estimators" for folder in found.submodule_search_locations]
    sys.modules[_ALIAS] = parent
    return {name: _estimator(*home) for name, home in ESTIMATORS.items()}


def _estimator(module: str, name: str) -> Callable[[np.ndarray, np.ndarray], float] | str:
    try:
        import torch

        made: Any = getattr(importlib.import_module(f"{_ALIAS}.{module}"), name)
    except ImportError as error:
        return f"needs a package that is not installed: {error}"

    def run(features: np.ndarray, labels: np.ndarray) -> float:
        return float(made().fit(embeddings=torch.from_numpy(features), labels=torch.from_numpy(labels)))

    return run
