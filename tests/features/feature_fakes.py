"""Samples, encoders and a failing operating system for the tests of the features layer."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hubscout.data.task import Probe, Task
from hubscout.models.card import EncodedBatch, ModelCard

WATCHED = ("write", "fsync", "replace", "ftruncate", "mkdir", "open", "unlink")


class FakeSamples:
    """Numbers as images, or words as texts."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        return self.values[index]

    def content(self, index: int) -> bytes:
        return repr(self.values[index]).encode()

    def name(self, index: int) -> str:
        return f"sample {index}"

    def subset(self, rows: Any) -> FakeSamples:
        return FakeSamples([self.values[i] for i in rows])


def make_probe(values: Sequence[Any], modality: str = "image", **changes: Any) -> Probe:
    samples = FakeSamples(values)
    n = len(samples)
    digest = hashlib.sha256(b"".join(samples.content(i) for i in range(n))).hexdigest()
    facts: dict[str, Any] = {
        "task": Task("fake", "classification", modality, ("a", "b")),  # type: ignore[arg-type]
        "samples": samples,
        "labels": np.arange(n) % 2,
        "rows": np.arange(n),
        "fingerprint": digest,
        "n_target": n,
        "seed": 0,
        "split": "train",
    }
    return Probe(**{**facts, **changes})


def features_of(values: Sequence[float], width: int) -> np.ndarray:
    return np.sin(np.outer(np.asarray(values, dtype=np.float64), np.arange(1, width + 1))).astype(np.float32)


class FakeEncoder:
    """Elementwise arithmetic as a model: a row's features do not depend on its batch, unless ``padded``."""

    def __init__(
        self,
        *,
        modality: str = "image",
        width: int = 3,
        classes: int | None = 2,
        address: str = "bundled:fake",
        fits: int | None = None,
        delay: float = 0.0,
        padded: bool = False,
        change: Callable[[EncodedBatch, int], Any] | None = None,
        prepare: Callable[[Any], Any] | None = None,
        **card: Any,
    ) -> None:
        facts: dict[str, Any] = {"identity": "sha256:00", "transform": {"size": 8}, "loader": "fake 1"}
        self.card = ModelCard(
            address=address,
            modality=modality,  # type: ignore[arg-type]
            feature_dim=width,
            source_classes=classes,
            **{**facts, **card},
        )
        self.fits = fits
        self.delay = delay
        self.padded = padded
        self.change = change
        self.sizes: list[int] = []
        self.batches: list[list[Any]] = []
        self._prepare = prepare

    def prepare(self, sample: Any) -> Any:
        return sample if self._prepare is None else self._prepare(sample)

    def encode(self, prepared: Sequence[Any]) -> EncodedBatch:
        self.sizes.append(len(prepared))
        self.batches.append(list(prepared))
        if self.fits is not None and len(prepared) > self.fits:
            raise MemoryError
        if self.delay:
            time.sleep(self.delay)
        is_text = self.card.modality == "text"
        values = [float(sum(map(ord, p))) if is_text else float(p) for p in prepared]
        features = features_of(values, self.card.feature_dim)
        if self.padded:
            features += np.float32(1e-3 * max(len(p) for p in prepared))
        logits = None
        if self.card.source_classes is not None:
            logits = features_of([v + 0.5 for v in values], self.card.source_classes)
        batch = EncodedBatch(features, logits)
        return batch if self.change is None else self.change(batch, len(self.sizes))


def with_features(batch: EncodedBatch, features: Any) -> EncodedBatch:
    return replace(batch, features=features)


class CrashError(BaseException):
    """Stands for the machine stopping at a system call."""


class FaultyOs:
    """The ``os`` module, of which one writing call fails.

    Call ``at`` (from 0) of the watched functions raises ``error``; later calls fail too when ``lasting``.
    """

    def __init__(
        self,
        at: int | None,
        error: BaseException,
        *,
        lasting: bool = True,
        watched: Sequence[str] = WATCHED,
    ) -> None:
        self._at = at
        self._error = error
        self._lasting = lasting
        self._watched = watched
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if name not in self._watched:
            return function

        def call(*args: Any, **options: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if self._at is not None and (number == self._at or (self._lasting and number > self._at)):
                raise self._error
            return function(*args, **options)

        return call


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")
