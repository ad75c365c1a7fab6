"""The labels' side of the statistics: codes, counts and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._label_validation import check_class_labels, check_target_values, label_array
from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_length
from hubscout.errors import UsageError
from hubscout.stats.namespace import to_numpy


class Labelled:
    """What `Statistics` knows of its labels; made by it alone."""

    task: TaskKind
    n_samples: int

    def _read_labels(self, labels: Any) -> None:
        """Take labels of any kind; ``task`` and ``n_samples`` must be known."""
        self._targets: npt.NDArray[Any] | None = None
        self.classes: npt.NDArray[Any] = np.empty(0)
        if labels is None:
            return
        array = label_array(to_numpy(labels) if hasattr(labels, "ndim") else labels)
        check_length("labels", len(array), self.n_samples)
        if self.task == "regression":
            self._targets = check_target_values(array)
        else:
            self.classes, self._targets = check_class_labels(array)

    @property
    def targets(self) -> npt.NDArray[Any]:
        """Class codes (n_samples,), or regression targets (n_samples, n_targets)."""
        self._require_labels()
        return self._targets  # type: ignore[return-value]

    def _require_labels(self) -> None:
        if self._targets is None:
            msg = "labels must be given: this score compares features with labels"
            raise UsageError(msg)

    @property
    def codes(self) -> IntArray:
        """Class code of each sample, (n_samples,); an error for regression."""
        if self.task != "classification":
            msg = f"task must be 'classification' for this score, got {self.task!r}"
            raise UsageError(msg)
        return self.targets

    @property
    def n_targets(self) -> int:
        """Number of classes, or of regression targets; 0 without labels."""
        if self._targets is None:
            return 0
        return len(self.classes) if self._targets.ndim == 1 else self._targets.shape[1]

    @property
    def counts(self) -> FloatArray:
        """Number of samples of each class, (n_classes,), float64."""
        return np.bincount(self.codes, minlength=self.n_targets).astype(np.float64)

    @property
    def priors(self) -> FloatArray:
        """Share of each class, (n_classes,)."""
        return self.counts / self.n_samples
