"""One run of a fine-tuning: one candidate, one learning rate, one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training part came to.

    Parameters
    ----------
    train_loss, validation_loss : float
        Means over the samples; None where they are not finite.
    validation : float or None
        Accuracy or R squared.
    seconds : float
        Training and validation.
    """

    train_loss: float | None
    validation: float | None
    validation_loss: float | None
    seconds: float

    @property
    def merit(self) -> tuple[float, float]:
        """What epochs and runs are compared by: the value, and of equal ones the lower loss."""
        if self.validation is None or self.validation_loss is None:
            return -np.inf, -np.inf
        return self.validation, -self.validation_loss


@dataclass(frozen=True)
class Run:
    """One run, finished.

    Parameters
    ----------
    setting : float
        The learning rate; the strength C of the inverse penalty for a linear probe.
    seed : int
        Of head, order and augmentation.
    epochs : tuple of Epoch
        All that were run; a single one for a linear probe.
    best_epoch : int
        The one that counts, from 1; 0 when the loss grew beyond all bounds.
    predictions : tuple
        For the test part: class codes, or one list of target values a sample. Empty when the loss grew beyond bounds.
    device : str
        Where it ran.
    """

    setting: float
    seed: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    predictions: tuple[Any, ...]
    device: str = "cpu"

    @property
    def best(self) -> Epoch | None:
        """The epoch that counts."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    @property
    def merit(self) -> tuple[float, float]:
        """Of the epoch that counts; minus infinity when there is none."""
        return (-np.inf, -np.inf) if self.best is None else self.best.merit

    @property
    def seconds(self) -> float:
        """Time of all epochs, whenever they were run."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def predicted(self) -> npt.NDArray[Any]:
        """The predictions as an array of shape (n,) or (n, n_targets)."""
        return np.array(self.predictions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self)
        return {**values, "epochs": [asdict(epoch) for epoch in self.epochs], "predictions": list(self.predictions)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """Build a run from plain JSON values; names this version does not know are ignored."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known["epochs"] = tuple(Epoch(**epoch) for epoch in known["epochs"])
        known["predictions"] = tuple(known["predictions"])
        return cls(**known)


def best_run(runs: Sequence[Run]) -> Run | None:
    """Choose a run by its validation value alone.

    Parameters
    ----------
    runs : sequence of Run
        Of one seed, and different learning rates.

    Returns
    -------
    Run or None
        Of equal ones the first; None when none has a value.
    """
    ready = [run for run in runs if run.best is not None and np.isfinite(run.merit[0])]
    return max(ready, key=lambda run: run.merit) if ready else None
