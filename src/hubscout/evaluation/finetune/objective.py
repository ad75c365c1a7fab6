"""What is learnt and what is measured: classes with accuracy, target values with R squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray, TaskKind
from hubscout.evaluation.finetune.data import Part, Parts

MEASURES: dict[str, str] = {"classification": "accuracy", "regression": "R2"}


@dataclass(frozen=True)
class Objective:
    """The loss, and the way from outputs to a value.

    Parameters
    ----------
    kind : {"classification", "regression"}
        Of the task.
    n_outputs : int
        Width of the head: classes, or targets.
    label_smoothing : float
        Of the cross-entropy.
    mean, scale : ndarray of shape (n_targets,)
        Of the training targets, which are learnt at mean 0 and deviation 1.
    """

    kind: TaskKind
    n_outputs: int
    label_smoothing: float
    mean: FloatArray
    scale: FloatArray

    @property
    def measure(self) -> str:
        """Name of the value."""
        return MEASURES[self.kind]

    def targets(self, part: Part) -> Any:
        """Return what the loss is taken against, as a tensor of shape (n,) or (n, n_targets)."""
        import torch

        if self.kind == "classification":
            return torch.from_numpy(np.asarray(part.labels, dtype=np.int64))
        values = (_columns(part.labels) - self.mean) / self.scale
        return torch.from_numpy(values.astype(np.float32))

    def loss(self, outputs: Any, targets: Any) -> Any:
        """Mean loss of a batch."""
        import torch

        if self.kind == "classification":
            return torch.nn.functional.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        return torch.nn.functional.mse_loss(outputs, targets)

    def predictions(self, outputs: Any) -> npt.NDArray[Any]:
        """Turn outputs into class codes, (n,), or target values, (n, n_targets)."""
        array: npt.NDArray[np.float64] = outputs.double().cpu().numpy()
        return array.argmax(1) if self.kind == "classification" else array * self.scale + self.mean

    def terms(self, predictions: npt.NDArray[Any], part: Part) -> FloatArray:
        """Return the value's terms, one a sample; see `value_terms`."""
        return value_terms(self.kind, predictions, part.labels)


def choose_objective(parts: Parts, label_smoothing: float) -> Objective:
    """Derive the objective from the training part.

    Parameters
    ----------
    parts : Parts
        Of the target.
    label_smoothing : float
        Of the cross-entropy.

    Returns
    -------
    Objective
    """
    if parts.task.kind == "classification":
        nothing = np.zeros(0)
        return Objective("classification", parts.task.n_classes, label_smoothing, nothing, nothing)
    targets = _columns(parts.train.labels)
    spread = targets.std(axis=0)
    return Objective("regression", targets.shape[1], 0.0, targets.mean(axis=0), np.where(spread > 0, spread, 1.0))


def value_terms(kind: TaskKind, predictions: npt.NDArray[Any], labels: npt.NDArray[Any]) -> FloatArray:
    r"""Write accuracy or R squared as a mean over samples.

    Parameters
    ----------
    kind : {"classification", "regression"}
        Of the task.
    predictions, labels : ndarray of shape (n,) or (n, n_targets)
        Class codes or target values.

    Returns
    -------
    ndarray of shape (n,), float64
        Their mean is the value. For classes 1 where the prediction is right and 0 elsewhere.

    Notes
    -----
    For :math:`R^2 = 1 - \overline{e^2} / v` with :math:`v = \overline{(y - \bar y)^2}` the terms are its linearisation
    :math:`R^2 - (e_i^2 - (1 - R^2)(y_i - \bar y)^2) / v`, whose mean is :math:`R^2` exactly and whose spread gives its
    standard error (delta method). Of several targets the mean is taken; one that is constant in the part counts 0.

    Examples
    --------
    >>> value_terms("classification", np.array([0, 1, 1]), np.array([0, 1, 0])).tolist()
    [1.0, 1.0, 0.0]
    >>> float(value_terms("regression", np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])).mean().round(4))
    0.7857
    """
    if kind == "classification":
        right: FloatArray = np.equal(predictions, labels).astype(np.float64)
        return right
    y, z = _columns(labels), _columns(predictions)
    errors, deviations = (y - z) ** 2, (y - y.mean(axis=0)) ** 2
    variance = deviations.mean(axis=0)
    safe = np.where(variance > 0, variance, 1.0)
    r2 = 1 - errors.mean(axis=0) / safe
    terms: FloatArray = r2 - (errors - (1 - r2) * deviations) / safe
    means: FloatArray = np.where(variance > 0, terms, 0.0).mean(axis=1)
    return means


def balanced_accuracy(predictions: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Mean over classes of the share of their samples that is met.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.5
    """
    right = np.asarray(predictions) == np.asarray(labels)
    return float(np.mean([right[labels == code].mean() for code in np.unique(labels)]))


def _columns(values: npt.NDArray[Any]) -> FloatArray:
    array: FloatArray = np.asarray(values, dtype=np.float64)
    return array.reshape(len(array), -1)
