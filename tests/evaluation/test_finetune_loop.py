"""The training loop: what it learns, what it chooses by, and that a killed run goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_world import INTERRUPTED, colour_target

from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.checkpoints import RunFolder
from hubscout.evaluation.finetune.data import read_parts
from hubscout.evaluation.finetune.fine_tuning import fine_tune, run_key
from hubscout.evaluation.finetune.loop import Session
from hubscout.evaluation.finetune.recipe import Recipe

QUICK = Recipe(learning_rates=(1e-3, 1e-2), epochs=3, batch_size=8, patience=None, shifts=0.1)


class TestLearning:
    def test_pictures_of_classes(self, image_address, image_target):
        parts = read_parts(image_target(90), replace(QUICK, epochs=6), test=image_target(45, seed=1))
        found = fine_tune(image_address(), parts, replace(QUICK, epochs=6), device="cpu")
        best = found.chosen[0]
        assert np.mean(best.predicted == parts.test.labels) > 0.8
        assert [run.setting for run in found.trials] == [1e-3, 1e-2]
        assert len(best.epochs) == best.best_epoch == 6
        assert best.epochs[-1].train_loss < best.epochs[0].train_loss

    def test_values_of_pictures(self, image_address, brightness_target):
        recipe = replace(QUICK, epochs=8, learning_rates=(1e-2,))
        parts = read_parts(brightness_target(), recipe, test=brightness_target(30, seed=1))
        run = fine_tune(image_address(), parts, recipe, device="cpu").chosen[0]
        assert run.predicted.shape == (30, 1)
        assert np.corrcoef(run.predicted[:, 0], parts.test.labels)[0, 1] > 0.8
        assert run.predicted.min() > -0.5  # in the units of the target, not of the standardised one
        assert run.best.validation > 0.5

    def test_texts(self, text_target):
        recipe = replace(QUICK, epochs=8, learning_rates=(3e-2,))
        parts = read_parts(text_target(), recipe, test=text_target(30, seed=1))
        address = "torch:tiny_factories:texts?modality=text"
        assert np.mean(fine_tune(address, parts, recipe, device="cpu").chosen[0].predicted == parts.test.labels) > 0.8

    def test_sgd_and_one_cycle(self, image_address, image_target):
        recipe = replace(QUICK, optimiser="sgd", schedule="one-cycle", warmup=0.3, learning_rates=(3e-2,), epochs=6)
        parts = read_parts(image_target(90), recipe)
        run = fine_tune(image_address(), parts, recipe, device="cpu").chosen[0]
        assert run.epochs[-1].train_loss < run.epochs[0].train_loss

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_mixed_precision(self, image_address, image_target, monkeypatch, dtype):
        """What a GPU takes, on a CPU: float16 brings the scaled loss, whose state goes into checkpoints."""
        monkeypatch.setattr("hubscout.evaluation.finetune.loop._low_precision", lambda _: dtype)
        recipe = replace(QUICK, learning_rates=(1e-2,))
        parts = read_parts(image_target(90), recipe)
        run = fine_tune(image_address(), parts, recipe, device="cpu").chosen[0]
        assert run.epochs[-1].train_loss < run.epochs[0].train_loss
        exact = replace(recipe, mixed_precision=False)
        other = fine_tune(image_address(), parts, exact, device="cpu").chosen[0]
        assert other.epochs[0].train_loss != run.epochs[0].train_loss
        assert other.epochs[0].train_loss == pytest.approx(run.epochs[0].train_loss, rel=0.05)

    def test_the_callers_random_state_is_left_alone(self, image_address, image_target):
        parts = read_parts(image_target(), QUICK)
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 - the global state is what must not move
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        fine_tune(image_address(dropout=0.5), parts, replace(QUICK, epochs=1), device="cpu")
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


class TestChoice:
    def test_the_learning_rate_is_chosen_on_the_validation_part_alone(self, image_address, image_target):
        parts = read_parts(image_target(90), QUICK, test=image_target(45, seed=1))
        honest = fine_tune(image_address(), parts, QUICK, device="cpu")
        # A test part of wrong labels turns the order of the test values round, and must change nothing.
        lies = replace(parts.test, labels=(parts.test.labels + 1) % 3)
        deceived = fine_tune(image_address(), replace(parts, test=lies, fingerprint="x"), QUICK, device="cpu")
        assert deceived.chosen[0].setting == honest.chosen[0].setting
        merits = {run.setting: run.merit for run in honest.trials}
        assert honest.chosen[0].setting == max(merits, key=merits.get)

    def test_other_seeds_run_at_the_chosen_rate_only(self, image_address, image_target):
        recipe = replace(QUICK, epochs=1, seeds=(0, 1, 2))
        found = fine_tune(image_address(), read_parts(image_target(), recipe), recipe, device="cpu")
        assert [(run.setting, run.seed) for run in found.chosen] == [
            (found.chosen[0].setting, seed) for seed in (0, 1, 2)
        ]
        assert len(found.runs) == 4
        assert found.chosen[0].epochs[0].train_loss != found.chosen[1].epochs[0].train_loss

    def test_patience_ends_a_run_and_its_best_epoch_counts(self, image_address, image_target):
        recipe = replace(QUICK, epochs=40, patience=2, learning_rates=(0.5,), batch_size=16)
        run = fine_tune(image_address(), read_parts(image_target(), recipe), recipe, device="cpu").chosen[0]
        merits = [epoch.merit for epoch in run.epochs]
        assert run.best_epoch == 1 + merits.index(max(merits))
        assert len(run.epochs) == min(40, run.best_epoch + 2) < 40

    def test_no_finite_loss(self, image_address, image_target):
        parts = read_parts(image_target(), QUICK)
        address = image_address("broken")
        with pytest.raises(CandidateError) as caught:
            fine_tune(address, parts, QUICK, device="cpu")
        assert str(caught.value) == (
            f"training {address!r} came to no finite loss at any learning rate (0.001, 0.01); give lower ones (--lr)"
        )


class TestAgain:
    def test_a_finished_run_is_taken_from_its_folder(self, image_address, image_target, monkeypatch):
        parts = read_parts(image_target(), QUICK)
        first = fine_tune(image_address(), parts, QUICK, device="cpu")
        monkeypatch.setattr("hubscout.evaluation.finetune.fine_tuning.train", None)
        again = fine_tune(image_address(), parts, QUICK, device="cpu")
        assert again.trials == first.trials

    def test_a_new_rate_keeps_the_old_runs_and_new_data_do_not(self, image_address, image_target):
        parts = read_parts(image_target(), QUICK)
        card = fine_tune(image_address(), parts, replace(QUICK, epochs=1), device="cpu").card
        more = replace(QUICK, learning_rates=(1e-3, 5e-3), seeds=(0, 4))
        assert run_key(card, parts, QUICK, 1e-3, 0) == run_key(card, parts, more, 1e-3, 0)
        other = read_parts(image_target(seed=3), QUICK)
        assert run_key(card, parts, QUICK, 1e-3, 0) != run_key(card, other, QUICK, 1e-3, 0)
        assert run_key(card, parts, QUICK, 1e-3, 0) != run_key(card, parts, replace(QUICK, flips=False), 1e-3, 0)

    def test_each_run_starts_from_the_pre_trained_weights(self, image_address, image_target, tmp_path):
        both = replace(QUICK, learning_rates=(1e-2, 1e-3), epochs=1)
        parts = read_parts(image_target(), both)
        second = fine_tune(image_address(), parts, both, device="cpu").trials[1]
        alone = replace(both, learning_rates=(1e-3,))
        only = fine_tune(image_address(), parts, alone, device="cpu", home=tmp_path / "other").trials[0]
        assert second.predictions == only.predictions
        assert second.best.train_loss == only.best.train_loss


CHILD = """
import os, signal, sys
sys.path[:0] = [{folder!r}]
from tiny_world import INTERRUPTED, colour_target
from hubscout.evaluation.finetune import loop
from hubscout.evaluation.finetune.data import read_parts
from hubscout.evaluation.finetune.fine_tuning import fine_tune

step, count = loop.Session._step, [0]
def counted(self, inputs, targets):
    count[0] += 1
    if count[0] == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, inputs, targets)
loop.Session._step = counted
fine_tune({address!r}, read_parts(colour_target(), INTERRUPTED), INTERRUPTED, device="cpu", home={home!r})
"""


class TestKilled:
    def test_a_run_that_was_killed_ends_with_the_same_weights(self, image_address, tmp_path, monkeypatch):
        """48 training pictures make 6 steps an epoch: the kill comes in the second of four epochs."""
        address, home = image_address(dropout=0.3), tmp_path / "killed"
        code = CHILD.format(folder=str(Path(__file__).parent), address=address, home=str(home))
        killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(list(home.rglob("checkpoint-*.pt"))) == 1

        weights, n_epochs = [], []
        finish, run_epoch = Session.finish, Session.run_epoch
        monkeypatch.setattr(Session, "run_epoch", lambda self: (n_epochs.append(1), run_epoch(self))[1])
        monkeypatch.setattr(
            Session,
            "finish",
            lambda self: (finish(self), weights.append({k: v.clone() for k, v in self.network.state_dict().items()}))[
                0
            ],
        )
        parts = read_parts(colour_target(), INTERRUPTED)
        resumed = fine_tune(address, parts, INTERRUPTED, device="cpu", home=home).trials[0]
        assert len(n_epochs) == 3
        whole = fine_tune(address, parts, INTERRUPTED, device="cpu", home=tmp_path / "whole").trials[0]
        assert len(n_epochs) == 7
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
        assert [replace(epoch, seconds=0) for epoch in resumed.epochs] == [
            replace(epoch, seconds=0) for epoch in whole.epochs
        ]
        assert (resumed.predictions, resumed.best_epoch) == (whole.predictions, whole.best_epoch)
        assert not list(tmp_path.rglob("*.pt"))


class TestCheckpoints:
    def test_round_trip_and_replacement(self, tmp_path):
        folder = RunFolder(tmp_path / "run")
        assert folder.load() is None
        for number in (1, 2):
            folder.save({"weights": torch.full((3,), float(number))}, {"epochs": [number]})
        state, facts = folder.load()
        assert state["weights"].tolist() == [2.0, 2.0, 2.0]
        assert facts["epochs"] == [2]
        assert len(list((tmp_path / "run").glob("*.pt"))) == 1

    def test_a_damaged_checkpoint_is_not_used(self, tmp_path):
        folder = RunFolder(tmp_path / "run")
        folder.save({"weights": torch.ones(300)}, {"epochs": []})
        (file,) = (tmp_path / "run").glob("*.pt")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
        assert folder.load() is None

    def test_a_crash_before_the_record_leaves_the_old_checkpoint(self, tmp_path, monkeypatch):
        folder = RunFolder(tmp_path / "run")
        folder.save({"weights": torch.zeros(3)}, {"epochs": []})

        def crash(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("hubscout.evaluation.finetune.checkpoints.write_record", crash)
        with pytest.raises(KeyboardInterrupt):
            folder.save({"weights": torch.ones(3)}, {"epochs": []})
        assert folder.load()[0]["weights"].tolist() == [0.0, 0.0, 0.0]

    def test_nothing_in_a_checkpoint_runs(self, tmp_path):
        folder = RunFolder(tmp_path / "run")

        class Evil:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "ran",))

        folder.save({"weights": Evil()}, {"epochs": []})
        assert folder.load() is None
        assert not (tmp_path / "ran").exists()
