"""Orders that need no look at the data: what a score must beat to be worth its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from hubscout.evaluation.pools import POOLS, load_pool
from hubscout.evaluation.task_truth import TaskTruth

# By task and candidate; None where there is no value.
TaskValues: TypeAlias = Mapping[str, Mapping[str, float | None]]


def static_order(truths: Sequence[TaskTruth]) -> dict[str, dict[str, float | None]]:
    """Order candidates by their mean place on the *other* tasks.

    Parameters
    ----------
    truths : sequence of TaskTruth
        Tasks that share candidates.

    Returns
    -------
    dict of task to dict of candidate to float or None
        Minus the mean share of candidates ahead, in [-1, 0], so that higher is better; None for a candidate that no
        other task has.

    Notes
    -----
    Ranks are shares, so that tasks with fewer candidates count alike; equal truths share their mean rank. It knows
    nothing of the target, only which models are good in general, and still beats every published score on the usual
    benchmark.

    Examples
    --------
    >>> a, b = TaskTruth("a", {"x": 1.0, "y": 2.0}), TaskTruth("b", {"x": 0.1, "y": 0.2})
    >>> static_order([a, b])["a"]
    {'x': -1.0, 'y': 0.0}
    """
    places = {truth.task: _places(truth.values) for truth in truths}
    found: dict[str, dict[str, float | None]] = {}
    for truth in truths:
        found[truth.task] = {}
        for candidate in truth.values:
            others = [own[candidate] for task, own in places.items() if task != truth.task and candidate in own]
            found[truth.task][candidate] = 0.0 - float(np.mean(others)) if others else None
    return found


def by_fact(truths: Sequence[TaskTruth], facts: Mapping[str, float | None]) -> dict[str, dict[str, float | None]]:
    """Order candidates by one fact about each, the same on every task.

    Parameters
    ----------
    truths : sequence of TaskTruth
        The tasks.
    facts : mapping of candidate to float or None
        Such as its number of parameters.

    Returns
    -------
    dict of task to dict of candidate to float or None
    """
    return {truth.task: {name: facts.get(name) for name in truth.values} for truth in truths}


def published_facts() -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Return number of parameters and ImageNet accuracy of the models of the published pools, by name.

    Returns
    -------
    parameters, accuracies : dict of str to float or None
        From torchvision's tables of weights.
    """
    models = [model for pool in POOLS for model in load_pool(pool)]
    parameters: dict[str, float | None] = {model.name: float(model.n_parameters) for model in models}
    accuracies = {model.name: model.imagenet_top1 for model in models}
    parameters["wide_resnet50_2"], accuracies["wide_resnet50_2"] = 68883240.0, 78.468
    return parameters, accuracies


def _places(values: Mapping[str, float]) -> dict[str, float]:
    """Return for each candidate the share of the others that are ahead of it."""
    numbers = np.array(list(values.values()))
    if len(numbers) < 2:
        return {}
    ahead = (numbers[None] > numbers[:, None]).sum(axis=1)
    equal = (numbers[None] == numbers[:, None]).sum(axis=1) - 1
    shares = (ahead + equal / 2) / (len(numbers) - 1)
    return dict(zip(values, (float(share) for share in shares), strict=True))
