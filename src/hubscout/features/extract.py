"""From a candidate and a probe to features on disk: `extract`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Literal

from hubscout.data.task import Probe
from hubscout.errors import CandidateError, DataError, UsageError
from hubscout.features.durable import ReadOnlyStoreError
from hubscout.features.feature_set import FeatureSet
from hubscout.features.job import ExtractionJob
from hubscout.features.keys import entry_key
from hubscout.features.loader import default_threads
from hubscout.features.store import FeatureStore, temporary_store
from hubscout.models.card import Encoder


def extract(
    encoder: Encoder,
    probe: Probe,
    store: FeatureStore,
    *,
    batch_size: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    loader_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Run a candidate once over a probe, or take its features from the store.

    Parameters
    ----------
    encoder : Encoder
        The candidate, ready to run.
    probe : Probe
        The target sample of n inputs.
    store : FeatureStore
        Rows found there are not computed again; new ones are added as the loop goes.
    batch_size : int, optional
        Inputs the model runs at a time, by default 32 images or 64 texts. Halved while memory runs out.
    dtype : {"float32", "float16"}
        Precision of the stored features.
    loader_threads : int, optional
        Threads that decode and prepare inputs ahead of the model, by default one for each core, at most 8.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of samples, from the calling thread.

    Returns
    -------
    FeatureSet
        Memory-mapped and read-only. Its provenance holds ``card``, ``key``, ``probe_fingerprint``,
        ``seconds`` (wall time of this call's forward loop), ``samples_per_second`` (measured when the rows
        were computed, now or earlier; None when unknown), ``rows_cached`` + ``rows_computed`` = n,
        ``rows_repaired`` (stored rows that were damaged, part of the computed ones), ``device``,
        ``batch_size`` and ``notes``.

    Raises
    ------
    CandidateError
        When the candidate does not take such samples, a sample cannot be prepared, the model fails, or it
        returns another width than its card promises, NaN or infinity.
    DataError
        When the probe is empty.
    StoreError
        When the disk is full or fails; what was committed is kept for the next run.
    UsageError
        When an option has no meaning.

    Notes
    -----
    Rows are committed at the end of a batch (texts: of a window of 4 batches, within which they are sorted by
    length) once two seconds or 1024 rows have passed; a crash loses what came after. Ctrl-C commits first.
    """
    _check_options(batch_size, dtype, loader_threads)
    _check_match(encoder, probe)
    key = entry_key(encoder.card, probe.fingerprint, probe.n_units, dtype)
    job = ExtractionJob(encoder, probe, key, batch_size, loader_threads or default_threads(), progress)
    finished = store.read(key)
    if finished is not None:
        return job.take(finished)
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(store.lock(key.digest, on_wait=job.note_wait))
        except ReadOnlyStoreError as exc:
            job.notes.append(f"features were not stored: {exc}")
            lent = stack.enter_context(temporary_store())
            directory = stack.enter_context(lent.lock(key.digest))
        return job.fill(directory)


def _check_options(batch_size: int | None, dtype: str, loader_threads: int | None) -> None:
    for name, value in (("batch_size", batch_size), ("loader_threads", loader_threads)):
        if value is not None and value < 1:
            msg = f"{name} must be at least 1, or None for the default, got {value}"
            raise UsageError(msg)
    if dtype not in ("float32", "float16"):
        msg = f"dtype must be 'float32' or 'float16', got {dtype!r}"
        raise UsageError(msg)


def _check_match(encoder: Encoder, probe: Probe) -> None:
    if len(probe) == 0:
        msg = f"the probe of {probe.task.name!r} must hold samples, got none; draw it from another target"
        raise DataError(msg)
    if encoder.card.modality != probe.task.modality:
        msg = (
            f"candidate {encoder.card.address!r} takes {encoder.card.modality} inputs and the target "
            f"{probe.task.name!r} holds {probe.task.modality}; choose candidates of the target's kind"
        )
        raise CandidateError(msg)
    if encoder.card.unit != probe.task.unit:
        msg = (
            f"candidate {encoder.card.address!r} was loaded to read a {encoder.card.unit} and the rows of "
            f"{probe.task.name!r} are of a {probe.task.unit}; load it with Reading(unit={probe.task.unit!r})"
        )
        raise CandidateError(msg)
