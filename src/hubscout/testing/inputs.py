"""The forms in which the same input can come: precision, memory order, kind of label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout.scores import ScoreSpec
from hubscout.testing.conduct import require
from hubscout.testing.problem import Problem

# What the precision of an input may change, relative to the value.
_HALF_TOLERANCE, _SINGLE_TOLERANCE, _LAYOUT_TOLERANCE = 1e-5, 1e-5, 1e-9


def check_inputs(spec: ScoreSpec, problem: Problem, options: dict[str, Any], tolerance: float) -> None:
    """Check that the same numbers give the same value however they are held."""
    if "features" in spec.needs:
        for name, features, exact, allowed in feature_forms(problem.features):
            complaint = f"differs between {name} features and the same numbers in plain float64"
            pair = replace(problem, features=features), replace(problem, features=exact)
            _compare(spec, *pair, options, allowed, complaint)
    if problem.task != "regression" and "label_names" in spec.invariances:
        for name, labels, codes in _LABEL_FORMS[problem.task](problem.labels):
            pair = replace(problem, labels=labels), replace(problem, labels=codes)
            _compare(spec, *pair, options, tolerance, f"differs between labels as {name} and as codes")


def feature_forms(features: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any], float]]:
    """Yield name, features in another form, the same numbers in float64, and the tolerance."""
    for dtype, allowed in ((np.float16, _HALF_TOLERANCE), (np.float32, _SINGLE_TOLERANCE), (">f8", _LAYOUT_TOLERANCE)):
        cast = features.astype(dtype)
        yield str(cast.dtype), cast, cast.astype(np.float64), allowed
    whole = np.round(4 * features)
    yield "whole-number", whole.astype(np.int32), whole, _LAYOUT_TOLERANCE
    yield "Fortran-ordered", np.asfortranarray(features), features, _LAYOUT_TOLERANCE
    spread = np.zeros((2 * features.shape[0], 3 * features.shape[1]))
    spread[::2, ::3] = features
    yield "strided", spread[::2, ::3], features, _LAYOUT_TOLERANCE
    yield "backwards", np.ascontiguousarray(features[::-1, ::-1])[::-1, ::-1], features, _LAYOUT_TOLERANCE


def label_forms(codes: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]:
    """Yield name, labels of another kind, and the codes they stand for."""
    yield "words", np.array([f"class {code}" for code in codes.tolist()]), codes
    yield "objects", np.array([f"class {code}" for code in codes.tolist()], dtype=object), codes
    yield "floats", codes / 2, codes
    yield "numbers with gaps", codes * 7 - 3, codes
    yield "a column", codes[:, None], codes
    halves = (codes > 0).astype(int)
    yield "booleans", halves.astype(bool), halves


def indicator_forms(labels: npt.NDArray[Any]) -> Iterator[tuple[str, Any, npt.NDArray[Any]]]:
    """Yield name, several labels a sample in another form, and the same as 0.0 and 1.0."""
    yield "booleans", labels > 0, labels
    yield "whole numbers", labels.astype(np.int8), labels
    yield "lists", labels.astype(int).tolist(), labels


def box_forms(table: npt.NDArray[Any]) -> Iterator[tuple[str, Any, npt.NDArray[Any]]]:
    """Yield name, classes and boxes in another form, and the same as a table."""
    yield "a pair", (table[:, 0], table[:, 1:]), table
    yield "words beside boxes", (np.array([f"class {code}" for code in table[:, 0].tolist()]), table[:, 1:]), table
    exact = np.concatenate([table[:, :1], table[:, 1:].astype(np.float32).astype(np.float64)], axis=1)
    yield "whole numbers beside float32", (table[:, 0].astype(int), table[:, 1:].astype(np.float32)), exact


_LABEL_FORMS: dict[str, Callable[[npt.NDArray[Any]], Iterator[tuple[str, Any, npt.NDArray[Any]]]]] = {
    "classification": label_forms,
    "token_classification": label_forms,
    "segmentation": label_forms,
    "multilabel": indicator_forms,
    "detection": box_forms,
}


def _compare(
    spec: ScoreSpec, changed: Problem, plain: Problem, options: dict[str, Any], tolerance: float, complaint: str
) -> None:
    found, expected = (case.estimate(spec, **options).value for case in (changed, plain))
    is_close = bool(np.isclose(found, expected, rtol=tolerance, atol=tolerance))
    require(is_close, spec, f"{complaint}: {found!r} and {expected!r}")
