"""Values of scores on given features, kept in a file so that a benchmark goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray
from hubscout.errors import DataError, HubscoutError
from hubscout.evaluation.benchmark_variants import Variant, parse_variant
from hubscout.ranking.entries import finite, score_entry

SCHEMA = "hubscout.bench.values/1"


@dataclass(frozen=True)
class Cell:
    """What one score says of one candidate on one task.

    Parameters
    ----------
    value : float or None
        Higher is better.
    seconds : float
        On statistics whose decomposition was ready.
    standard_error : float or None
        Where the score has one.
    null_z : float or None
        Standard deviations above its mean under labels in random order, where these were drawn.
    reason : str or None
        Why there is no value.
    parts : dict of str to float
        What the value is the sum of, where it has parts.
    """

    value: float | None
    seconds: float = 0.0
    standard_error: float | None = None
    null_z: float | None = None
    reason: str | None = None
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Features:
    """Features of one candidate on one task.

    Parameters
    ----------
    task, candidate : str
        Names.
    features : ndarray of shape (n_samples, n_features)
    labels : ndarray of shape (n_samples,)
    source_probs : ndarray of shape (n_samples, n_source_classes) or None
    """

    task: str
    candidate: str
    features: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    source_probs: npt.NDArray[Any] | None = None

    def fingerprint(self) -> str:
        """Digest all arrays."""
        digest = hashlib.sha256()
        for array in (self.features, self.labels, self.source_probs):
            if array is not None:
                whole = np.ascontiguousarray(array)
                digest.update(f"{whole.dtype}{whole.shape}".encode() + whole.tobytes())
        return digest.hexdigest()


class ValueCache:
    """Cells by task, candidate, variant, features and seed, in a JSON file.

    Parameters
    ----------
    path : Path or None
        None keeps nothing.

    Notes
    -----
    The file says which program its values are from: a digest of the code of all scores. Values of another program are
    computed again.

    Raises
    ------
    DataError
        When the file is something else.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cells: dict[str, dict[str, Any]] = {}
        if path is None or not path.is_file():
            return
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            schema, code, cells = document["schema"], document["code"], document["cells"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"the file of values {str(path)!r} cannot be read ({type(error).__name__}); remove it"
            raise DataError(msg) from error
        if schema != SCHEMA:
            msg = f"the file of values {str(path)!r} must be of schema {SCHEMA}, got {schema!r}; name another file"
            raise DataError(msg)
        if code == code_digest():
            self._cells = cells

    def get(self, key: str) -> Cell | None:
        """Return a cell that was computed before."""
        found = self._cells.get(key)
        return None if found is None else Cell(**found)

    def put(self, cells: Mapping[str, Cell]) -> None:
        """Keep cells, in the file too."""
        self._cells.update({key: asdict(cell) for key, cell in cells.items()})
        if self._path is not None and cells:
            from hubscout.ranking.serialise import write_text

            document = {"schema": SCHEMA, "code": code_digest(), "cells": self._cells}
            write_text(self._path, json.dumps(document, allow_nan=False, indent=0) + "\n")


def compute(
    given: Features,
    variants: Iterable[str],
    *,
    kept: ValueCache,
    seed: int = 0,
    null_draws: int = 0,
    on_value: Callable[[str], None] | None = None,
) -> dict[str, Cell]:
    """Compute variants of scores on the features of one candidate.

    Parameters
    ----------
    given : Features
    variants : iterable of str
        As `hubscout.evaluation.benchmark_variants.parse_variant` reads them.
    kept : ValueCache
        Looked at first, and filled.
    seed : int
        Of the scores, and of stratified parts of the probe.
    null_draws : int
        Random orders of the labels for the null z; none by default.
    on_value : callable, optional
        Told each variant that is computed.

    Returns
    -------
    dict of str to Cell
        In the order of ``variants``; a score that has no value has a reason.
    """
    fingerprint = given.fingerprint()
    parsed = {text: parse_variant(text) for text in variants}
    keys = {text: json.dumps([given.task, given.candidate, text, fingerprint, seed, null_draws]) for text in parsed}
    found = {text: cell for text in parsed if (cell := kept.get(keys[text])) is not None}
    fresh: dict[str, Cell] = {}
    # Variants that see the same numbers share one decomposition.
    for view in dict.fromkeys(_view(variant) for text, variant in parsed.items() if text not in found):
        chosen = {text: variant for text, variant in parsed.items() if text not in found and _view(variant) == view}
        for text in chosen:
            if on_value is not None:
                on_value(text)
        fresh.update(_on_one_view(given, chosen, seed, null_draws))
    kept.put({keys[text]: cell for text, cell in fresh.items()})
    return {text: (found | fresh)[text] for text in parsed}


@cache
def code_digest() -> str:
    """Digest the code that values depend on: all of scores and stats.

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = hashlib.sha256()
    for package in ("hubscout.scores", "hubscout.stats"):
        for file in sorted(resources.files(package).iterdir(), key=lambda each: each.name):
            if file.name.endswith(".py"):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _view(variant: Variant) -> Variant:
    return replace(variant, score="", options=())


def _on_one_view(given: Features, variants: Mapping[str, Variant], seed: int, null_draws: int) -> dict[str, Cell]:
    from hubscout.scores import evaluate
    from hubscout.stats import Statistics

    view = _view(next(iter(variants.values())))
    rows = _part(given.labels, view, seed)
    found = {}
    try:
        features = _scaled(np.asarray(given.features)[rows], view.scaling)
        probs = None if given.source_probs is None else np.asarray(given.source_probs)[rows]
        statistics = Statistics(features, given.labels[rows], source_probs=probs)
        statistics.spectrum()
    except HubscoutError as error:
        return dict.fromkeys(variants, Cell(None, reason=str(error)))
    for text, variant in variants.items():
        options = {variant.score: dict(variant.options)}
        value = evaluate(statistics, None, [variant.score], seed=seed, options=options, null_draws=null_draws)[
            variant.score
        ]
        null_z = None if value.value is None or value.null is None else finite(value.null.z(value.value))
        entry = score_entry(value)
        found[text] = Cell(entry.value, entry.seconds, entry.standard_error, null_z, entry.reason, entry.parts)
    return found


def _scaled(features: npt.NDArray[Any], scaling: str | None) -> npt.NDArray[Any]:
    if scaling is None:
        return features
    wide = features.astype(np.float64)
    if scaling == "unit_rms":
        size = float(np.sqrt(np.mean(wide**2)))
        return wide / size if size > 0 else wide
    wide -= wide.mean(axis=0)
    spread = wide.std(axis=0)
    # Dead features stay dead instead of becoming rounding errors of size one.
    alive = spread > 1e-12 * max(float(spread.max()), 1e-300)
    scaled: npt.NDArray[Any] = np.divide(wide, spread, out=np.zeros_like(wide), where=alive)
    return scaled


def _part(labels: npt.NDArray[Any], view: Variant, seed: int) -> IntArray:
    """Draw part of the probe, class by class, at least two of each."""
    n = len(labels)
    share = view.share if view.samples is None else min(1.0, view.samples / n)
    if share is None or share >= 1:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    rows: Sequence[IntArray] = [
        rng.permutation(own)[: max(2, round(share * len(own)))]
        for own in (np.flatnonzero(labels == value) for value in np.unique(labels))
    ]
    return np.sort(np.concatenate(rows))
