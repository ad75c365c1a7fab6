"""The linear probe: a linear model on frozen features, for every address."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import FloatArray
from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.data import Part, Parts
from hubscout.evaluation.finetune.fine_tuning import FineTuning, OnProgress
from hubscout.evaluation.finetune.objective import value_terms
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.runs import Epoch, Run, best_run
from hubscout.features import FeatureStore, extract, feature_file_set
from hubscout.models.address import parse_address
from hubscout.models.card import ModelCard
from hubscout.models.loading import load_encoder
from hubscout.models.reading import Reading

# Inverse strength of the penalty on standardised features; ridge takes its inverse.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_STEPS = 2000


def linear_probe(
    address: str,
    parts: Parts,
    recipe: Recipe,
    *,
    device: str = "auto",
    store: str | Path | None = None,
    trust_remote_code: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> FineTuning:
    r"""Fit a linear model on the features of a candidate.

    Parameters
    ----------
    address : str
        Of the candidate, of any scheme.
    parts : Parts
        To learn from, choose by, and be judged on.
    recipe : Recipe
        Its seeds say nothing here: the fit is exact.
    device : str
        As in `hubscout.rank`.
    store : str or Path, optional
        Folder of the feature store; rows that a ranking has left there are not computed again.
    trust_remote_code : collection of str
        Names of models whose own code may run.
    on_progress : callable, optional
        Told the rows that are extracted.

    Returns
    -------
    FineTuning
        One run for each strength of the penalty; there is no other under other seeds.

    Notes
    -----
    Features are brought to mean 0 and deviation 1 over the training part. Classes: multinomial logistic regression
    with the penalty :math:`\|W\|^2 / 2C`. Target values: ridge regression with :math:`\alpha = 1 / C`, on targets of
    mean 0 and deviation 1. C is one of `PENALTIES`, chosen on the validation part; the fit is on the training part.
    """
    start = time.perf_counter()
    card, features = _features(address, parts, device, store, trust_remote_code, on_progress)
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features(parts.train))
    inputs = {name: scaler.transform(features(getattr(parts, name))) for name in ("train", "validation", "test")}
    overhead = time.perf_counter() - start
    trials = tuple(replace(_fit(parts, inputs, penalty, recipe.seeds[0]), device=card.device) for penalty in PENALTIES)
    best = best_run(trials)
    if best is None:
        msg = f"a linear probe of {address!r} came to no finite value at any penalty; look at its features with rank"
        raise CandidateError(msg)
    return FineTuning(card, trials, (best,), overhead)


def _fit(parts: Parts, inputs: dict[str, FloatArray], penalty: float, seed: int) -> Run:
    from sklearn.exceptions import ConvergenceWarning

    start = time.perf_counter()
    kind = parts.task.kind
    model = _classifier(penalty) if kind == "classification" else _regressor(penalty)
    with warnings.catch_warnings():
        # A fit that ends before it has converged is judged by its validation value like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs["train"], parts.train.labels)
    losses = {
        name: _loss(model, inputs[name], getattr(parts, name).labels, kind == "classification")
        for name in ("train", "validation")
    }
    predicted = model.predict(inputs["validation"])
    value = float(value_terms(kind, predicted, parts.validation.labels).mean())
    epoch = Epoch(losses["train"], value, losses["validation"], time.perf_counter() - start)
    return Run(penalty, seed, (epoch,), 1, tuple(model.predict(inputs["test"]).tolist()))


def _classifier(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, max_iter=_STEPS)


def _regressor(penalty: float) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(Ridge(alpha=1 / penalty), transformer=StandardScaler())


def _loss(model: Any, inputs: FloatArray, labels: npt.NDArray[Any], is_classes: bool) -> float:
    if not is_classes:
        return float(np.mean((model.predict(inputs) - labels) ** 2))
    columns = np.searchsorted(model.classes_, labels)
    known = (columns < len(model.classes_)) & (model.classes_[np.minimum(columns, len(model.classes_) - 1)] == labels)
    chosen = model.predict_log_proba(inputs)[np.flatnonzero(known), columns[known]]
    return float(-chosen.mean()) if len(chosen) else 0.0


def _features(
    address: str,
    parts: Parts,
    device: str,
    store: str | Path | None,
    trust_remote_code: Collection[str],
    on_progress: OnProgress | None,
) -> tuple[ModelCard, Any]:
    """Return the card, and a function from a part to its features in float64."""
    probes = {id(part.probe): part.probe for part in (parts.train, parts.validation, parts.test)}
    read: dict[int, npt.NDArray[Any]] = {}
    parsed = parse_address(address)
    if parsed.scheme == "features":
        if len(probes) > 1:
            msg = (
                f"candidate {address!r} holds features of one split, and the target has a test split of its own; give "
                "the target as a file without splits, such as its labels in a .npz"
            )
            raise CandidateError(msg)
        found = {key: feature_file_set(parsed.name, probe) for key, probe in probes.items()}
        read = {key: each.features for key, each in found.items()}
        card = ModelCard(**next(iter(found.values())).provenance["card"])
    else:
        reading = Reading(parts.task.unit)
        encoder = load_encoder(parsed, device=device, trust_remote_code=trust_remote_code, reading=reading)
        card = encoder.card
        done = 0
        for key, probe in probes.items():
            progress = _progress(on_progress, done, sum(map(len, probes.values())))
            read[key] = extract(encoder, probe, FeatureStore(store), progress=progress).features
            done += len(probe)

    def features(part: Part) -> FloatArray:
        return np.asarray(read[id(part.probe)][part.rows], dtype=np.float64)

    return card, features


def _progress(tell: OnProgress | None, before: int, total: int) -> Any:
    def report(done: int, _: int) -> None:
        if tell is not None:
            tell(before + done, total, "extracting features")

    return report
