"""The recipe of a fine-tuning: everything that decides what comes out, in one frozen record."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hubscout._typing import Modality
from hubscout.errors import UsageError

Method: TypeAlias = Literal["full", "linear-probe", "lora"]

METHODS = ("full", "linear-probe", "lora")
OPTIMISERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "one-cycle")
# A decade apart: what converges on one side destroys or does not move on the other.
RATES: dict[tuple[str, Modality], tuple[float, ...]] = {
    ("adamw", "image"): (1e-4, 1e-3),
    ("adamw", "text"): (3e-5, 3e-4),
    ("sgd", "image"): (3e-3, 3e-2),
    ("sgd", "text"): (1e-3, 1e-2),
    ("lora", "image"): (2e-4, 2e-3),
    ("lora", "text"): (2e-4, 2e-3),
}


@dataclass(frozen=True)
class Recipe:
    """How candidates are fine-tuned.

    Parameters
    ----------
    method : {"full", "linear-probe", "lora"}
        All parameters; a linear model on frozen features; low-rank adapters beside the linear layers of a
        transformer.
    optimiser : {"adamw", "sgd"}
        SGD with Nesterov's momentum.
    learning_rates : tuple of float or None
        Each is tried, and the one with the best validation value is taken. None: those of `RATES` for the method, the
        optimiser and what the candidate takes. A linear probe tries the strengths of its penalty instead.
    epochs : int
        Passes over the training part, at most.
    schedule : {"cosine", "one-cycle"}
        Of the learning rate over all steps: a linear warm-up, then a cosine to zero; or torch's ``OneCycleLR``,
        which moves the momentum against the rate.
    warmup : float
        Share of the steps in which the rate rises.
    batch_size : int
        Samples in one step.
    weight_decay : float
        Not on biases, norms and other vectors.
    label_smoothing : float
        Share of the target spread over all classes; without meaning in a regression.
    head_factor : float
        The new head learns at so many times the rate.
    flips : bool
        Mirror half of the pictures of a batch, left to right. Wrong for digits, letters and signs.
    clip_norm : float or None
        Longest gradient that is not shortened.
    shifts : float
        Move each picture by up to this share of its sides, filled up by reflection.
    patience : int or None
        Epochs without a better validation value after which a run ends; its best epoch is then what counts. None:
        all epochs are run, and the last one counts.
    validation : float
        Share of the training samples that choose learning rate and epoch, and are not trained on.
    seeds : tuple of int
        Each fine-tunes once more, with another head, order and augmentation. Learning rates are compared under the
        first.
    split_seed : int
        Of the draw of samples and of the parts.
    train_size, test_size : int or None
        Samples of the training and the test part, at most; None for all.
    mixed_precision : bool
        On a GPU, run in bfloat16 where it can, else in float16.
    lora_rank, lora_alpha, lora_dropout : int, float, float
        Of the adapters.

    Examples
    --------
    >>> Recipe(method="full").rates("text")
    (3e-05, 0.0003)
    >>> Recipe(learning_rates=(0.01,)).rates("text")
    (0.01,)
    """

    method: Method = "full"
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rates: tuple[float, ...] | None = None
    epochs: int = 10
    schedule: Literal["cosine", "one-cycle"] = "cosine"
    warmup: float = 0.1
    batch_size: int = 32
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    head_factor: float = 5.0
    clip_norm: float | None = 1.0
    flips: bool = True
    shifts: float = 0.125
    patience: int | None = 3
    validation: float = 0.2
    seeds: tuple[int, ...] = (0,)
    split_seed: int = 0
    train_size: int | None = 5000
    test_size: int | None = 5000
    mixed_precision: bool = True
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.05

    def __post_init__(self) -> None:
        for name in ("learning_rates", "seeds"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        _check(self)

    def rates(self, modality: Modality) -> tuple[float, ...]:
        """Return the learning rates that are tried.

        Parameters
        ----------
        modality : {"image", "text"}
            What the candidate takes.
        """
        if self.learning_rates is not None:
            return self.learning_rates
        return RATES["lora" if self.method == "lora" else self.optimiser, modality]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = dataclasses.asdict(self)
        rates = None if self.learning_rates is None else list(self.learning_rates)
        return {**values, "learning_rates": rates, "seeds": list(self.seeds)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain JSON values; names this version does not know are ignored.

        Parameters
        ----------
        values : mapping
            As `to_dict` writes them.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def describe(self) -> str:
        """State the recipe in one line.

        Examples
        --------
        >>> Recipe(method="linear-probe").describe()
        'linear probe on frozen features, penalty chosen on 20 % of the training samples'
        """
        share = f"{100 * self.validation:g} % of the training samples"
        if self.method == "linear-probe":
            return f"linear probe on frozen features, penalty chosen on {share}"
        what = "all parameters" if self.method == "full" else f"LoRA of rank {self.lora_rank}"
        optimiser = "AdamW" if self.optimiser == "adamw" else "SGD"
        rates = "by kind of input" if self.learning_rates is None else _either(self.learning_rates)
        end = "" if self.patience is None else f", stopped after {self.patience} without gain"
        return (
            f"{what}, {optimiser}, {self.schedule}, {self.epochs} epochs{end}, batch {self.batch_size}, "
            f"learning rate {rates} chosen on {share}, {len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        )


def _either(rates: tuple[float, ...]) -> str:
    return " or ".join(f"{rate:g}" for rate in rates)


def _check(recipe: Recipe) -> None:
    """Refuse what has no meaning, before anything is loaded."""
    rates, seeds = recipe.learning_rates, recipe.seeds
    rules: tuple[tuple[str, bool, str], ...] = (
        ("method", recipe.method in METHODS, f"one of {', '.join(METHODS)}"),
        ("optimiser", recipe.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
        ("schedule", recipe.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        ("learning_rates", rates is None or _are_rates(rates), "numbers above 0, different from each other, or None"),
        ("epochs", _is_whole(recipe.epochs, 1), "a whole number of at least 1"),
        ("warmup", _is_between(recipe.warmup, 0, 0.9), "a share from 0 to 0.9"),
        ("batch_size", _is_whole(recipe.batch_size, 2), "a whole number of at least 2"),
        ("weight_decay", _is_between(recipe.weight_decay, 0, 1e3), "a number of at least 0"),
        ("label_smoothing", _is_between(recipe.label_smoothing, 0, 0.9), "a share from 0 to 0.9"),
        ("head_factor", _is_between(recipe.head_factor, 0, 1e4) and recipe.head_factor > 0, "a number above 0"),
        ("clip_norm", recipe.clip_norm is None or _is_between(recipe.clip_norm, 1e-6, 1e6), "above 0, or None"),
        ("shifts", _is_between(recipe.shifts, 0, 0.5), "a share from 0 to 0.5"),
        ("patience", recipe.patience is None or _is_whole(recipe.patience, 1), "a whole number of at least 1, or None"),
        ("validation", _is_between(recipe.validation, 0.01, 0.5), "a share from 0.01 to 0.5"),
        ("seeds", _are_seeds(seeds), "whole numbers of at least 0, different from each other"),
        ("split_seed", _is_whole(recipe.split_seed, 0), "a whole number of at least 0"),
        ("train_size", recipe.train_size is None or _is_whole(recipe.train_size, 2), "at least 2, or None for all"),
        ("test_size", recipe.test_size is None or _is_whole(recipe.test_size, 2), "at least 2, or None for all"),
        ("lora_rank", _is_whole(recipe.lora_rank, 1), "a whole number of at least 1"),
        ("lora_alpha", _is_between(recipe.lora_alpha, 0, 1e6) and recipe.lora_alpha > 0, "a number above 0"),
        ("lora_dropout", _is_between(recipe.lora_dropout, 0, 0.9), "a share from 0 to 0.9"),
    )  # fmt: skip
    for name, holds, rule in rules:
        if not holds:
            msg = f"{name} of the recipe must be {rule}, got {getattr(recipe, name)!r}"
            raise UsageError(msg)


def _are_rates(rates: object) -> bool:
    is_filled = isinstance(rates, tuple) and len(rates) == len(set(rates)) > 0
    return is_filled and all(_is_between(rate, 1e-12, 1e3) for rate in rates)  # type: ignore[attr-defined]


def _are_seeds(seeds: object) -> bool:
    is_filled = isinstance(seeds, tuple) and len(seeds) == len(set(seeds)) > 0
    return is_filled and all(_is_whole(seed, 0) for seed in seeds)  # type: ignore[attr-defined]


def _is_whole(value: object, least: int) -> bool:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return not isinstance(value, bool) and number >= least


def _is_between(value: object, low: float, high: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and low <= value <= high
