"""Training, validation and test part of a target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray, TaskKind
from hubscout.data import draw_probe, load_target
from hubscout.data.allocation import quantile_bins
from hubscout.data.splits import WITHOUT_SPLITS, canonical_split
from hubscout.data.strata import principal_scores
from hubscout.data.task import Probe, Samples, Target, Task
from hubscout.errors import DataError, UsageError
from hubscout.evaluation.finetune.recipe import Method, Recipe

KINDS = ("classification", "regression")
TEST_SPLIT = "test split"
HELD_OUT = "held-out fifth of the training samples"
_HELD_OUT_SHARE = 0.2
_ALL = 2**62


@dataclass(frozen=True)
class Part:
    """Some samples of a probe.

    Parameters
    ----------
    probe : Probe
        Read and verified.
    rows : ndarray of shape (n,), int
        Positions in the probe, ascending.
    labels : ndarray of shape (n,) or (n, n_targets)
        Codes into the label names of the training samples, or target values.
    """

    probe: Probe
    rows: IntArray
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.rows)

    @property
    def samples(self) -> Samples:
        """The inputs, not yet decoded."""
        return self.probe.samples.subset(self.rows)


@dataclass(frozen=True)
class Parts:
    """What a fine-tuning learns from, chooses by, and is judged on.

    Parameters
    ----------
    task : Task
        What is asked.
    train, validation, test : Part
        Without a common sample.
    test_origin : str
        Where the test part comes from, in words.
    fingerprint : str
        SHA-256 over contents and labels of all parts.
    notes : tuple of str
        Sentences the user should see.
    """

    task: Task
    train: Part
    validation: Part
    test: Part
    test_origin: str
    fingerprint: str
    notes: tuple[str, ...] = ()


def read_parts(
    source: str | Path | Target,
    recipe: Recipe,
    *,
    test: str | Path | Target | None = None,
    kind: TaskKind | None = None,
    columns: Mapping[str, str | None] | None = None,
    split: str = "train",
    max_bad: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> Parts:
    """Read a target and divide it.

    Parameters
    ----------
    source : str, Path or Target
        Where the labelled data are.
    recipe : Recipe
        Sizes, shares and the seed of the draws.
    test : str, Path or Target, optional
        The test samples. By default the split ``test`` of the source, or, where it has none, a held-out fifth.
    kind : str, optional
        Kind of the task; read from the labels when it is not given.
    columns : mapping, optional
        The arguments ``text_column``, ``image_column``, ``label_column`` and ``pair_column`` of
        `hubscout.data.load_target`.
    split : str
        Split of the source to train on.
    max_bad : float
        Share of the samples that may be unreadable.
    progress : callable, optional
        Called with the number of samples decoded, and the number drawn.

    Returns
    -------
    Parts

    Raises
    ------
    UsageError
        When the kind of the task cannot be fine-tuned on, or an argument is wrong.
    DataError
        When the target cannot be used.
    """
    names = dict(columns or {})
    target = load_target(source, kind=kind, split=split, **names)
    check_kind(target.task, recipe.method)
    seed = recipe.split_seed
    drawn = draw_probe(target, size=recipe.train_size or _ALL, seed=seed, max_bad=max_bad, progress=progress)
    held = _test_target(source, target, test, names)
    if held is None:
        return divide(drawn, None, recipe)
    checked = draw_probe(held, size=recipe.test_size or _ALL, seed=seed, max_bad=max_bad, progress=progress)
    return divide(drawn, checked, recipe)


def check_kind(task: Task, method: Method) -> None:
    """Refuse tasks that are not fine-tuned.

    Parameters
    ----------
    task : Task
        What is asked.
    method : {"full", "linear-probe", "lora"}
        How candidates are to be fine-tuned.

    Raises
    ------
    UsageError
        Naming the kinds that are.
    """
    if task.kind not in KINDS:
        msg = f"verify fine-tunes on classification and regression, got the {task.kind} task {task.name!r}"
        raise UsageError(msg)
    if task.is_pair and method != "linear-probe":
        msg = f"verify takes pairs of texts by --method linear-probe only, got {method!r} for the task {task.name!r}"
        raise UsageError(msg)


def divide(drawn: Probe, checked: Probe | None, recipe: Recipe) -> Parts:
    """Divide what was drawn into parts, stratified by class or by the rank of the target.

    Parameters
    ----------
    drawn : Probe
        Training samples, with the validation part, and the test part where there is no other.
    checked : Probe or None
        Test samples.
    recipe : Recipe
        Share of the validation part, and the seed.

    Returns
    -------
    Parts

    Raises
    ------
    DataError
        When a part would be empty, or the labels of both probes do not fit each other.
    """
    generator = np.random.default_rng(recipe.split_seed)
    rows = np.arange(len(drawn), dtype=np.intp)
    notes: list[str] = []
    if checked is None:
        rows, test_rows = _hold_out(rows, drawn.labels, drawn.task, _HELD_OUT_SHARE, generator)
        test = Part(drawn, test_rows, drawn.labels[test_rows])
        notes.append(
            "the target has no test split, so a fifth of it was held out from training; scores of a ranking may have "
            "looked at these samples"
        )
    else:
        test, unknown = _known_labels(drawn.task, checked)
        if unknown:
            notes.append(f"{unknown} test samples are of classes that training does not know, and were left out")
    train_rows, validation_rows = _hold_out(rows, drawn.labels, drawn.task, recipe.validation, generator)
    train = Part(drawn, train_rows, drawn.labels[train_rows])
    validation = Part(drawn, validation_rows, drawn.labels[validation_rows])
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if len(part) < 2:
            msg = (
                f"fine-tuning needs at least 2 samples in each part, and the {name} part of {drawn.task.name!r} would "
                f"have {len(part)}; give more labelled samples"
            )
            raise DataError(msg)
    return Parts(
        task=drawn.task,
        train=train,
        validation=validation,
        test=test,
        test_origin=HELD_OUT if checked is None else TEST_SPLIT,
        fingerprint=_fingerprint(drawn.task, (train, validation, test)),
        notes=(*drawn.notes, *notes),
    )


def _test_target(
    source: str | Path | Target, target: Target, test: str | Path | Target | None, names: dict[str, Any]
) -> Target | None:
    arguments = {"kind": target.task.kind, **names}
    if test is not None:
        held = test if isinstance(test, Target) else _load_test(test, arguments) or load_target(test, **arguments)
        if held.task.modality != target.task.modality or held.task.kind != target.task.kind:
            msg = (
                f"test must hold {target.task.modality} samples for {target.task.kind}, as the target does, got "
                f"{held.task.modality} samples for {held.task.kind}"
            )
            raise UsageError(msg)
        return held
    if isinstance(source, Target) or target.split == WITHOUT_SPLITS or canonical_split(target.split) == "test":
        return None
    return _load_test(source, arguments)


def _load_test(source: str | Path, arguments: dict[str, Any]) -> Target | None:
    try:
        return load_target(source, split="test", **arguments)
    except UsageError:  # no such split
        return None


def _known_labels(task: Task, checked: Probe) -> tuple[Part, int]:
    """Write the test labels in the codes of the training samples."""
    rows = np.arange(len(checked), dtype=np.intp)
    if task.kind == "regression":
        if task.target_names != checked.task.target_names:
            msg = (
                f"the test samples must have the targets {list(task.target_names)} of the training samples, got "
                f"{list(checked.task.target_names)}; name the same label columns"
            )
            raise DataError(msg)
        return Part(checked, rows, checked.labels), 0
    codes = {name: code for code, name in enumerate(task.label_names)}
    table = np.array([codes.get(name, -1) for name in checked.task.label_names], dtype=np.intp)
    labels = table[checked.labels]
    kept = np.flatnonzero(labels >= 0)
    return Part(checked, rows[kept], labels[kept]), len(labels) - len(kept)


def _hold_out(
    rows: IntArray, labels: npt.NDArray[Any], task: Task, share: float, generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Take a share of each stratum away; what is left always has a sample of each."""
    strata = _strata(labels[rows], task)
    taken = []
    for stratum in np.unique(strata):
        members = rows[strata == stratum]
        n_taken = min(int(np.floor(len(members) * share + 0.5)), len(members) - 1)
        taken.append(generator.permutation(members)[:n_taken])
    held = np.sort(np.concatenate(taken)).astype(np.intp)
    return np.setdiff1d(rows, held).astype(np.intp), held


def _strata(labels: npt.NDArray[Any], task: Task) -> IntArray:
    if task.kind == "classification":
        return np.asarray(labels, dtype=np.intp)
    return quantile_bins(labels if labels.ndim == 1 else principal_scores(labels), len(labels))


def _fingerprint(task: Task, parts: tuple[Part, ...]) -> str:
    digest = hashlib.sha256(repr((task.kind, task.label_names, task.target_names)).encode())
    for part in parts:
        digest.update(part.probe.fingerprint.encode())
        digest.update(np.ascontiguousarray(part.rows, dtype="<i8").tobytes())
        dtype = "<i8" if task.kind == "classification" else "<f8"
        digest.update(np.ascontiguousarray(part.labels, dtype=dtype).tobytes())
    return digest.hexdigest()
