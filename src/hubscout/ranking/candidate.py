"""One candidate from its address to its record: load, extract, score."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from hubscout.data.task import Probe
from hubscout.errors import HubscoutError
from hubscout.models.card import ModelCard
from hubscout.models.reading import Readout
from hubscout.ranking.acquire import acquire
from hubscout.ranking.entries import finite, score_entry, source_probabilities
from hubscout.ranking.evidence import find_evidence
from hubscout.ranking.layers import LayerChoice, choose_layer, layer_score, with_options
from hubscout.ranking.limits import Limits
from hubscout.ranking.nesting import NestedProbe
from hubscout.ranking.records import ScoreEntry, ScoreRecord

Step = Literal["loaded", "progress", "scoring", "note"]
# (kind, done, total, message): what an engine needs to build an Event.
Emit: TypeAlias = Callable[[Step, int, int, str], None]
Runner: TypeAlias = Callable[["CandidateJob", Emit], ScoreRecord]


@dataclass(frozen=True)
class CandidateJob:
    """All that one candidate's process is told; it must pickle.

    Parameters
    ----------
    address : str
        Canonical address of the candidate.
    probe : Probe
        The target sample.
    scores : tuple of str
        Names of the scores.
    score_options : mapping
        Options of single scores, by name.
    seed : int
        Seed of the scores.
    device, pooling, batch_size, dtype
        As in `hubscout.rank`.
    trust_remote_code : tuple of str
        Names of models whose own code may run.
    store : str or None
        Root of the feature store; None is the default place.
    layers : tuple of int, "all" or None
        Layers among which the best is chosen; None for the model's own output.
    poolings : tuple of str
        Poolings among which the best is chosen, where layers are.
    limits : Limits
        What a candidate may cost.
    nested : NestedProbe or None
        In a race, the blocks that the probe is made of.
    """

    address: str
    probe: Probe
    scores: tuple[str, ...]
    score_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    pooling: str | None = None
    batch_size: int | None = None
    dtype: Literal["float32", "float16"] = "float32"
    trust_remote_code: tuple[str, ...] = ()
    store: str | None = None
    layers: tuple[int, ...] | Literal["all"] | None = None
    poolings: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    nested: NestedProbe | None = None


def run_candidate(job: CandidateJob, emit: Emit) -> ScoreRecord:
    """Load, extract and score one candidate in this process.

    Parameters
    ----------
    job : CandidateJob
        What to do.
    emit : callable
        Told each step.

    Returns
    -------
    ScoreRecord
        Without a rank; status ``ranked`` means only that features were there and no limit speaks against it.

    Raises
    ------
    Exception
        Whatever the candidate's own library raises; engines turn it into a failed record by `failed_record`.
    """
    from hubscout.scores import evaluate

    start = time.perf_counter()
    card, feature_set, objection = acquire(job, emit)
    if feature_set is None:
        return replace(_record(card, {}, {}), requested=job.address, **_beyond(objection))
    emit("scoring", len(job.probe), len(job.probe), "")
    probe = job.probe
    labels = feature_set.labels if probe.boxes is None else (feature_set.labels, probe.boxes)
    choice, features = None, feature_set.features
    if card.readouts:
        choice, features = _choose_layer(job, card.readouts, features, labels)
    probs = source_probabilities(feature_set.source_logits)
    values = evaluate(
        features,
        labels,
        job.scores,
        source_probs=probs,
        task=probe.task.kind,
        groups=probe.groups,
        seed=job.seed,
        options=job.score_options,
    )
    entries = {name: score_entry(values[name]) for name in job.scores}
    if feature_set.source_logits is None:
        entries = {name: _without_head(name, entry) for name, entry in entries.items()}
    if choice is not None:
        entries = {name: _without_luck(job, name, entry, choice) for name, entry in entries.items()}
    decides = job.scores[0]
    evidence = find_evidence(
        features,
        labels,
        decides,
        values[decides],
        source_probs=probs,
        task=probe.task.kind,
        groups=probe.groups,
        seed=job.seed,
        options=job.score_options.get(decides),
    )
    chosen = entries[decides].value
    if evidence is not None and chosen is not None:
        # The layer's own terms stand for those of the choice among layers: only their mean was too high.
        is_corrected = chosen != values[decides].value
        evidence = evidence.shifted(chosen) if is_corrected else evidence
        if not is_corrected:
            entries[decides] = replace(entries[decides], standard_error=evidence.standard_error)
    return replace(
        _record(card, feature_set.provenance, entries),
        **({} if objection is None else _beyond(objection)),
        evidence=evidence,
        n_features=int(features.shape[1]),
        seconds=time.perf_counter() - start,
        requested=job.address,
        layers=choice,
    )


def _beyond(objection: str | None) -> dict[str, Any]:
    return {"status": "unranked", "reason": objection, "error_type": "beyond_limit"}


def _choose_layer(
    job: CandidateJob, readouts: tuple[Readout, ...], features: npt.NDArray[Any], labels: Any
) -> tuple[LayerChoice, npt.NDArray[Any]]:
    kind = job.probe.task.kind
    score, options = layer_score(job.scores[0], kind, job.score_options)
    return choose_layer(
        features,
        labels,
        readouts,
        score=score,
        options=options,
        seed=job.seed,
        task=kind,
        groups=job.probe.groups,
    )


def _without_luck(job: CandidateJob, score: str, entry: ScoreEntry, choice: LayerChoice) -> ScoreEntry:
    """Rank by what the choice of a layer is worth, where the score that ranks is the one that chose."""
    own = with_options(score, job.score_options.get(score, {}))
    if own != choice.score or entry.value is None or choice.corrected is None:
        return entry
    return replace(entry, value=choice.corrected, standard_error=choice.standard_error)


def failed_record(job: CandidateJob, error: BaseException, seconds: float, details: str | None = None) -> ScoreRecord:
    """Turn an exception into the record of a failed candidate.

    Parameters
    ----------
    job : CandidateJob
        What was tried.
    error : BaseException
        What came of it.
    seconds : float
        Time it took.
    details : str, optional
        A traceback or the end of the output, for errors that are not ours.
    """
    if isinstance(error, HubscoutError):
        reason, details = str(error), None
    else:
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return ScoreRecord(
        candidate=job.address,
        status="failed",
        requested=job.address,
        reason=reason,
        error_type=type(error).__name__,
        details=details,
        seconds=seconds,
    )


def _without_head(score: str, entry: ScoreEntry) -> ScoreEntry:
    """Say it of the candidate: what the score misses is no array that the user could give."""
    from hubscout.scores import get_spec

    if entry.value is None and "source_probs" in get_spec(score).needs:
        return replace(entry, reason="the candidate has no source head")
    return entry


def _record(card: ModelCard, facts: Mapping[str, Any], entries: dict[str, ScoreEntry]) -> ScoreRecord:
    return ScoreRecord(
        candidate=card.address,
        status="ranked",
        scores=entries,
        n_parameters=card.n_parameters,
        source_classes=card.source_classes,
        n_macs=card.n_macs,
        licence=card.licence,
        identity=card.identity,
        loader=card.loader,
        device=card.device,
        transform=dict(card.transform),
        samples_per_second=finite(facts.get("samples_per_second")),
        # A file of the user's own is no store: nothing was saved by taking it.
        rows_cached=0 if card.modality == "features" else int(facts.get("rows_cached", 0)),
        rows_computed=int(facts.get("rows_computed", 0)),
        rows_repaired=int(facts.get("rows_repaired", 0)),
        notes=(*card.notes, *(str(note) for note in facts.get("notes", ()))),
    )
