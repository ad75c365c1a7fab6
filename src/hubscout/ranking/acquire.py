"""From an address to features: load the model, hold it against the limits, and extract."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubscout.features.feature_set import FeatureSet
from hubscout.models.card import Encoder, ModelCard
from hubscout.models.reading import Reading
from hubscout.ranking.entries import finite

if TYPE_CHECKING:
    from hubscout.data.task import Probe
    from hubscout.features import FeatureStore
    from hubscout.ranking.candidate import CandidateJob, Emit


def acquire(job: CandidateJob, emit: Emit) -> tuple[ModelCard, FeatureSet | None, str | None]:
    """Load one candidate and extract its features, unless it is beyond a limit.

    Parameters
    ----------
    job : CandidateJob
        What to do.
    emit : callable
        Told each step.

    Returns
    -------
    card : ModelCard
    feature_set : FeatureSet or None
        None where the card alone shows that the candidate is out.
    objection : str or None
        Why it is out, also where only its features showed it.
    """
    from hubscout.features import FeatureStore, feature_file_set
    from hubscout.models import load_encoder, parse_address

    address = parse_address(job.address)
    if address.scheme == "features":
        whole = job.probe if job.nested is None else job.nested.whole
        found = feature_file_set(address.name, whole)
        card = ModelCard(**found.provenance["card"])
        taken = found if job.nested is None else _taken(found, job)
        return card, taken, job.limits.objection(card.n_parameters, card.licence) or _too_slow(job, found)
    encoder = load_encoder(
        address,
        device=job.device,
        pooling=job.pooling,
        trust_remote_code=job.trust_remote_code,
        reading=_reading(job),
    )
    card = encoder.card
    objection = job.limits.objection(card.n_parameters, card.licence)
    if objection is not None:
        return card, None, objection
    emit("loaded", 0, len(job.probe), card.address)
    card = replace(card, n_macs=_macs(encoder, job.probe))
    store = FeatureStore(None if job.store is None else Path(job.store))
    found = _extracted(encoder, job, store, emit)
    return card, found, _too_slow(job, found)


def _too_slow(job: CandidateJob, found: FeatureSet) -> str | None:
    return job.limits.objection_to_rate(finite(found.provenance.get("samples_per_second")))


def _extracted(encoder: Encoder, job: CandidateJob, store: FeatureStore, emit: Emit) -> FeatureSet:
    from hubscout.features import extract

    blocks = (job.probe,) if job.nested is None else job.nested.blocks
    sets: list[FeatureSet] = []
    for block in blocks:
        known = sum(len(each) for each in blocks[: len(sets)])

        def report(done: int, _: int, known: int = known) -> None:
            emit("progress", known + done, len(job.probe), "")

        sets.append(extract(encoder, block, store, batch_size=job.batch_size, dtype=job.dtype, progress=report))
    return sets[0] if job.nested is None else _joined(sets, blocks, job.probe)


def _joined(sets: Sequence[FeatureSet], blocks: Sequence[Probe], probe: Probe) -> FeatureSet:
    """Put the blocks of one candidate under each other."""
    facts = [each.provenance for each in sets]
    logits = [each.source_logits for each in sets if each.source_logits is not None]
    rates = [each["samples_per_second"] for each in facts]
    seconds = [len(block) / rate for block, rate in zip(blocks, rates, strict=True) if rate]
    provenance: dict[str, Any] = {
        **facts[0],
        "probe_fingerprint": probe.fingerprint,
        "samples_per_second": len(probe) / sum(seconds) if len(seconds) == len(sets) else None,
        **{name: sum(each[name] for each in facts) for name in ("seconds", "rows_cached", "rows_computed")},
        "rows_repaired": sum(each["rows_repaired"] for each in facts),
        "notes": list(dict.fromkeys(note for each in facts for note in each["notes"])),
    }
    return FeatureSet(
        np.concatenate([each.features for each in sets]),
        probe.labels,
        np.concatenate(logits) if len(logits) == len(sets) else None,
        provenance,
    )


def _taken(found: FeatureSet, job: CandidateJob) -> FeatureSet:
    """Take the rows of a smaller probe from a user's own file."""
    assert job.nested is not None  # noqa: S101
    rows = job.nested.positions
    logits = None if found.source_logits is None else found.source_logits[rows]
    provenance = {**found.provenance, "rows_cached": len(rows)}
    return FeatureSet(found.features[rows], job.probe.labels, logits, provenance)


def _macs(encoder: Encoder, probe: Probe) -> int | None:
    """Count what one sample costs; None for models that torch does not run, and where counting fails."""
    if "torch" not in sys.modules or encoder.card.loader.startswith("onnx"):
        return None
    from hubscout.models.macs import count_macs

    # A cost is worth no failure: what is wrong with the sample or the model, the extraction says better.
    with contextlib.suppress(Exception):
        return count_macs(lambda: encoder.encode([encoder.prepare(probe.samples[0])]))
    return None


def _reading(job: CandidateJob) -> Reading:
    boxes = job.probe.boxes
    size = None
    if boxes is not None:
        sides = boxes[:, 2:] - boxes[:, :2]
        size = float(np.median(np.sqrt(sides[:, 0] * sides[:, 1])))
    return Reading(job.probe.task.unit, job.layers, job.poolings, size)
