"""Features and labels with the statistics that scores share, each computed once."""

from __future__ import annotations

from copy import copy
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from hubscout import _validation as validation
from hubscout._typing import Array, FloatArray, IntArray, TaskKind
from hubscout.errors import UsageError
from hubscout.stats.chunks import column_blocks
from hubscout.stats.labelled import Labelled
from hubscout.stats.moments import Moments, centred_target_sums
from hubscout.stats.namespace import is_numpy, is_single_precision, like, namespace, to_numpy
from hubscout.stats.passes import Passes
from hubscout.stats.spectrum import Spectrum, spectrum_of_gram, spectrum_of_samples
from hubscout.stats.target_sums import TargetSums

# Float32 blurs eigenvalues below about this share of the first one by more than scores should notice.
_SINGLE_PRECISION_RANGE = 5e-4


class Statistics(Labelled, Passes):
    """Labelled features, and what scores compute from them: moments, spectrum, coordinates.

    Everything is computed when it is first asked for, in chunks, on the smaller of the sample and feature sides,
    so that memory above the features is O(D^2 + C D + chunk) and does not grow with the number of samples (but
    for one number a sample).

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        Of NumPy or any array-API library; may be a read-only memory map. Never written to.
    labels : array-like, or None
        By the task: class labels of any kind, (n_samples,), also for words and points; 0 and 1 for several labels a
        sample, (n_samples, n_labels); numbers for regression, (n_samples,) or (n_samples, n_targets); for detection a
        pair of classes (n_boxes,) and boxes (n_boxes, 4), or a table (n_boxes, 5) of both. None where a score needs
        no labels.
    task : {"classification", "multilabel", "regression", "detection", "token_classification", "segmentation"}
        What the labels are; classification by default. The samples of the last three are boxes, words and points.
    source_probs : array of shape (n_samples, n_source_classes), or None
        Probabilities of the source model's own head.
    groups : array-like of shape (n_samples,), or None
        Which image or text each sample is from: samples of one group depend on each other, so that standard errors
        count groups, folds keep them whole, and neighbours come from other groups.

    Attributes
    ----------
    n_samples, n_features : int
    classes : ndarray of shape (n_classes,)
        The sorted class labels; empty for regression and several labels a sample.
    targets : ndarray of shape (n_samples,), int codes, or (n_samples, n_targets), float64
    groups : ndarray of shape (n_samples,), int codes, or None
    parts : dict of str to Statistics
        The two sides of a detection task, ``classes`` and ``boxes``; empty for all others.

    Raises
    ------
    DataError
        When an array is not what it should be; values are checked for NaN and infinity on the first pass.

    Examples
    --------
    >>> import numpy as np
    >>> from hubscout.stats import Statistics
    >>> rng = np.random.default_rng(0)
    >>> statistics = Statistics(rng.standard_normal((50, 4)), ["cat", "dog"] * 25)
    >>> statistics.counts
    array([25., 25.])
    >>> statistics.spectrum().singular_values.shape
    (4,)
    """

    def __init__(
        self,
        features: Any,
        labels: Any = None,
        *,
        task: TaskKind = "classification",
        source_probs: Any = None,
        groups: Any = None,
    ) -> None:
        validation.check_choice("task", task, get_args(TaskKind))
        self.task: TaskKind = task
        self._read_features(None if features is None else validation.check_features(features))
        self.source_probs: Array = None if source_probs is None else validation.check_source_probs(source_probs)
        reference = self.features if self.features is not None else self.source_probs
        if reference is None:
            msg = "features or source_probs must be given, got neither"
            raise UsageError(msg)
        self.n_samples: int = reference.shape[0]
        self.n_features: int = 0 if self.features is None else self.features.shape[1]
        if self.source_probs is not None:
            validation.check_length("source_probs", self.source_probs.shape[0], self.n_samples)
        self._read_labels(labels)
        self._read_groups(groups)
        self._given_parts: dict[str, Statistics] | None = None
        self._moments: dict[tuple[bool, bool], Moments] = {}
        self._spectra: dict[bool, Spectrum] = {}
        self._original: Statistics | None = None  # with the labels as given, when these are others

    @classmethod
    def of(
        cls,
        features: Any,
        labels: Any = None,
        *,
        task: TaskKind = "classification",
        source_probs: Any = None,
        groups: Any = None,
    ) -> Statistics:
        """Return prepared statistics as they are, and make them from arrays otherwise."""
        if not isinstance(features, Statistics):
            return cls(features, labels, task=task, source_probs=source_probs, groups=groups)
        if groups is not None:
            msg = "groups belong to the prepared Statistics; give either Statistics or arrays"
            raise UsageError(msg)
        if labels is not None or source_probs is not None:
            msg = "labels and source_probs belong to the prepared Statistics; give either Statistics or arrays"
            raise UsageError(msg)
        if task not in ("classification", features.task):
            msg = f"task belongs to the prepared Statistics, which is {features.task!r}; got {task!r}"
            raise UsageError(msg)
        return features

    def moments(self, *, with_scatter: bool = True, single: bool = False) -> Moments:
        """Return the moments, computed on the first call.

        Parameters
        ----------
        with_scatter : bool, default=True
            Whether the D x D matrix is wanted.
        single : bool, default=False
            Whether products of float32 features may run in float32.
        """
        # Whatever is known and holds at least what is asked for; sums are float64 whatever the products were.
        known = [(True, False), *([(True, True)] if single or not with_scatter else []), (with_scatter, single)]
        for key in known:
            if key in self._moments:
                return self._moments[key]
        if self._original is not None:
            shared = self._original.moments(with_scatter=with_scatter, single=single)
            if self._targets is self._original._targets:  # the classes of a detection task
                return shared
            self._moments[with_scatter, single] = shared.with_targets(self._own_target_sums())
            return self._moments[with_scatter, single]
        moments = Moments(self.n_targets, with_scatter)
        targets = self._targets if self._targets is not None else np.empty((self.n_samples, 0))
        # Float64 chunks of other features are copies, which are centred in place; a part of the features needs a copy.
        is_part = self.features is None or not is_numpy(self.features) or self.features.dtype == np.float64
        for rows, chunk in self.chunks(single=single, width=self.n_features if is_part and not single else 0):
            moments.update(chunk, targets[rows], overwrite=chunk.dtype != self.features.dtype)
        self._moments[with_scatter, single] = moments
        return moments

    @property
    def is_decomposed(self) -> bool:
        """Whether the whole spectrum of the centred features is known."""
        known = self._spectra.get(True)
        return known is not None and known.is_whole

    def spectrum(self, n_components: int | None = None, *, centred: bool = True) -> Spectrum:
        """Return the leading part of the singular value decomposition; all of it by default.

        Parameters
        ----------
        n_components : int or None, default=None
            How many components; None for all of non-zero value.
        centred : bool, default=True
            Whether the mean is taken from the features first.
        """
        known = self._spectra.get(centred)
        if known is not None and (known.is_whole or (n_components or np.inf) <= known.n_components):
            return known if n_components is None else known.leading(n_components)
        found = self._decompose(n_components, centred=centred)
        self._spectra[centred] = found
        return found

    def _decompose(self, n_components: int | None, *, centred: bool) -> Spectrum:
        if self.n_samples < self.n_features:
            mean = self.moments(with_scatter=False).mean  # also without centring: this pass checks the values
            mean = mean if centred else None
            return spectrum_of_samples(lambda: column_blocks(self.features, mean), mean, self.n_samples, n_components)
        single = (
            centred  # a mean that dwarfs the spread would take the digits of float32 for itself
            and n_components is not None
            and n_components < self.n_features // 4
            and self.is_large
            and is_single_precision(self.features)
        )
        moments = self.moments(single=single)
        if single and not self.is_large:  # only now known to leave the range of float32
            moments = self.moments()
        single = single and (True, False) not in self._moments
        gram, mean = moments.scatter, moments.mean
        if not centred:
            gram, mean = gram + self.n_samples * mean[:, None] * mean[None, :], None
        found = spectrum_of_gram(gram, mean, self.n_samples, n_components, single=single)
        values = found.singular_values
        if single and len(values) and values[-1] ** 2 < _SINGLE_PRECISION_RANGE * values[0] ** 2:
            self.moments()
            return self._decompose(n_components, centred=centred)
        return found

    def target_coordinates(self, spectrum: Spectrum) -> FloatArray:
        """Return U^T B of shape (n_components, n_targets): targets in the left singular vectors.

        B is the one-hot matrix for classification. With centred features, B is centred by the same stroke.
        """
        self.require_labels()
        moments = self.moments(with_scatter=False)
        sums = centred_target_sums(moments) if spectrum.is_centred else moments.target_sums
        xp = namespace(spectrum.right_vectors)
        return to_numpy(xp.matmul(sums, spectrum.right_vectors)).T / spectrum.singular_values[:, None]

    def class_coordinates(self, spectrum: Spectrum) -> FloatArray:
        """Return the class means in a spectrum's coordinates, (n_classes, n_components)."""
        projected = self.target_coordinates(spectrum) * spectrum.singular_values[:, None]
        return (projected / self.counts[None, :]).T

    def _feature_mean(self) -> Array:
        return (self._original or self).moments(with_scatter=False).mean

    def relabelled(self, targets: npt.NDArray[Any], sums: TargetSums | None = None) -> Statistics:
        """Return the same features with other labels; all that depends on features alone is shared.

        Parameters
        ----------
        targets : ndarray of shape (n_samples,), int codes of the same classes, or (n_samples, n_targets)
        sums : TargetSums, optional
            Those of the new targets, when they are known; otherwise one pass finds them.
        """
        other = copy(self)
        other._targets, other._moments, other._given_parts = targets, {}, None
        other._remembered_of_labels = {} if sums is None else {"target sums": sums}
        other._original = self._original or self
        return other

    def standardised(self) -> Statistics:
        """Return the same features with regression targets of mean 0 and variance 1."""
        targets, moments = self.targets, self.moments(with_scatter=False)
        scale = targets.std(axis=0)
        sums = centred_target_sums(moments) / like(scale, moments.mean)[:, None]
        own = TargetSums(np.zeros(len(scale)), np.full(len(scale), float(self.n_samples)), sums)
        return self.relabelled((targets - targets.mean(axis=0)) / scale, own)

    @property
    def parts(self) -> dict[str, Statistics]:
        """The sides of a detection task: a classification, unless there is one class, and a regression."""
        if self._given_parts is not None or self._targets is None or self._boxes is None:
            return self._given_parts or {}
        # Made anew each time: parts that their whole held on to would keep the features in memory in a circle.
        found = {"classes": self._part("classification", self._targets)} if len(self.classes) > 1 else {}
        return {**found, "boxes": self._part("regression", self._boxes)}

    def _part(self, task: TaskKind, targets: npt.NDArray[Any]) -> Statistics:
        part = self.relabelled(targets)
        part.task, part._boxes = task, None
        part.classes = self.classes if task == "classification" else np.empty(0)
        part._remembered_of_labels = self.remember(("part", task), dict, of_labels=True)
        return part

    def with_parts(self, parts: dict[str, Statistics]) -> Statistics:
        """Return a detection task with other parts, such as its own in another order."""
        other = self.relabelled(parts["classes"].targets if "classes" in parts else np.zeros(self.n_samples, np.intp))
        other._given_parts, other._boxes = parts, parts["boxes"].targets
        return other

    def _own_target_sums(self) -> TargetSums:
        targets: Any = self._targets
        return self.remember("target sums", lambda: self.target_sums([targets])[0], of_labels=True)

    def target_sums(self, labellings: list[npt.NDArray[Any]]) -> list[TargetSums]:
        """Return what the features sum to under several labellings, in one pass."""
        mean = self._feature_mean()
        found: list[TargetSums] = []
        for rows, chunk in self.chunks(single=self.is_large):
            shift = namespace(chunk).astype(mean, chunk.dtype)
            centred = chunk - shift[None, :]
            own = [TargetSums.of(centred, targets[rows], self.n_targets, shift) for targets in labellings]
            found = [sums.plus(more) for sums, more in zip(found, own, strict=True)] if found else own
        return found

    def take(self, rows: IntArray) -> Statistics:
        """Return the statistics of some of the samples, which are copied."""
        self.require_labels()
        targets: Any = self._targets
        labels = self.classes[targets[rows]] if targets.ndim == 1 else targets[rows]
        chosen = namespace(self.features).take(self.features, like(rows, self.features), axis=0)
        given = labels if self._boxes is None else (labels, self._boxes[rows])
        groups = None if self.groups is None else self.groups[rows]
        return Statistics(chosen, given, task=self.task, groups=groups)
