"""The linear probe, against scikit-learn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from tiny_world import Listed

from hubscout.data.task import Target, Task
from hubscout.errors import CandidateError
from hubscout.evaluation.finetune.data import read_parts
from hubscout.evaluation.finetune.probe import PENALTIES, linear_probe
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.models import load_encoder

RECIPE = Recipe(method="linear-probe")


def standardised(parts, rows):
    """Features of all parts, by rows of the whole target, at mean 0 and deviation 1 over the training part."""
    train = rows[parts.train.rows]
    return (rows - train.mean(axis=0)) / train.std(axis=0)


class TestAgainstSklearn:
    def test_classes(self, tmp_path):
        rng = np.random.default_rng(0)
        labels = np.arange(120) % 3
        features = (rng.standard_normal((120, 6)) + np.eye(3, 6)[labels]).astype(np.float32)
        np.savez(tmp_path / "t.npz", labels=labels)
        np.savez(tmp_path / "f.npz", features=features, labels=labels)
        parts = read_parts(str(tmp_path / "t.npz"), RECIPE)
        found = linear_probe(f"features:{tmp_path}/f.npz", parts, RECIPE)
        x = standardised(parts, features.astype(np.float64))
        values = []
        for run, penalty in zip(found.trials, PENALTIES, strict=True):
            model = LogisticRegression(C=penalty, max_iter=2000).fit(x[parts.train.rows], parts.train.labels)
            values.append(model.score(x[parts.validation.rows], parts.validation.labels))
            assert run.best.validation == pytest.approx(values[-1])
            assert run.predictions == tuple(model.predict(x[parts.test.rows]))
        assert found.chosen[0].best.validation == max(values)

    def test_values(self, tmp_path):
        rng = np.random.default_rng(0)
        features = rng.standard_normal((80, 5))
        y = features @ rng.standard_normal(5) * 30 + 100 + rng.standard_normal(80)
        np.savez(tmp_path / "t.npz", labels=y)
        np.savez(tmp_path / "f.npz", features=features.astype(np.float32), labels=y)
        parts = read_parts(str(tmp_path / "t.npz"), RECIPE)
        found = linear_probe(f"features:{tmp_path}/f.npz", parts, RECIPE)
        x = standardised(parts, features.astype(np.float32).astype(np.float64))
        train = parts.train.labels
        for run, penalty in zip(found.trials, PENALTIES, strict=True):
            model = Ridge(alpha=1 / penalty).fit(x[parts.train.rows], (train - train.mean()) / train.std())
            expected = model.predict(x[parts.test.rows]) * train.std() + train.mean()
            np.testing.assert_allclose(run.predicted, expected, rtol=1e-8)

    def test_features_of_an_encoder_and_of_a_test_split(self, image_address, image_target):
        address = image_address()
        parts = read_parts(image_target(60), RECIPE, test=image_target(30, seed=1))
        found = linear_probe(address, parts, RECIPE, device="cpu")
        encoder = load_encoder(address, device="cpu")
        rows = [
            encoder.encode([encoder.prepare(part.samples[i]) for i in range(len(part))]).features.astype(np.float64)
            for part in (parts.train, parts.test)
        ]
        mean, spread = rows[0].mean(axis=0), rows[0].std(axis=0)
        best = found.chosen[0]
        model = LogisticRegression(C=best.setting, max_iter=2000).fit((rows[0] - mean) / spread, parts.train.labels)
        expected = model.predict((rows[1] - mean) / spread)
        assert np.mean(best.predicted == expected) > 0.95  # rounding of batches may turn a sample on the border
        assert found.card.address == address


class TestRefusals:
    def test_features_of_one_split_for_a_target_with_two(self, tmp_path):
        rng = np.random.default_rng(0)
        labels = np.arange(40) % 2
        np.savez(tmp_path / "f.npz", features=rng.standard_normal((40, 3)).astype(np.float32), labels=labels)
        task = Task("t", "classification", "features", ("a", "b"))
        texts = Listed([str(number) for number in range(40)])
        target = Target(task, texts, labels, "train")
        parts = read_parts(target, RECIPE, test=Target(task, texts, labels, "test"))
        with pytest.raises(CandidateError, match="holds features of one split, and the target has a test split"):
            linear_probe(f"features:{tmp_path}/f.npz", parts, RECIPE)
