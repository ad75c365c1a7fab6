"""The probe: the stratified sample of the target that every candidate looks at."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hubscout._typing import IntArray
from hubscout.data.probe_notes import probe_notes, require_contrast
from hubscout.data.strata import draw_samples
from hubscout.data.task import Probe, RowProblem, Target
from hubscout.data.verification import verify_samples
from hubscout.errors import DataError, UsageError


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
    max(1, min(5, size // n_classes))``. A regression target is stratified over ten bins of equal count; several are by
    their first principal direction. Samples with several labels are stratified by the rarest of them, with those
    without any as a class of their own; so are samples that have boxes, words or points, by the rarest class among
    these. In both cases each label keeps as many samples as a class does, as far as that is possible. `size` counts
    samples, and each brings all its boxes, words or points.

    Samples that fail to decode are dropped and reported, not replaced, so that the draw depends on labels,
    size and seed alone.
    """
    size = _whole("size", "--probe-size", size, 2)
    seed = _whole("seed", "--seed", seed, 0)
    if not 0 <= max_bad < 1:
        msg = f"max_bad (--max-bad) must be a share of at least 0 and below 1, got {max_bad!r}"
        raise UsageError(msg)
    n_target = len(target.samples)
    _require_units(target)
    rows, by = draw_samples(target, size, seed)
    drawn = target.samples.subset(rows)
    verified = verify_samples(drawn, progress)
    _refuse_many_bad(verified.problems, len(rows), max_bad)
    n_drawn, rows = len(rows), rows[verified.kept]
    units = _unit_rows(target.unit_counts, rows)
    probe = Probe(
        task=target.task,
        samples=drawn.subset(verified.kept) if verified.problems else drawn,
        labels=target.labels[units],
        rows=rows,
        fingerprint=verified.fingerprint,
        n_target=n_target,
        seed=seed,
        split=target.split,
        problems=target.problems + verified.problems,
        unit_counts=None if target.unit_counts is None else target.unit_counts[rows],
        boxes=None if target.boxes is None else target.boxes[units],
    )
    require_contrast(probe, len(verified.problems))
    return replace(probe, notes=(*target.notes, *probe_notes(target, probe, n_drawn, by)))


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


def _require_units(target: Target) -> None:
    n_units = n_target = len(target.samples)
    if target.unit_counts is not None:
        n_units = int(target.unit_counts.sum()) if len(target.unit_counts) == n_target else -1
    n_boxes = len(target.labels) if target.boxes is None else len(target.boxes)
    if n_units != len(target.labels) or n_boxes != len(target.labels):
        msg = (
            f"the labels of target {target.task.name!r} must be one a sample, or as many as unit_counts add up to and "
            f"as there are boxes, got {len(target.labels)} for {n_target} samples; mend what made the target"
        )
        raise DataError(msg)


def _unit_rows(unit_counts: IntArray | None, rows: IntArray) -> IntArray:
    """Give the rows of all units of the given samples, sample after sample."""
    if unit_counts is None:
        return rows
    counts = unit_counts[rows]
    starts = (np.cumsum(unit_counts) - unit_counts)[rows]
    # Where the units of each sample start in the target, less where they start in the result.
    shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    units: IntArray = np.arange(len(shift), dtype=np.intp) + shift
    return units
