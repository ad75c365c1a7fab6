"""One problem for all benchmarks of the catalogue, and how a score is run on it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from published_parts import EMBEDDING_WIDTH, make_label_embeddings
from scores import make_features

# Samples, features, classes, classes of the source head.
SIZES = {"full": (10_000, 2_048, 100, 1_000), "small": (1_500, 256, 20, 50)}

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Features with a power-law spectrum, and all that some score needs beside them."""

    features: np.ndarray
    labels: np.ndarray
    source_probs: np.ndarray
    label_embeddings: np.ndarray

    def options(self, name: str) -> dict[str, Any]:
        """Return what a score needs beyond arrays."""
        from hubscout.scores import get_spec

        return {option: getattr(self, option) for option in get_spec(name).required_options}

    def value(self, name: str, **options: Any) -> float:
        """Compute one score from nothing: what its public function does on arrays."""
        from hubscout.scores import get_spec
        from hubscout.stats import Statistics

        spec = get_spec(name)
        statistics = Statistics(
            self.features if "features" in spec.needs else None,
            self.labels,
            source_probs=self.source_probs if "source_probs" in spec.needs else None,
        )
        return float(spec.estimate(statistics, **{**self.options(name), **options}).value)


def make_problem(size: str) -> Problem:
    """Draw the problem of one of the sizes."""
    return draw(*SIZES[size])


def draw(n: int, d: int, n_classes: int, n_source: int) -> Problem:
    """Draw a problem whose source head knows something of the classes."""
    features, labels = make_features(n, d, n_classes)
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((n, n_source)) + 2 * rng.standard_normal((n_classes, n_source))[labels]
    odds = np.exp(logits)
    probs = odds / odds.sum(axis=1, keepdims=True)
    return Problem(features, labels, probs, make_label_embeddings(n_classes, EMBEDDING_WIDTH))


def attempt(what: str, function: Callable[[], T]) -> T | None:
    """Run, and when it fails say so and go on."""
    try:
        return function()
    except Exception as error:
        print(f"  {what} FAILED: {type(error).__name__}: {error}", flush=True)
        traceback.print_exc(limit=-2)
        return None
