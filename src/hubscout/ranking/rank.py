"""rank(): from a target and candidates to a ranking."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hubscout._typing import TaskKind
from hubscout.data.task import Probe, Target
from hubscout.errors import UsageError
from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.choice import check_extraction, check_score_options, check_store, choose_scores
from hubscout.ranking.confidence import add_standings
from hubscout.ranking.cost import mark_efficient
from hubscout.ranking.engines import Engine, EngineOptions, get_engine
from hubscout.ranking.environment import environment
from hubscout.ranking.events import Event, OnEvent
from hubscout.ranking.failure import EmptyRankingError
from hubscout.ranking.limits import read_limits
from hubscout.ranking.limits import seconds as read_seconds
from hubscout.ranking.order import order_records
from hubscout.ranking.parts import combine_parts
from hubscout.ranking.racing import RacePlan
from hubscout.ranking.racing import race as run_race
from hubscout.ranking.reading import choose_reading
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreRecord
from hubscout.ranking.rounds import Round

DEFAULT_PROBE_SIZE = 5000
DEFAULT_TIME_LIMIT = 3600.0


def rank(
    target: str | Path | Target,
    candidates: str | Sequence[Any],
    *,
    scores: str | Sequence[str] | None = None,
    probe_size: int | None = None,
    seed: int = 0,
    engine: str = "local",
    task: TaskKind | None = None,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    pair_column: str | None = None,
    split: str = "train",
    max_bad: float = 0.1,
    device: str = "auto",
    layers: str | int | Sequence[int] | None = None,
    pooling: str | Sequence[str] | None = None,
    batch_size: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    workers: int = 1,
    time_limit: float | None = DEFAULT_TIME_LIMIT,
    trust_remote_code: Collection[str] = (),
    store: str | Path | None = None,
    score_options: Mapping[str, Mapping[str, Any]] | None = None,
    on_event: OnEvent | None = None,
    race: bool = False,
    budget: float | str | None = None,
    max_params: float | str | None = None,
    max_latency: float | str | None = None,
    licences: str | Sequence[str] | None = None,
) -> Ranking:
    """Rank candidates by how well they should transfer to a target, without fine-tuning any.

    Parameters
    ----------
    target : str, Path or Target
        Where the labelled data are, or what `hubscout.load_target` returned.
    candidates : str or sequence of str
        Addresses, with wildcards: ``timm:*mobilenet*``, ``bundled:*``, ``features:mine.npz``; ``@FILE`` reads them
        from a file, one a line.
    scores : str or sequence of str, optional
        Names of scores; the first one ranks. By default the recommended one and a few cheap companions.
    probe_size : int, optional
        Samples that every candidate looks at, at most; 5000 by default.
    seed : int
        Seed of the probe and of the scores.
    engine : {"local", "inline"}
        ``local`` runs each candidate in a process of its own; ``inline`` runs all in this one, for debugging.
    task : str, optional
        Kind of the task; read from the labels when it is not given.
    text_column, image_column, label_column : str, optional
        Columns of a table; guessed when there is only one choice. Several label columns, with commas, are several
        labels or targets.
    pair_column : str, optional
        Column of the second text, where samples are pairs.
    split : str
        Split of the target that is read.
    max_bad : float
        Share of the probe that may be unreadable.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    layers : "all", int, sequence of int, or text such as "3,6,-1", optional
        Layers among which each candidate's best is chosen, on held-out samples; the model's own output by default.
    pooling : str or sequence of str, optional
        Overrides the pooling that each model brings; of several, the best is chosen like a layer.
    batch_size : int, optional
        Samples in one forward pass; chosen by hubscout when it is not given.
    dtype : {"float32", "float16"}
        How features are kept.
    workers : int
        Candidates that run at the same time.
    time_limit : float or None
        Seconds one candidate may take; an hour by default, None for no limit.
    trust_remote_code : collection of str
        Names of models whose own code may run; none by default.
    store : str or Path, optional
        Folder of the feature store.
    score_options : mapping, optional
        Options of single scores, such as ``{"disco": {"covariance": "identity"}}``.
    on_event : callable, optional
        Told each step as an `hubscout.ranking.events.Event`, in this thread.
    race : bool
        Whether candidates run on growing parts of the probe, and those that are surely not the best are dropped early.
    budget : float or str, optional
        Time for a race, in seconds or such as ``"10m"``; a race is run where it is given.
    max_params, max_latency, licences : optional
        What a candidate may cost: parameters (``"30M"``), time for a sample (``"20ms"``, one over the measured rate),
        licences (``"apache-2.0,mit"``). Candidates beyond are listed as unranked, with the reason.

    Returns
    -------
    Ranking
        Every candidate is in it: ranked ones first, then the others, with the reason.

    Raises
    ------
    UsageError
        When an argument, an address or a score is not of the form that is asked for.
    DataError
        When the target cannot be used.
    NothingRankedError
        When no candidate could be ranked; its ``ranking`` holds the reasons.
    KeyboardInterrupt
        After all processes were ended. Extracted features are kept: the same call goes on from there.
    """
    from hubscout.data import draw_probe, load_target
    from hubscout.models import expand_candidates, hub_is_reachable

    arguments = {name: _plain(value) for name, value in locals().items() if name in _RECORDED}
    tell = on_event or _ignore
    make = partial(_engine, engine, workers)
    runner = make(time_limit)
    limits = read_limits(max_params, max_latency, licences)
    seconds = None if budget is None else read_seconds("budget (--budget)", budget, "10m")
    patterns = [candidates] if isinstance(candidates, str) else [str(each) for each in candidates]
    check_extraction(dtype, batch_size, device)
    choose_reading(layers, pooling)
    check_store(store)
    addresses = expand_candidates(patterns)
    if not addresses:
        msg = f"candidates must name at least one model, got {patterns!r}; 'bundled:*' is a first choice"
        raise UsageError(msg)
    columns = {
        "text_column": text_column,
        "image_column": image_column,
        "label_column": label_column,
        "pair_column": pair_column,
    }
    loaded = load_target(target, kind=task, split=split, **columns)
    chosen = choose_scores(scores, loaded.task.kind, score_options)
    options = check_score_options(score_options, chosen, loaded.task.kind)
    reading = choose_reading(layers, pooling, loaded.task.unit)
    probe = draw_probe(
        loaded,
        size=DEFAULT_PROBE_SIZE if probe_size is None else probe_size,
        seed=seed,
        max_bad=max_bad,
        progress=lambda done, total: tell(Event("drawing", done=done, total=total)),
    )
    if any(address.scheme in _HUB_SCHEMES and not address.is_local for address in addresses):
        hub_is_reachable()  # asked once here, and known to the candidates' processes by their environment
    facts = _facts(probe)
    tell(Event("probe", total=len(probe), n_candidates=len(addresses), task=probe.task, probe=facts))
    job = CandidateJob(
        address="",
        probe=probe,
        scores=chosen,
        score_options=options,
        seed=seed,
        device=device,
        pooling=reading.poolings[0] if reading.layers is None and reading.poolings else None,
        layers=reading.layers,
        poolings=reading.poolings if reading.layers is not None else (),
        batch_size=batch_size,
        dtype=dtype,
        trust_remote_code=(trust_remote_code,) if isinstance(trust_remote_code, str) else tuple(trust_remote_code),
        store=None if store is None else str(store),
        limits=limits,
    )
    names = [str(address) for address in addresses]
    rounds: tuple[Round, ...] = ()
    if race or seconds is not None:
        records, rounds = run_race(job, names, make, tell, RacePlan(budget=seconds, time_limit=time_limit))
    else:
        records = runner.run([replace(job, address=name) for name in names], tell)
    arguments["scores"] = list(chosen)
    return _finish(probe, facts, chosen, records, arguments, rounds)


def _finish(
    probe: Probe,
    facts: ProbeFacts,
    scores: tuple[str, ...],
    records: list[ScoreRecord],
    options: dict[str, Any],
    rounds: tuple[Round, ...],
) -> Ranking:
    ranked = [record for record in records if record.status == "ranked"]
    others = [record for record in records if record.status != "ranked"]
    # What is beyond a limit or was dropped must not move the values of those that are left.
    ordered = order_records([*combine_parts(ranked, scores), *others], scores[0])
    ranking = Ranking(
        task=probe.task,
        probe=facts,
        scores=scores,
        records=mark_efficient(add_standings(ordered, scores[0], probe.seed), scores[0]),
        options=options,
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        rounds=rounds,
    )
    if not ranking.ranked:
        raise EmptyRankingError(ranking)
    return ranking


def _engine(name: str, workers: int, time_limit: float | None) -> Engine:
    return get_engine(name, EngineOptions(workers=workers, time_limit=time_limit))


def _facts(probe: Probe) -> ProbeFacts:
    return ProbeFacts(
        n=len(probe),
        n_target=probe.n_target,
        seed=probe.seed,
        split=probe.split,
        fingerprint=probe.fingerprint,
        problems=probe.problems,
        notes=probe.notes,
        n_units=None if probe.unit_counts is None else probe.n_units,
    )


_HUB_SCHEMES = ("timm", "hf", "st")
_RECORDED = frozenset(rank.__annotations__) - {"return", "on_event"}


def _plain(value: Any) -> Any:
    """JSON values only: a ranking must be readable without hubscout."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, Target):
        return value.task.name
    return str(value)


def _ignore(event: Event) -> None:
    """Nobody watches."""
