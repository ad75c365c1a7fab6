"""All runs of one candidate: each learning rate under the first seed, the best of them under the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.checkpoints import RunFolder, default_home, only_writer
from hubscout.evaluation.finetune.data import Parts
from hubscout.evaluation.finetune.loop import PreparedParts, train
from hubscout.evaluation.finetune.models import check_method, open_trainable
from hubscout.evaluation.finetune.objective import choose_objective
from hubscout.evaluation.finetune.randomness import own_randomness
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.runs import Epoch, Run, best_run
from hubscout.evaluation.finetune.trainable import Trainable
from hubscout.features.durable import canonical_json
from hubscout.models.card import ModelCard
from hubscout.models.torch_runtime import choose_device

# (epochs that are done, epochs at most, in words what was last done)
OnProgress: TypeAlias = Callable[[int, int, str], None]
# Raise when the loop changes what it computes, so that older runs are not taken for the same.
LOOP_VERSION = 1


@dataclass(frozen=True)
class FineTuning:
    """The runs of one candidate.

    Parameters
    ----------
    card : ModelCard
        Of the candidate.
    trials : tuple of Run
        One for each learning rate, under the first seed.
    chosen : tuple of Run
        The best of them by its validation value, and the same under the other seeds.
    overhead : float
        Seconds beside the runs: for a linear probe, loading and extraction.
    """

    card: ModelCard
    trials: tuple[Run, ...]
    chosen: tuple[Run, ...]

    overhead: float = 0.0

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them, once."""
        return (*self.trials, *self.chosen[1:])

    @property
    def seconds(self) -> float:
        """Time of all runs, whenever they were run, and what was beside them."""
        return self.overhead + sum(run.seconds for run in self.runs)


def fine_tune(
    address: str,
    parts: Parts,
    recipe: Recipe,
    *,
    device: str = "auto",
    home: str | Path | None = None,
    trust_remote_code: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> FineTuning:
    """Train a candidate by the recipe, or take what earlier calls have done of it.

    Parameters
    ----------
    address : str
        Of the candidate.
    parts : Parts
        To learn from, choose by, and be judged on.
    recipe : Recipe
        Of the methods ``full`` and ``lora``.
    device : str
        As in `hubscout.rank`.
    home : str or Path, optional
        Folder under which checkpoints and results are kept, in ``finetune``; ``$HUBSCOUT_HOME`` by default.
    trust_remote_code : collection of str
        Names of models whose own code may run.
    on_progress : callable, optional
        Told each epoch.

    Returns
    -------
    FineTuning

    Raises
    ------
    CandidateError
        When it cannot be trained, or no run comes to a value.

    Notes
    -----
    Learning rates are compared on the validation part alone; the test part is looked at once a run, and decides
    nothing.
    """
    check_method(address, recipe.method)
    with own_randomness(choose_device(device)):  # a factory may draw the weights it starts from
        candidate = open_trainable(
            address, modality=parts.task.modality, device=device, trust_remote_code=trust_remote_code
        )
    if recipe.method == "lora":
        from hubscout.evaluation.finetune.lora import add_adapters

        candidate = add_adapters(candidate, recipe)
    runner = _Runner(candidate, parts, recipe, Path(home) if home is not None else default_home(), on_progress)
    trials = tuple(runner.run(rate, recipe.seeds[0]) for rate in recipe.rates(parts.task.modality))
    best = best_run(trials)
    if best is None:
        tried = ", ".join(f"{trial.setting:g}" for trial in trials)
        msg = f"training {address!r} came to no finite loss at any learning rate ({tried}); give lower ones (--lr)"
        raise CandidateError(msg)
    others = tuple(runner.run(best.setting, seed) for seed in recipe.seeds[1:])
    return FineTuning(candidate.card, trials, (best, *(run for run in others if run.best is not None)))


class _Runner:
    """Runs of one candidate, each from its pre-trained state."""

    def __init__(
        self, candidate: Trainable, parts: Parts, recipe: Recipe, home: Path, on_progress: OnProgress | None
    ) -> None:
        self._candidate, self._recipe, self._home = candidate, recipe, home
        self._tell = on_progress
        self._objective = choose_objective(parts, recipe.label_smoothing)
        self._prepared = PreparedParts(parts, candidate)
        state = candidate.module.state_dict()
        self._initial = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        self._n_runs = len(recipe.rates(parts.task.modality)) + len(recipe.seeds) - 1
        self._done = 0

    def run(self, rate: float, seed: int) -> Run:
        """Return the result of one run, from its folder where it is there."""
        path = self._home / "finetune" / run_key(self._candidate.card, self._prepared.parts, self._recipe, rate, seed)
        with only_writer(path):
            folder = RunFolder(path)
            found = folder.result()
            if found is None:
                self._candidate.module.load_state_dict(self._initial)
                run = train(
                    self._candidate,
                    self._prepared,
                    self._objective,
                    self._recipe,
                    rate,
                    seed,
                    folder,
                    self._on_epoch(rate),
                )
            else:
                run = Run.from_dict(found)
        self._done += 1
        self._report(0, f"learning rate {rate:g} is done")
        return run

    def _on_epoch(self, rate: float) -> Callable[[int, int, Epoch], None]:
        def tell(done: int, total: int, epoch: Epoch) -> None:
            value = (
                "no finite loss" if epoch.validation is None else f"{self._objective.measure} {epoch.validation:.3f}"
            )
            if done < total:
                self._report(done, f"learning rate {rate:g}, epoch {done}: validation {value}")

        return tell

    def _report(self, epochs: int, message: str) -> None:
        if self._tell is not None:
            total = self._n_runs * self._recipe.epochs
            self._tell(min(total, self._done * self._recipe.epochs + epochs), total, message)


def run_key(card: ModelCard, parts: Parts, recipe: Recipe, rate: float, seed: int) -> str:
    """Name a run by all that decides its result.

    Parameters
    ----------
    card : ModelCard
        Of the candidate.
    parts : Parts
        The data.
    recipe, rate, seed
        How it is trained.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    stated = recipe.to_dict()
    # A run does not depend on which others there are, so that adding a rate or a seed keeps it.
    for name in ("learning_rates", "seeds", "split_seed", "train_size", "test_size", "validation"):
        del stated[name]
    facts: dict[str, Any] = {
        "address": card.address,
        "identity": card.identity,
        "transform": card.transform,
        "loader": card.loader,
        "parts": parts.fingerprint,
        "recipe": stated,
        "rate": rate,
        "seed": seed,
        "version": LOOP_VERSION,
    }
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()
