"""DISCO's own benchmarks again: a pool of candidates on the target sets, held against published accuracies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hubscout.data.task import Target
from hubscout.errors import NothingRankedError, UsageError
from hubscout.evaluation.baselines import by_fact, published_facts, static_order
from hubscout.evaluation.benchmark_variants import Variant, parse_variant
from hubscout.evaluation.bootstrap import N_DRAWS
from hubscout.evaluation.paper_plan import PaperPlan
from hubscout.evaluation.standings import Standing, chance, judge
from hubscout.evaluation.train_and_val import train_and_val
from hubscout.ranking.environment import environment
from hubscout.ranking.records import Ranking

SCHEMA = "hubscout.bench.paper/1"


@dataclass(frozen=True)
class PaperBenchmark:
    """What a repetition found.

    Parameters
    ----------
    pool : str
    standings : tuple of Standing
        Scores, then baselines.
    values : dict
        Single values by score, task and candidate.
    failures, notes : tuple of str
        Candidates that gave no features, and what differs from the publication.
    environment : dict of str to str
        Versions and platform.
    created : str
        UTC time, ISO 8601.
    """

    pool: str
    standings: tuple[Standing, ...]
    values: dict[str, dict[str, dict[str, float | None]]]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"schema": SCHEMA, **asdict(self)}


def bench_paper(
    plan: PaperPlan,
    *,
    scores: Sequence[str] = ("disco",),
    probe_size: int = 1_000_000,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    device: str = "auto",
    store: str | Path | None = None,
    engine: str = "local",
    on_step: Callable[[str], None] | None = None,
) -> PaperBenchmark:
    """Run what a plan names and judge the scores by the plan's truth.

    Parameters
    ----------
    plan : PaperPlan
        Sets without a source and models without an address are left out and noted.
    scores : sequence of str
        Scores with options, such as ``disco(compat=authors)``; scaling and parts of the probe are for `bench_hub`.
    probe_size : int
        Samples of train and validation part that are looked at, at most; all by default, as published.
    seed, n_draws : int
        Of probes and scores, and draws of the bootstrap.
    device, store, engine
        As in `hubscout.rank`.
    on_step : callable, optional
        Told each step as a sentence.

    Returns
    -------
    PaperBenchmark

    Raises
    ------
    UsageError
        When there is nothing to run, or a score is not of its form.
    """
    tell = on_step or _ignore
    variants = {str(variant): variant for variant in map(parse_variant, scores)}
    for text, variant in variants.items():
        if variant != Variant(variant.score, variant.options):
            msg = f"scores (--scores) of bench paper must have no scaling and no part of the probe, got {text!r}"
            raise UsageError(msg)
    addresses = {model.name: model.address for model in plan.models if model.address is not None}
    sources = {each.name: each.source for each in plan.sets if each.source is not None}
    if not addresses or not sources:
        msg = "nothing can be run: no data set or no model is there; see what is missing with --dry-run"
        raise UsageError(msg)
    values: dict[str, dict[str, dict[str, float | None]]] = {text: {} for text in variants}
    failures: list[str] = []
    notes = [f"left out for want of {each.fetch}: {each.name}" for each in plan.sets if each.source is None]
    notes += [f"left out for want of {each.fetch}: {each.name}" for each in plan.models if each.address is None]
    classes = {each.name: each.n_classes for each in plan.sets}
    for name, source in sources.items():
        target = train_and_val(source, name=name, kind=plan.kind)
        if classes[name] not in (None, target.task.n_classes):
            notes.append(f"{name} has {target.task.n_classes} classes here, and {classes[name]} in the publication")
        for round_of_scores in _rounds(variants):
            tell(f"{name}: {', '.join(round_of_scores)}")
            ranking = _rank(target, addresses, round_of_scores, probe_size, seed, device, store, engine)
            _take(ranking, addresses, round_of_scores, name, values, failures)
    return PaperBenchmark(
        pool=plan.pool,
        standings=tuple(_judge(plan, list(sources), values, n_draws, seed)),
        values=values,
        failures=tuple(dict.fromkeys(failures)),
        notes=tuple(notes),
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _rounds(variants: dict[str, Variant]) -> list[dict[str, Variant]]:
    """Divide variants so that each score stands once in a round: features are taken from the store after the first."""
    rounds: list[dict[str, Variant]] = []
    for text, variant in variants.items():
        free = next((own for own in rounds if variant.score not in {each.score for each in own.values()}), None)
        if free is None:
            rounds.append({text: variant})
        else:
            free[text] = variant
    return rounds


def _rank(
    target: Target,
    addresses: dict[str, str],
    variants: dict[str, Variant],
    probe_size: int,
    seed: int,
    device: str,
    store: str | Path | None,
    engine: str,
) -> Ranking:
    from hubscout.ranking import rank

    try:
        return rank(
            target,
            list(addresses.values()),
            scores=[variant.score for variant in variants.values()],
            score_options={variant.score: dict(variant.options) for variant in variants.values() if variant.options},
            probe_size=probe_size,
            seed=seed,
            device=device,
            store=store,
            engine=engine,
            time_limit=None,
        )
    except NothingRankedError as error:
        ranking = getattr(error, "ranking", None)
        if not isinstance(ranking, Ranking):
            raise
        return ranking


def _take(
    ranking: Ranking,
    addresses: dict[str, str],
    variants: dict[str, Variant],
    task: str,
    values: dict[str, dict[str, dict[str, float | None]]],
    failures: list[str],
) -> None:
    """Sort the records of one ranking by the names of the pool."""
    records = {record.requested or record.candidate: record for record in ranking.records}
    for name, address in addresses.items():
        record = records.get(address)
        if record is None or record.status == "failed":
            failures.append(f"{name} on {task}: {record.reason if record is not None else 'no record'}")
        for text, variant in variants.items():
            values[text].setdefault(task, {})[name] = None if record is None else record.value(variant.score)


def _judge(
    plan: PaperPlan,
    tasks: Sequence[str],
    values: dict[str, dict[str, dict[str, float | None]]],
    n_draws: int,
    seed: int,
) -> list[Standing]:
    names = {model.name for model in plan.models if model.address is not None}
    truths = [
        replace(truth, values={model: value for model, value in truth.values.items() if model in names})
        for truth in plan.truths
        if truth.task in tasks
    ]
    # The static order may use every published task, also those whose data are not here.
    static = static_order(plan.truths)
    parameters, accuracies = published_facts()
    found = [judge(text, own, truths, static=static, n_draws=n_draws, seed=seed) for text, own in values.items()]
    found.append(chance(truths))
    for name, own_values in (
        ("static order", static),
        ("number of parameters", by_fact(truths, parameters)),
        ("ImageNet accuracy", by_fact(truths, accuracies)),
    ):
        found.append(judge(name, own_values, truths, kind="baseline", static=static, n_draws=n_draws, seed=seed))
    return found


def _ignore(_: str) -> None:
    """Nobody watches."""
