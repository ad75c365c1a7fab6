"""Optimiser and schedule of a recipe."""

from __future__ import annotations

import math
from typing import Any

from hubscout.evaluation.finetune.recipe import Recipe

_MOMENTUM = 0.9


def build_optimiser(network: Any, recipe: Recipe, learning_rate: float) -> Any:
    """Build the optimiser: the head faster than the body, no decay on vectors.

    Parameters
    ----------
    network : torch.nn.ModuleDict
        With ``body`` and ``head``.
    recipe : Recipe
        Which optimiser, and its settings.
    learning_rate : float
        Of the body.

    Returns
    -------
    torch.optim.Optimizer
    """
    import torch

    groups = []
    for name, rate in (("body", learning_rate), ("head", learning_rate * recipe.head_factor)):
        learning = [each for each in network[name].parameters() if each.requires_grad]
        for is_matrix in (True, False):
            chosen = [each for each in learning if (each.ndim > 1) == is_matrix]
            if chosen:
                decay = recipe.weight_decay if is_matrix else 0.0
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups)
    return torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True)


def build_schedule(optimiser: Any, recipe: Recipe, n_steps: int) -> Any:
    """Build the schedule of the learning rates, which is moved on after each step.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        With the highest rate of each group.
    recipe : Recipe
        Which schedule, and its warm-up.
    n_steps : int
        Of the whole run.

    Returns
    -------
    torch.optim.lr_scheduler.LRScheduler
    """
    from torch.optim import lr_scheduler

    if recipe.schedule == "one-cycle":
        highest = [group["lr"] for group in optimiser.param_groups]
        return lr_scheduler.OneCycleLR(optimiser, highest, total_steps=n_steps, pct_start=recipe.warmup)
    return lr_scheduler.LambdaLR(optimiser, lambda step: cosine_factor(step, n_steps, recipe.warmup))


def cosine_factor(step: int, n_steps: int, warmup: float) -> float:
    """Share of the highest rate at a step: a linear rise, then half a cosine to zero.

    Parameters
    ----------
    step : int
        From 0.
    n_steps : int
        Of the whole run.
    warmup : float
        Share of the steps that rise.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(cosine_factor(step, 10, 0.2), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    n_rising = math.floor(warmup * n_steps)
    if step < n_rising:
        return (step + 1) / n_rising
    progress = min(1.0, (step - n_rising) / max(1, n_steps - n_rising))
    return 0.5 * (1 + math.cos(math.pi * progress))
