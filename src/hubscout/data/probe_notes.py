"""What a user should know of a probe, and when it cannot be ranked on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubscout._typing import Unit
from hubscout.data.task import Probe, Target, Task
from hubscout.errors import DataError

_NAMES_SHOWN = 5
_UNITS: dict[Unit, str] = {"sample": "samples", "pair": "pairs", "box": "boxes", "word": "words", "point": "points"}


def require_contrast(probe: Probe, n_bad: int) -> None:
    """Refuse a probe whose labels tell no samples apart.

    Parameters
    ----------
    probe : Probe
        Without the samples that fail to decode.
    n_bad : int
        How many these were.

    Raises
    ------
    DataError
        When all units are of one class, no label tells samples apart, or a target is the same for all. Boxes of one
        class are enough where they differ.
    """
    fault = _fault(probe)
    if fault is None:
        return
    rule, found = fault
    msg = (
        f"the probe of {probe.task.name!r} must hold {rule}, got {found if len(probe.labels) else 'no samples'} "
        f"after {n_bad} unreadable ones were left out; repair them or raise size (--probe-size)"
    )
    raise DataError(msg)


def _fault(probe: Probe) -> tuple[str, str] | None:
    """Say what a probe must hold and what it holds instead, or None for a good one."""
    labels, task = probe.labels, probe.task
    units = _UNITS[task.unit]
    if task.kind == "regression":
        constant = len(labels) == 0 or (labels == labels[0]).all(axis=0)
        if not np.any(constant):
            return None
        if labels.ndim == 1:
            return "targets that differ", f"{len(labels)} with one value"
        return "targets that differ", f"{len(labels)} with one value of {task.target_names[int(np.argmax(constant))]!r}"
    if task.kind == "multilabel":
        has = labels.sum(axis=0, dtype=np.intp)
        good = ((has > 0) & (has < len(labels))).any()
        return None if good else (f"{units} that a label tells apart", f"{len(labels)} with the same labels")
    if len(np.unique(labels)) >= 2 or (probe.boxes is not None and (probe.boxes != probe.boxes[:1]).any()):
        return None
    return f"{units} of at least two classes", f"{len(labels)} of one class"


def probe_notes(target: Target, probe: Probe, n_drawn: int, by: str) -> list[str]:
    """Say how the probe was drawn, and which classes are scarce in it.

    Parameters
    ----------
    target : Target
        What was drawn from.
    probe : Probe
        Without notes.
    n_drawn : int
        Samples that were drawn, with those that fail to decode.
    by : str
        What the draw was stratified by.

    Returns
    -------
    list of str
        Sentences.
    """
    samples, units = _samples_name(target.task), _UNITS[target.task.unit]
    n_target, notes = len(target.samples), []
    if n_drawn < n_target:
        notes.append(f"{n_drawn} of {n_target} {samples} were drawn, stratified by {by}, with seed {probe.seed}")
    if probe.unit_counts is not None:
        all_units = f" of {len(target.labels)}" if len(probe.labels) < len(target.labels) else ""
        notes.append(f"the probe holds {len(probe.labels)}{all_units} {units} in {len(probe)} {samples}")
    if target.task.kind == "regression":
        return notes
    return notes + (_label_notes(probe) if target.task.kind == "multilabel" else _class_notes(target, probe))


def _samples_name(task: Task) -> str:
    """Name the samples: images or texts where they have parts, pairs where they are, and samples otherwise."""
    if task.unit in ("sample", "pair"):
        return _UNITS[task.unit]
    return {"image": "images", "text": "texts"}.get(task.modality, "samples")


def _class_notes(target: Target, probe: Probe) -> list[str]:
    names, units, unit, notes = target.task.label_names, _UNITS[target.task.unit], target.task.unit, []
    classes, counts = np.unique(probe.labels, return_counts=True)
    single = [names[code] for code in classes[counts == 1].tolist()]
    if single:
        notes.append(f"{_have('class', single)} one {unit} in the probe, on which some scores cannot be judged")
    lost = sorted(set(np.unique(target.labels).tolist()) - set(classes.tolist()))
    if lost:
        lacking = _have("class", [names[code] for code in lost])
        # Of whole samples each class is drawn; of parts, a class can lack room beside the others.
        why = ", because none of theirs could be read" if probe.unit_counts is None else ""
        notes.append(f"{lacking} no {unit} in the probe{why}")
    if len(classes) == 1:
        notes.append(f"all {units} are of one class, so that only their places tell candidates apart")
    if 2 * len(classes) > len(probe.labels):
        notes.append(
            f"there are {len(classes)} classes for {len(probe.labels)} {units} in the probe; "
            "check that the label is not an id"
        )
    return notes


def _label_notes(probe: Probe) -> list[str]:
    counts, n = probe.labels.sum(axis=0, dtype=np.intp), len(probe)
    groups = [
        (counts == 1, "one sample in the probe, on which some scores cannot be judged"),
        (counts == 0, "no sample in the probe, which leaves nothing to judge"),
        ((counts == n) & (n > 1), "all samples of the probe, which leaves nothing to judge"),
    ]
    names = probe.task.label_names
    found = [([names[code] for code in np.flatnonzero(chosen).tolist()], what) for chosen, what in groups]
    return [f"{_have('label', scarce)} {what}" for scarce, what in found if scarce]


def _have(word: str, names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    plural = "classes" if word == "class" else f"{word}s"
    return f"the {word} {shown} has" if len(names) == 1 else f"the {len(names)} {plural} {shown}{more} have"
