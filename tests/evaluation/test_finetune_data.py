"""Training, validation and test part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_world import Listed, coloured

from hubscout.data.task import Target, Task
from hubscout.errors import DataError, UsageError
from hubscout.evaluation.finetune.data import HELD_OUT, TEST_SPLIT, read_parts
from hubscout.evaluation.finetune.inputs import Inputs, augment, batches
from hubscout.evaluation.finetune.recipe import Recipe

RECIPE = Recipe()


def rows_of(part):
    return set(part.rows.tolist())


class TestDivision:
    def test_without_a_test_split_a_fifth_is_held_out(self, image_target):
        parts = read_parts(image_target(90), RECIPE)
        assert parts.test_origin == HELD_OUT
        assert (len(parts.train), len(parts.validation), len(parts.test)) == (57, 15, 18)
        assert rows_of(parts.train) | rows_of(parts.validation) | rows_of(parts.test) == set(range(90))
        assert "a fifth of it was held out" in parts.notes[-1]

    def test_parts_are_stratified(self, image_target):
        parts = read_parts(image_target(90), RECIPE)
        for part, n in ((parts.train, 19), (parts.validation, 5), (parts.test, 6)):
            assert np.bincount(part.labels).tolist() == [n, n, n]

    def test_a_test_target_is_taken_whole(self, image_target):
        parts = read_parts(image_target(60), RECIPE, test=image_target(33, seed=1))
        assert parts.test_origin == TEST_SPLIT
        assert (len(parts.train), len(parts.validation), len(parts.test)) == (48, 12, 33)

    def test_the_splits_of_a_folder(self, tmp_path):
        pictures, labels = coloured(24)
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            folder = tmp_path / ("test" if index >= 15 else "train") / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"{index}.png")
        parts = read_parts(tmp_path, RECIPE)
        assert parts.test_origin == TEST_SPLIT
        assert (len(parts.train) + len(parts.validation), len(parts.test)) == (15, 9)

    def test_sizes_are_bounds(self, image_target):
        recipe = replace(RECIPE, train_size=30, test_size=9)
        parts = read_parts(image_target(60), recipe, test=image_target(33, seed=1))
        assert (len(parts.train), len(parts.validation), len(parts.test)) == (24, 6, 9)
        everything = replace(RECIPE, train_size=None, test_size=None)
        assert len(read_parts(image_target(60), everything, test=image_target(33, seed=1)).test) == 33

    def test_regression_is_stratified_by_the_rank_of_the_target(self, brightness_target):
        parts = read_parts(brightness_target(100), RECIPE)
        assert abs(np.median(parts.test.labels) - np.median(parts.train.labels)) < 0.1
        assert parts.test.labels.min() < 0.15
        assert parts.test.labels.max() > 0.85

    def test_a_class_with_one_sample_stays_in_training(self):
        pictures, labels = coloured(31)
        labels = np.where(np.arange(31) == 30, 2, labels % 2)
        target = Target(Task("t", "classification", "image", ("a", "b", "rare")), Listed(pictures), labels, "train")
        parts = read_parts(target, RECIPE)
        assert 2 in parts.train.labels
        assert 2 not in parts.test.labels

    def test_test_labels_are_matched_by_name(self, image_target):
        shuffled = image_target(33, seed=1)
        order = ("red", "violet", "blue", "green")
        names = shuffled.task.label_names
        labels = np.array([order.index(names[label]) for label in shuffled.labels])
        labels[:3] = 1
        other = replace(shuffled, task=replace(shuffled.task, label_names=order), labels=labels)
        parts = read_parts(image_target(60), RECIPE, test=other)
        assert np.array_equal(parts.test.labels, shuffled.labels[3:])
        assert "3 test samples are of classes that training does not know, and were left out" in parts.notes

    def test_the_fingerprint_tells_data_labels_and_division_apart(self, image_target):
        first = read_parts(image_target(60), RECIPE).fingerprint
        assert read_parts(image_target(60), RECIPE).fingerprint == first
        assert read_parts(image_target(60, seed=1), RECIPE).fingerprint != first
        assert read_parts(image_target(60), replace(RECIPE, split_seed=1)).fingerprint != first
        changed = image_target(60)
        changed.labels[[0, 1]] = changed.labels[[1, 0]]
        assert read_parts(changed, RECIPE).fingerprint != first


class TestRefusals:
    def test_other_kinds(self, image_target):
        target = image_target()
        several = replace(target, task=replace(target.task, kind="multilabel"), labels=np.eye(3)[target.labels])
        with pytest.raises(UsageError) as caught:
            read_parts(several, RECIPE)
        assert str(caught.value) == (
            "verify fine-tunes on classification and regression, got the multilabel task 'colours'"
        )

    def test_test_samples_of_another_kind(self, image_target, text_target):
        with pytest.raises(UsageError) as caught:
            read_parts(image_target(), RECIPE, test=text_target())
        assert str(caught.value) == (
            "test must hold image samples for classification, as the target does, got text samples for classification"
        )

    def test_too_few_samples(self, image_target):
        with pytest.raises(DataError) as caught:
            read_parts(image_target(6), RECIPE)
        assert str(caught.value) == (
            "fine-tuning needs at least 2 samples in each part, and the validation part of 'colours' would have 0; "
            "give more labelled samples"
        )


class TestInputs:
    def test_each_sample_is_prepared_once(self, image_target):
        part = read_parts(image_target(), RECIPE).train
        seen = []
        inputs = Inputs(part, lambda picture: (seen.append(picture), np.asarray(picture))[1])
        first = inputs.take(np.array([3, 1]))
        again = inputs.take(np.array([1, 3, 1]))
        assert len(seen) == 2
        assert np.array_equal(first[0], again[1])
        assert np.array_equal(first[0], np.asarray(part.samples[3]))

    def test_no_more_is_kept_than_allowed(self, image_target):
        part = read_parts(image_target(), RECIPE).train
        seen = []
        size = np.asarray(part.samples[0]).nbytes
        inputs = Inputs(part, lambda picture: (seen.append(1), np.asarray(picture))[1], kept_bytes=2 * size)
        for _ in range(2):
            inputs.take(np.arange(5))
        assert len(seen) == 5 + 3

    def test_batches_hold_each_row_once_and_are_of_nearly_equal_size(self):
        for n, size in ((33, 32), (64, 32), (7, 10), (100, 9)):
            found = list(batches(n, size, np.random.default_rng(0)))
            assert sorted(np.concatenate(found).tolist()) == list(range(n))
            sizes = {len(batch) for batch in found}
            assert max(sizes) <= size
            assert max(sizes) - min(sizes) <= 1

    def test_augmentation_moves_and_mirrors_by_reflection(self):
        import torch

        images = torch.arange(2 * 1 * 8 * 8, dtype=torch.float32).reshape(2, 1, 8, 8)
        moved = augment(images, replace(RECIPE, flips=False, shifts=0.25), np.random.default_rng(0))
        for before, after in zip(images.numpy(), moved.numpy(), strict=True):
            padded = np.pad(before[0], 2, mode="reflect")
            assert any(
                np.array_equal(after[0], padded[top : top + 8, left : left + 8])
                for top in range(5)
                for left in range(5)
            )
        many = images.repeat(8, 1, 1, 1)
        mirrored = augment(many, replace(RECIPE, flips=True, shifts=0.0), np.random.default_rng(3)).numpy()
        turned = [
            np.array_equal(after, before[:, :, ::-1]) for after, before in zip(mirrored, many.numpy(), strict=True)
        ]
        same = [np.array_equal(after, before) for after, before in zip(mirrored, many.numpy(), strict=True)]
        assert [a != b for a, b in zip(turned, same, strict=True)] == [True] * 16
        assert 0 < sum(turned) < 16
        assert augment(images, replace(RECIPE, flips=False, shifts=0.0), np.random.default_rng(0)) is images
