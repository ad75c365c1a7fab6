"""What the published ways of computing scores have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extrapolated:
    """A way of computing that would take too long, run in part.

    Parameters
    ----------
    more_seconds : float
        What the rest would take, added to the seconds that the call took.
    note : str
        What was left out, and how its time was found.
    """

    more_seconds: float
    note: str


def double(features: np.ndarray) -> np.ndarray:
    """Return a float64 copy: the published programs run in float64, and some write to their input."""
    return np.array(features, dtype=np.float64)


def class_means(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean of each class, one class after the other."""
    return np.stack([features[labels == c].mean(axis=0) for c in np.unique(labels)])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities by row."""
    logits = logits - logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def true_class(posteriors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each sample's probability of its own class; labels are 0 to C-1."""
    return posteriors[np.arange(len(labels)), labels]


def reduce_to(features: np.ndarray, n_components: int) -> np.ndarray:
    """Return principal components by scikit-learn, as many as there are at most."""
    from sklearn.decomposition import PCA

    return PCA(min(n_components, *features.shape), random_state=0).fit_transform(features)


def make_label_embeddings(n_classes: int, width: int, n_encoders: int = 3) -> np.ndarray:
    """Draw embeddings of class names, (n_encoders, n_classes, width): what a task's user would bring along."""
    return np.random.default_rng(7).standard_normal((n_encoders, n_classes, width))


EMBEDDING_WIDTH = 1024
