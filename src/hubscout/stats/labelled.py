"""The labels' side of the statistics: codes, counts, targets, and the groups that rows come from."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from hubscout import _label_validation as validation
from hubscout._typing import FloatArray, IntArray, TaskKind
from hubscout._validation import check_choice, check_length
from hubscout.errors import UsageError
from hubscout.stats.namespace import to_numpy

# Kinds of task whose rows have one class each; their rows are samples, words, or points.
CLASS_KINDS: tuple[TaskKind, ...] = ("classification", "token_classification", "segmentation")


class Labelled:
    """What `Statistics` knows of its labels; made by it alone."""

    task: TaskKind
    n_samples: int

    def _read_labels(self, labels: Any) -> None:
        """Take labels of the task's kind; ``task`` and ``n_samples`` must be known."""
        check_choice("task", self.task, get_args(TaskKind))
        self._targets: npt.NDArray[Any] | None = None
        self._boxes: FloatArray | None = None
        self.classes: npt.NDArray[Any] = np.empty(0)
        if labels is None:
            return
        if self.task == "detection":
            self._read_boxes(labels)
            return
        array = validation.label_array(_on_host(labels))
        check_length("labels", len(array), self.n_samples)
        if self.task == "regression":
            self._targets = validation.check_target_values(array)
        elif self.task == "multilabel":
            self._targets = validation.check_label_matrix(array)
        else:
            self.classes, self._targets = validation.check_class_labels(array)

    def _read_boxes(self, labels: Any) -> None:
        if isinstance(labels, tuple | list):
            labels = type(labels)(_on_host(part) for part in labels)
        classes, boxes = validation.split_detection_labels(_on_host(labels))
        check_length("labels", len(classes), self.n_samples)
        self._boxes = validation.check_boxes(boxes)
        # Boxes of a single class still have coordinates to predict.
        self.classes, self._targets = validation.check_class_labels(classes, at_least=1)

    def _read_groups(self, groups: Any) -> None:
        """Take the group of each row; ``n_samples`` must be known."""
        self.groups: IntArray | None = None
        if groups is not None:
            self.groups = validation.check_groups(_on_host(groups))
            check_length("groups", len(self.groups), self.n_samples)

    @property
    def targets(self) -> npt.NDArray[Any]:
        """Class codes (n_samples,), or targets (n_samples, n_targets): numbers, or indicators of several labels."""
        self.require_labels()
        if self.task == "detection":
            msg = "task must be 'classification' or 'regression' for this score, got 'detection'"
            raise UsageError(msg)
        return self._targets  # type: ignore[return-value]

    def require_labels(self) -> None:
        """Raise a UsageError unless labels were given."""
        if self._targets is None:
            msg = "labels must be given: this score compares features with labels"
            raise UsageError(msg)

    @property
    def has_classes(self) -> bool:
        """Whether each row has one class."""
        return self.task in CLASS_KINDS

    @property
    def codes(self) -> IntArray:
        """Class code of each sample, (n_samples,); an error where a sample has no single class."""
        if not self.has_classes:
            msg = f"task must be 'classification' for this score, got {self.task!r}"
            raise UsageError(msg)
        return self.targets

    @property
    def n_targets(self) -> int:
        """Number of classes, of labels, or of regression targets; 0 without labels."""
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

    @property
    def label_frequencies(self) -> FloatArray:
        """Share of the samples that have each label, (n_labels,); an error outside of multilabel tasks."""
        if self.task != "multilabel":
            msg = f"task must be 'multilabel' for frequencies of labels, got {self.task!r}"
            raise UsageError(msg)
        frequencies: FloatArray = self.targets.mean(axis=0)
        return frequencies


def _on_host(labels: Any) -> Any:
    return to_numpy(labels) if hasattr(labels, "ndim") else labels
