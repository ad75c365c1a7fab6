"""The training loop: epochs, validation, early stop, and a checkpoint after each epoch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.checkpoints import RunFolder
from hubscout.evaluation.finetune.data import Part, Parts
from hubscout.evaluation.finetune.inputs import Inputs, augment, batches, n_batches
from hubscout.evaluation.finetune.objective import Objective
from hubscout.evaluation.finetune.optimisation import build_optimiser, build_schedule
from hubscout.evaluation.finetune.randomness import own_randomness
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.runs import Epoch, Run
from hubscout.evaluation.finetune.trainable import Trainable
from hubscout.models.torch_runtime import is_out_of_memory

# (epochs that are done, epochs at most, the last one)
OnEpoch: TypeAlias = Callable[[int, int, Epoch], None]
_EVALUATION = 4  # without gradients, so many more samples fit into memory


class PreparedParts:
    """The inputs of all parts for one candidate, shared by its runs so that each is decoded once."""

    def __init__(self, parts: Parts, candidate: Trainable) -> None:
        self.parts = parts
        self.train = Inputs(parts.train, candidate.prepare)
        self.validation = Inputs(parts.validation, candidate.prepare)
        self.test = Inputs(parts.test, candidate.prepare)


def train(
    candidate: Trainable,
    prepared: PreparedParts,
    objective: Objective,
    recipe: Recipe,
    learning_rate: float,
    seed: int,
    folder: RunFolder,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Fine-tune a candidate once, or go on from its last checkpoint.

    Parameters
    ----------
    candidate : Trainable
        In its pre-trained state; it is changed.
    prepared : PreparedParts
        Inputs of all parts.
    objective : Objective
        Loss and measure.
    recipe : Recipe
        How to train.
    learning_rate : float
        Of the body, at its highest.
    seed : int
        Of head, order, augmentation and dropout.
    folder : RunFolder
        Where checkpoints and result are kept.
    on_epoch : callable, optional
        Told each epoch.

    Returns
    -------
    Run
        The same, bit for bit on a CPU with as many threads, whether the run was interrupted or not.

    Raises
    ------
    CandidateError
        When memory runs out.

    Notes
    -----
    The random numbers of an epoch follow from seed and epoch alone, so a checkpoint holds no random state.
    """
    with own_randomness(candidate.device), _memory(candidate, recipe):
        session = Session(candidate, prepared, objective, recipe, learning_rate, seed)
        found = folder.load()
        if found is not None:
            session.restore(found[0], found[1]["epochs"])
        while not session.is_over:
            epoch = session.run_epoch()
            if not session.has_diverged:
                folder.save(session.state(), {"epochs": session.records()})
            if on_epoch is not None:
                on_epoch(len(session.epochs), recipe.epochs, epoch)
        run = session.finish()
    folder.finish(run.to_dict())
    return run


class Session:
    """A run in progress."""

    def __init__(
        self,
        candidate: Trainable,
        prepared: PreparedParts,
        objective: Objective,
        recipe: Recipe,
        learning_rate: float,
        seed: int,
    ) -> None:
        import torch

        self._candidate, self._prepared, self._objective = candidate, prepared, objective
        self._recipe, self._rate, self._seed = recipe, learning_rate, seed
        torch.manual_seed(seed)
        head = torch.nn.Linear(candidate.card.feature_dim, objective.n_outputs).to(candidate.device)
        self.network = torch.nn.ModuleDict({"body": candidate.module, "head": head})
        self._optimiser = build_optimiser(self.network, recipe, learning_rate)
        steps = recipe.epochs * n_batches(len(prepared.train), recipe.batch_size)
        self._schedule = build_schedule(self._optimiser, recipe, steps)
        kind = candidate.device.partition(":")[0]
        self._dtype = _low_precision(kind) if recipe.mixed_precision else None
        self._scaler = torch.amp.GradScaler(kind, enabled=self._dtype is torch.float16)
        self._targets = {
            name: objective.targets(getattr(prepared.parts, name)).to(candidate.device)
            for name in ("train", "validation", "test")
        }
        self._best_state: dict[str, Any] | None = None
        self.epochs: list[Epoch] = []

    @property
    def has_diverged(self) -> bool:
        """Whether the loss is no number any more."""
        return bool(self.epochs) and self.epochs[-1].train_loss is None

    @property
    def best_epoch(self) -> int:
        """The epoch that counts, from 1: the best with patience, the last without."""
        if self._recipe.patience is None:
            return len(self.epochs)
        merits = [epoch.merit for epoch in self.epochs]
        return 1 + merits.index(max(merits)) if merits else 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be trained."""
        if self.has_diverged or len(self.epochs) >= self._recipe.epochs:
            return True
        patience = self._recipe.patience
        return patience is not None and len(self.epochs) - self.best_epoch >= patience > 0 and bool(self.epochs)

    def run_epoch(self) -> Epoch:
        """Train once over the training part, then look at the validation part."""
        start = time.perf_counter()
        loss = self._train_epoch(len(self.epochs))
        value, validation_loss = (None, None) if loss is None else self._validate()
        epoch = Epoch(loss, value, validation_loss, time.perf_counter() - start)
        self.epochs.append(epoch)
        if self._recipe.patience is not None and self.best_epoch == len(self.epochs):
            self._best_state = {name: each.detach().cpu().clone() for name, each in self.network.state_dict().items()}
        return epoch

    def finish(self) -> Run:
        """Restore the epoch that counts, and predict the test part."""
        predictions: list[Any] = []
        best_epoch = 0 if self.has_diverged else self.best_epoch
        if best_epoch:
            if self._best_state is not None:
                self.network.load_state_dict(self._best_state)
            outputs = self._outputs(self._prepared.test)
            predictions = self._objective.predictions(outputs).tolist()
        return Run(self._rate, self._seed, tuple(self.epochs), best_epoch, tuple(predictions), self._candidate.device)

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "best": self._best_state,
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the epochs as plain JSON values."""
        return [vars(epoch) for epoch in self.epochs]

    def restore(self, state: dict[str, Any], records: list[dict[str, Any]]) -> None:
        """Go back to a checkpoint."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self._best_state = state["best"]
        self.epochs = [Epoch(**record) for record in records]

    def _train_epoch(self, number: int) -> float | None:
        import torch

        generator = np.random.default_rng([self._seed, number])
        torch.manual_seed(int(generator.integers(2**62)))  # of dropout
        self.network.train()
        total = 0.0
        for rows in batches(len(self._prepared.train), self._recipe.batch_size, generator):
            inputs = self._candidate.collate(self._prepared.train.take(rows))
            if self._candidate.card.modality == "image":
                inputs = augment(inputs, self._recipe, generator)
            loss = self._step(inputs, self._targets["train"][torch.from_numpy(rows)])
            if not np.isfinite(loss):
                return None
            total += loss * len(rows)
        return total / len(self._prepared.train)

    def _step(self, inputs: Any, targets: Any) -> float:
        import torch

        self._optimiser.zero_grad(set_to_none=True)
        with self._precision():
            outputs = self.network["head"](self._candidate.features(inputs))
        loss = self._objective.loss(outputs.float(), targets)
        value = float(loss.detach())
        if np.isfinite(value):
            self._scaler.scale(loss).backward()
            self._scaler.unscale_(self._optimiser)
            if self._recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.clip_norm)
            self._scaler.step(self._optimiser)
            self._scaler.update()
            self._schedule.step()
        return value

    def _validate(self) -> tuple[float | None, float | None]:
        outputs = self._outputs(self._prepared.validation)
        loss = float(self._objective.loss(outputs, self._targets["validation"]))
        if not np.isfinite(loss):
            return None, None
        part: Part = self._prepared.parts.validation
        terms = self._objective.terms(self._objective.predictions(outputs), part)
        return float(terms.mean()), loss

    def _outputs(self, inputs: Inputs) -> Any:
        import torch

        self.network.eval()
        collected = []
        with torch.inference_mode(), self._precision():
            for rows in batches(len(inputs), _EVALUATION * self._recipe.batch_size):
                batch = self._candidate.collate(inputs.take(rows))
                collected.append(self.network["head"](self._candidate.features(batch)).float())
        return torch.cat(collected)

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        import torch

        if self._dtype is None:
            return contextlib.nullcontext()
        cast: contextlib.AbstractContextManager[Any] = torch.autocast(
            self._candidate.device.partition(":")[0], dtype=self._dtype
        )
        return cast


def _low_precision(kind: str) -> Any:
    """Choose the number format of mixed precision, or None where it does not pay."""
    import torch

    if kind != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


@contextlib.contextmanager
def _memory(candidate: Trainable, recipe: Recipe) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        msg = (
            f"training {candidate.card.address!r} does not fit into the memory of {candidate.device} at "
            f"{recipe.batch_size} samples a step; lower the batch size (--batch-size), or take --method linear-probe"
        )
        raise CandidateError(msg) from error
