"""Every score on real encoders and real sets, held against what fine-tuning reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hubscout.errors import CandidateError, UsageError
from hubscout.evaluation.audio_folder import audio_features, audio_truths
from hubscout.evaluation.benchmark_judgement import Cells, judge_baselines, judge_scores, select
from hubscout.evaluation.benchmark_lists import chosen_names
from hubscout.evaluation.benchmark_values import Features, ValueCache, compute
from hubscout.evaluation.benchmark_variants import parts_of
from hubscout.evaluation.bootstrap import N_DRAWS
from hubscout.evaluation.hub_folder import HubFolder, HubTruth
from hubscout.evaluation.noise import Ceiling, noise_ceiling
from hubscout.evaluation.selection import NestedSelection
from hubscout.evaluation.standings import Standing
from hubscout.evaluation.task_truth import TaskTruth
from hubscout.ranking.environment import environment

SCHEMA = "hubscout.bench.hub/1"
Tell: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class HubBenchmark:
    """What a benchmark found.

    Parameters
    ----------
    truths : tuple of TaskTruth
        Tasks and what candidates reached on them.
    standings : tuple of Standing
        Scores, variants and combinations in the order they were asked for, then baselines.
    cells : dict
        Single values by task, candidate and variant.
    selections : dict of str to NestedSelection
        Of the fine-tuned tasks, and of all tasks.
    ceilings : tuple of Ceiling
        Agreement of truths with themselves.
    failures : tuple of str
        Candidates that gave no features, with the reason.
    notes : tuple of str
        How the truth and the features were made.
    arguments : dict
        Of this run, as plain values.
    environment : dict of str to str
        Versions and platform, without names of machines.
    created : str
        UTC time, ISO 8601.
    """

    truths: tuple[TaskTruth, ...]
    standings: tuple[Standing, ...]
    cells: Cells
    selections: dict[str, NestedSelection] = field(default_factory=dict)
    ceilings: tuple[Ceiling, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"schema": SCHEMA, **asdict(self)}


def bench_hub(
    folder: str | Path,
    *,
    sets: Sequence[str] | None = None,
    encoders: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    truth_files: Sequence[str | Path] = (),
    audio: str | Path | None = None,
    probe_size: int = 5000,
    seed: int = 0,
    null_draws: int = 0,
    n_draws: int = N_DRAWS,
    device: str = "auto",
    store: str | Path | None = None,
    values: str | Path | None = None,
    on_step: Tell | None = None,
) -> HubBenchmark:
    """Run scores on every encoder and set of a hub that have a truth.

    Parameters
    ----------
    folder : str or Path
        As `hubscout.evaluation.hub_folder.HubFolder` reads it. Its program ``hub_models.py`` is run.
    sets, encoders : sequence of str, optional
        Some of those that have a truth; all by default.
    scores, variants : sequence of str, optional
        As in `hubscout.evaluation.benchmark_lists.chosen_names`.
    truth_files : sequence of str or Path
        Further tables of fine-tuned accuracies.
    audio : str or Path, optional
        Folder of audio features and of what linear probes reached on them; left out by default.
    probe_size : int
        Samples of the train split that are looked at, at most.
    seed : int
        Of probes and scores.
    null_draws : int
        Random orders of the labels for null z; none by default.
    n_draws : int
        Of the bootstrap intervals.
    device : str
        As in `hubscout.rank`.
    store : str or Path, optional
        Folder of the feature store.
    values : str or Path, optional
        File that keeps values, so that the same call goes on where it stopped.
    on_step : callable, optional
        Told each step as a sentence.

    Returns
    -------
    HubBenchmark

    Raises
    ------
    UsageError
        When an argument is not of its form.
    DataError
        When the folder is damaged.
    """
    tell = on_step or _ignore
    names = chosen_names(scores, variants)
    needed = list(dict.fromkeys(part for name in names for part in parts_of(name)))
    hub = HubFolder(folder)
    chosen = _choose(hub.truths(truth_files), sets, encoders)
    kept = ValueCache(None if values is None else Path(values))
    failures: list[str] = []
    cells: Cells = {}
    with hub.importable():
        for given in _hub_features(hub, chosen, probe_size, seed, device, store, tell, failures):
            cells.setdefault(given.task, {})[given.candidate] = compute(
                given, needed, kept=kept, seed=seed, null_draws=null_draws
            )
    truths = [own.truth for own in chosen.values()]
    if audio is not None:
        for truth in audio_truths(audio):
            truths.append(truth)
            for given in audio_features(audio, truth):
                tell(f"{given.task}: {given.candidate}")
                cells.setdefault(given.task, {})[given.candidate] = compute(
                    given, needed, kept=kept, seed=seed, null_draws=null_draws
                )
    standings = judge_scores(names, cells, truths, n_draws=n_draws, seed=seed)
    facts = {label: hub.facts(column) for label, column in _FACTS.items()}
    baselines, left_out = judge_baselines(truths, facts, n_draws=n_draws, seed=seed)
    ceilings = (noise_ceiling(truth, seed=seed) for truth in truths)
    return HubBenchmark(
        truths=tuple(truths),
        standings=(*standings, *baselines),
        cells=cells,
        selections=select(standings, truths),
        ceilings=tuple(each for each in ceilings if each is not None),
        failures=tuple(failures),
        notes=(*_NOTES, *left_out),
        arguments={
            "sets": list(chosen),
            "encoders": len({name for own in chosen.values() for name in own.truth.values}),
            "probe_size": probe_size,
            "seed": seed,
            "null_draws": null_draws,
            "audio": audio is not None,
        },
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


_FACTS = {
    "number of parameters": "params",
    "width of the features": "feature_dim",
    "ImageNet accuracy": "top1_published",
}
_NOTES = (
    "the encoders are built by the hub's own program hub_models.py",
    "features are extracted at the size that the encoder was fine-tuned at (column size), not at its own input size",
    "of several learning rates the truth is the test accuracy of the one with the better validation accuracy",
    "probes are drawn from the train split",
)


def _choose(
    truths: Mapping[str, HubTruth], sets: Sequence[str] | None, encoders: Sequence[str] | None
) -> dict[str, HubTruth]:
    """Keep the sets and encoders that were asked for."""
    for name in sets or ():
        if name not in truths:
            msg = f"sets (--sets) must be among those with a truth ({', '.join(truths)}), got {name!r}"
            raise UsageError(msg)
    known = {name for own in truths.values() for name in own.truth.values}
    for name in encoders or ():
        if name not in known:
            msg = f"encoders (--encoders) must be among those with a truth ({', '.join(sorted(known))}), got {name!r}"
            raise UsageError(msg)
    found = {}
    for name in sets or truths:
        own = truths[name]
        values = {model: value for model, value in own.truth.values.items() if encoders is None or model in encoders}
        kept = TaskTruth(name, values, own.truth.family, own.truth.unit, own.truth.n_test)
        found[name] = HubTruth(kept, own.sizes)
    return found


def _hub_features(
    hub: HubFolder,
    chosen: Mapping[str, HubTruth],
    probe_size: int,
    seed: int,
    device: str,
    store: str | Path | None,
    tell: Tell,
    failures: list[str],
) -> Iterator[Features]:
    """Extract, one encoder after the other; one that fails is noted and the others go on."""
    from hubscout.data import draw_probe
    from hubscout.features import FeatureStore, extract
    from hubscout.models import load_encoder
    from hubscout.ranking.entries import source_probabilities

    place = FeatureStore(None if store is None else Path(store))
    for name, own in chosen.items():
        probe = draw_probe(hub.target(name), size=probe_size, seed=seed)
        for candidate in own.truth.values:
            tell(f"{name}: {candidate}")
            try:
                encoder = load_encoder(hub.address(candidate, own.sizes[candidate]), device=device)
                found = extract(encoder, probe, place)
            except CandidateError as error:
                failures.append(f"{candidate} on {name}: {error}")
                continue
            probs = source_probabilities(found.source_logits)
            yield Features(name, candidate, np.asarray(found.features), np.asarray(found.labels), probs)


def _ignore(_: str) -> None:
    """Nobody watches."""
