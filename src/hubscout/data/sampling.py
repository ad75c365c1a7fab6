"""The probe: the stratified sample of the target that every candidate looks at."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.allocation import draw_rows, quantile_bins
from hubscout.data.task import Probe, RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError, UsageError

_NAMES_SHOWN = 5


def draw_probe(
    target: Target,
    *,
    size: int = 5000,
    seed: int = 0,
    max_bad: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> Probe:
    """Draw the samples that candidates are judged on, and decode each of them once.

    Parameters
    ----------
    target : Target
        All samples of one split.
    size : int, default=5000
        How many to draw at most.
    seed : int, default=0
        Seed of the draw; the same seed, size and target give the same probe.
    max_bad : float, default=0.1
        The share of drawn samples that may fail to decode; above 0 one sample always may.
    progress : callable, optional
        Called with the number of samples decoded, and the number drawn.

    Returns
    -------
    Probe
        Samples that decode, in ascending order of their rows.

    Raises
    ------
    UsageError
        When an option is out of range, or `size` is smaller than the number of classes.
    DataError
        When too many samples fail to decode, or those left cannot be ranked on.

    Notes
    -----
    Classes are drawn in proportion to their size, but each keeps ``min(n_c, floor)`` samples with ``floor =
    max(1, min(5, size // n_classes))``. A regression target is stratified over ten bins of equal count.
    Samples that fail to decode are dropped and reported, not replaced, so that the draw depends on labels,
    size and seed alone.
    """
    size = _whole("size", "--probe-size", size, 2)
    seed = _whole("seed", "--seed", seed, 0)
    if not 0 <= max_bad < 1:
        msg = f"max_bad (--max-bad) must be a share of at least 0 and below 1, got {max_bad!r}"
        raise UsageError(msg)
    n_target = len(target.labels)
    strata = quantile_bins(target.labels, size) if target.task.kind == "regression" else target.labels
    rows = draw_rows(strata, size, seed)
    drawn = target.samples.subset(rows)
    verified = verify_samples(drawn, progress)
    _refuse_many_bad(verified.problems, len(rows), max_bad)
    rows = rows[verified.kept]
    labels = target.labels[rows]
    _require_contrast(target, labels, len(verified.problems))
    return Probe(
        task=target.task,
        samples=drawn.subset(verified.kept) if verified.problems else drawn,
        labels=labels,
        rows=rows,
        fingerprint=verified.fingerprint,
        n_target=n_target,
        seed=seed,
        split=target.split,
        problems=target.problems + verified.problems,
        notes=(
            *target.notes,
            *_notes(target, labels, n_target, len(verified.kept) + len(verified.problems), seed),
        ),
    )


def _whole(name: str, option: str, value: object, least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        msg = f"{name} ({option}) must be a whole number of at least {least}, got {value!r}"
        raise UsageError(msg)
    return number


def _refuse_many_bad(problems: tuple[RowProblem, ...], n_drawn: int, max_bad: float) -> None:
    allowed = max(1, int(max_bad * n_drawn)) if max_bad > 0 else 0
    if len(problems) > allowed:
        msg = (
            f"at most {allowed} of the {n_drawn} drawn samples may be unreadable, got {len(problems)}, the "
            f"first {problems[0].row!r} ({problems[0].reason}); repair or remove them, or raise max_bad "
            "(--max-bad)"
        )
        raise DataError(msg)


def _require_contrast(target: Target, labels: IntArray, n_bad: int) -> None:
    if len(np.unique(labels)) >= 2:
        return
    is_regression = target.task.kind == "regression"
    rule = "targets that differ" if is_regression else "samples of at least two classes"
    found = f"{len(labels)} with one value" if is_regression else f"{len(labels)} of one class"
    msg = (
        f"the probe of {target.task.name!r} must hold {rule}, got {found if len(labels) else 'no samples'} "
        f"after {n_bad} unreadable ones were left out; repair them or raise size (--probe-size)"
    )
    raise DataError(msg)


def _notes(target: Target, labels: IntArray, n_target: int, n_drawn: int, seed: int) -> list[str]:
    is_regression = target.task.kind == "regression"
    notes = []
    if n_drawn < n_target:
        by = "target" if is_regression else "class"
        notes.append(f"{n_drawn} of {n_target} samples were drawn, stratified by {by}, with seed {seed}")
    if is_regression:
        return notes
    classes, counts = np.unique(labels, return_counts=True)
    single = [target.task.label_names[code] for code in classes[counts == 1].tolist()]
    if single:
        notes.append(f"{_classes(single)} one sample in the probe, on which some scores cannot be judged")
    lost = sorted(set(np.unique(target.labels).tolist()) - set(classes.tolist()))
    if lost:
        names = [target.task.label_names[code] for code in lost]
        notes.append(f"{_classes(names)} no sample in the probe, because none of theirs could be read")
    if 2 * len(classes) > len(labels):
        notes.append(
            f"there are {len(classes)} classes for {len(labels)} samples in the probe; "
            "check that the label is not an id"
        )
    return notes


def _classes(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"the class {shown} has" if len(names) == 1 else f"the {len(names)} classes {shown}{more} have"
