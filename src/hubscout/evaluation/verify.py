"""verify(): fine-tune the first candidates of a ranking, and say whether it was right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubscout._optional import check_installed
from hubscout.data.task import Target
from hubscout.errors import NothingRankedError, UnsafeFileError, UsageError
from hubscout.evaluation.finetune.cost import estimate_seconds
from hubscout.evaluation.finetune.data import Parts, check_kind, read_parts
from hubscout.evaluation.finetune.history import append_history
from hubscout.evaluation.finetune.objective import MEASURES
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import Estimate, mean_interval
from hubscout.evaluation.verification import Verification
from hubscout.evaluation.verify_candidate import Outcome, Setting, history_entry, now, verify_candidate
from hubscout.evaluation.verify_events import OnVerifyEvent, VerifyEvent
from hubscout.models.address import parse_address
from hubscout.ranking.environment import environment
from hubscout.ranking.records import Ranking, ScoreRecord

_COLUMNS = ("text_column", "image_column", "label_column", "pair_column")


class NothingVerifiedError(NothingRankedError):
    """No candidate could be fine-tuned; the reasons are in the verification it carries."""

    def __init__(self, verification: Verification) -> None:
        self.verification = verification
        first = verification.candidates[0]
        super().__init__(f"no candidate could be fine-tuned: {first.candidate!r} failed because {first.reason}")


def verify(
    ranking: Ranking | str | Path,
    target: str | Path | Target | None = None,
    *,
    top: int = 3,
    recipe: Recipe | None = None,
    test: str | Path | Target | None = None,
    device: str | None = None,
    store: str | Path | None = None,
    home: str | Path | None = None,
    trust_remote_code: Collection[str] = (),
    record: bool = True,
    on_event: OnVerifyEvent | None = None,
) -> Verification:
    """Fine-tune the first candidates of a ranking on its target.

    Parameters
    ----------
    ranking : Ranking, str or Path
        Or the file that ``hubscout rank --json`` wrote.
    target : str, Path or Target, optional
        The labelled data; by default what the ranking says it was made on.
    top : int
        How many candidates, from the first.
    recipe : Recipe, optional
        How they are fine-tuned.
    test : str, Path or Target, optional
        Test samples; by default the split ``test`` of the target, or, where it has none, a held-out fifth.
    device : str, optional
        As in `hubscout.rank`; the ranking's by default.
    store : str or Path, optional
        Folder of the feature store, for linear probes; the ranking's by default.
    home : str or Path, optional
        Folder of checkpoints and of the history; ``$HUBSCOUT_HOME``, or the user's cache folder, by default.
    trust_remote_code : collection of str
        Names of models whose own code may run; none by default, whatever the ranking says. Factories of ``torch:``
        addresses in a ranking that is read from a file must be named too, such as ``package.module:factory``.
    record : bool
        Whether results join the user's history.
    on_event : callable, optional
        Told each step, in this thread.

    Returns
    -------
    Verification
        Candidates that cannot be fine-tuned are in it, with the reason.

    Raises
    ------
    UsageError
        When an argument is wrong, or the kind of the task is not fine-tuned on.
    DataError
        When ranking or target cannot be used.
    UnsafeFileError
        When a ranking that is read from a file names a factory that is not trusted.
    MissingExtraError
        When torch, or peft for LoRA, is not installed.
    NothingVerifiedError
        When no candidate could be fine-tuned.
    KeyboardInterrupt
        Finished epochs are kept: the same call goes on from there.
    """
    found = ranking if isinstance(ranking, Ranking) else Ranking.from_json(ranking)
    recipe = Recipe() if recipe is None else recipe
    tell = on_event or _ignore
    shortlist = _shortlist(found, top)
    if found is not ranking:
        _check_factories(shortlist, str(ranking), trust_remote_code)
    check_kind(found.task, recipe.method)
    _check_libraries(recipe)
    parts = _read(found, target, test, recipe, tell)
    tell(VerifyEvent("parts", n_candidates=len(shortlist), parts=parts))
    options = found.options
    setting = Setting(
        recipe=recipe,
        device=device or str(options.get("device") or "auto"),
        store=store if store is not None else options.get("store"),
        home=home,
        trust=tuple(trust_remote_code),
    )
    outcomes: list[Outcome] = []
    for position, each in enumerate(shortlist, start=1):
        place = {"candidate": each.candidate, "position": position, "n_candidates": len(shortlist)}
        tell(VerifyEvent("start", **place))  # type: ignore[arg-type]
        outcome = verify_candidate(each, found.scores[0], parts, setting, _progress(tell, place))
        entry = history_entry(each, outcome, parts, recipe)
        if record and entry is not None:
            append_history(entry, home)
        tell(VerifyEvent("done", outcome=outcome.candidate, **place))  # type: ignore[arg-type]
        outcomes.append(outcome)
    return _finish(found, shortlist, outcomes, parts, recipe)


def _shortlist(ranking: Ranking, top: int) -> tuple[ScoreRecord, ...]:
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        msg = f"top (--top) must be a whole number of at least 1, got {top!r}"
        raise UsageError(msg)
    if not ranking.ranked:
        msg = f"ranking must hold a ranked candidate, and all {len(ranking.records)} failed; rank again"
        raise UsageError(msg)
    return ranking.ranked[:top]


def _check_factories(shortlist: Sequence[ScoreRecord], source: str, trusted: Collection[str]) -> None:
    """Let no file of results make code run: who reads one may not have written it."""
    for record in shortlist:
        address = parse_address(record.candidate)
        if address.scheme == "torch" and not {address.name, record.candidate} & set(trusted):
            msg = (
                f"ranking {source!r} names code that would run, the factory {address.name!r}; if you trust it, name "
                f"it: trust_remote_code (--trust-remote-code {address.name})"
            )
            raise UnsafeFileError(msg)


def _check_libraries(recipe: Recipe) -> None:
    """Say once, before anything is read, what all candidates would lack."""
    if recipe.method != "linear-probe":
        check_installed("torch", "torch", "fine-tuning")
    if recipe.method == "lora":
        check_installed("peft", "lora", "recipes of method lora")


def _read(
    ranking: Ranking,
    target: str | Path | Target | None,
    test: str | Path | Target | None,
    recipe: Recipe,
    tell: OnVerifyEvent,
) -> Parts:
    options = ranking.options
    source = options.get("target") if target is None else target
    if source is None:
        msg = "target (--target) must be given, as the ranking does not say what data it was made on"
        raise UsageError(msg)
    columns: Mapping[str, str | None] = {name: options[name] for name in _COLUMNS if options.get(name) is not None}
    try:
        parts = read_parts(
            source,
            recipe,
            test=test,
            kind=None if isinstance(source, Target) else ranking.task.kind,
            columns=columns,
            split=str(options.get("split") or "train"),
            max_bad=float(options.get("max_bad", 0.1)),
            progress=lambda done, total: tell(VerifyEvent("reading", done=done, total=total)),
        )
    except UsageError as error:
        if target is not None:
            raise
        msg = f"the target of the ranking cannot be read ({error}); name it with target (--target)"
        raise UsageError(msg) from error
    return replace(parts, notes=(*parts.notes, *_changes(ranking, parts)))


def _changes(ranking: Ranking, parts: Parts) -> tuple[str, ...]:
    """Say where the data are not those of the ranking."""
    notes = []
    probe = parts.train.probe
    same_draw = (probe.seed, len(probe)) == (ranking.probe.seed, ranking.probe.n)
    if probe.n_target != ranking.probe.n_target:
        notes.append(f"the target holds {probe.n_target} samples, and {ranking.probe.n_target} when it was ranked on")
    elif same_draw and probe.fingerprint != ranking.probe.fingerprint:
        notes.append("the samples of the target have changed since it was ranked on")
    if parts.task.label_names != ranking.task.label_names:
        notes.append("the classes of the target are not those it was ranked on")
    return tuple(notes)


def _finish(
    ranking: Ranking,
    shortlist: Sequence[ScoreRecord],
    outcomes: Sequence[Outcome],
    parts: Parts,
    recipe: Recipe,
) -> Verification:
    candidates = tuple(outcome.candidate for outcome in outcomes)
    chosen = {record.candidate for record in shortlist}
    others = [record for record in ranking.records if record.candidate not in chosen and record.status != "failed"]
    verification = Verification(
        task=parts.task,
        measure=MEASURES[parts.task.kind],
        score=ranking.scores[0],
        recipe=recipe,
        candidates=candidates,
        n_train=len(parts.train),
        n_validation=len(parts.validation),
        n_test=len(parts.test),
        test_origin=parts.test_origin,
        fingerprint=parts.fingerprint,
        regret=_regret(outcomes),
        n_others=len(others),
        seconds_saved=estimate_seconds(
            [(each.seconds, each.n_parameters) for each in candidates if each.reached is not None],
            [record.n_parameters for record in others],
        ),
        notes=parts.notes,
        environment=environment(),
        created=now(),
        ranking_created=ranking.created,
    )
    if not verification.verified:
        raise NothingVerifiedError(verification)
    return verification


def _regret(outcomes: Sequence[Outcome]) -> Estimate | None:
    """Compare the best with the first on the same test samples."""
    first = outcomes[0].terms
    if first is None:
        return None
    best = max((each.terms for each in outcomes if each.terms is not None), key=lambda terms: float(terms.mean()))
    if best.mean() <= first.mean():
        return Estimate(0.0, 0.0, 0.0, method="t")
    n_seeds = min(len(best), len(first))
    return mean_interval(best[:n_seeds] - first[:n_seeds])


def _progress(tell: OnVerifyEvent, place: dict[str, Any]) -> Callable[[int, int, str], None]:
    def report(done: int, total: int, message: str) -> None:
        tell(VerifyEvent("progress", done=done, total=total, message=message, **place))

    return report


def _ignore(event: VerifyEvent) -> None:
    """Nobody watches."""
