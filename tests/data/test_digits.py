import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image

from hubscout.data.digits import TARGET_DIGITS, TRAIN_PER_CLASS, digits_target, load_digit_pixels
from hubscout.errors import UsageError


@pytest.fixture(scope="module")
def train():
    return digits_target("train")


@pytest.fixture(scope="module")
def test():
    return digits_target("test")


class TestSplits:
    def test_the_default_is_the_training_split(self, train):
        target = digits_target()
        assert target.split == "train"
        np.testing.assert_array_equal(target.samples.rows, train.samples.rows)

    def test_train_holds_the_same_number_of_each_class(self, train):
        assert np.bincount(train.labels).tolist() == [TRAIN_PER_CLASS] * len(TARGET_DIGITS)

    def test_the_splits_share_no_image_and_together_are_all_images_of_the_classes(self, train, test):
        rows = np.concatenate([train.samples.rows, test.samples.rows])
        _, digits = load_digit_pixels()
        assert len(np.unique(rows)) == len(rows)
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(np.isin(digits, TARGET_DIGITS)))

    def test_train_is_spread_over_the_file(self, train):
        # Writers follow one another in the file: a split of neighbours would be one of a few writers.
        for code in range(len(TARGET_DIGITS)):
            rows = train.samples.rows[train.labels == code]
            assert rows.min() < 100
            assert rows.max() > 1700
            assert np.diff(rows).max() < 120

    @pytest.mark.parametrize(
        ("split", "n", "digest"), [("train", 240, "502cee1af7a0bbfb"), ("test", 837, "4a171bbf27852529")]
    )
    def test_the_split_is_pinned(self, split, n, digest):
        # The ground truth was measured on exactly these images.
        rows = digits_target(split).samples.rows
        assert len(rows) == n
        assert hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16] == digest

    def test_an_unknown_split_is_refused(self):
        message = "split must be one of train, test for the embedded digits, got 'all': choose one of these."
        with pytest.raises(UsageError) as caught:
            digits_target("all")
        assert str(caught.value) == message


class TestTask:
    def test_names_the_question(self, train, test):
        assert train.task == test.task
        assert train.task.name == "digits 4-9"
        assert train.task.kind == "classification"
        assert train.task.modality == "image"
        assert train.task.label_names == ("4", "5", "6", "7", "8", "9")

    def test_labels_name_the_digit_that_is_shown(self, train, test):
        _, digits = load_digit_pixels()
        for target in (train, test):
            shown = [int(target.task.label_names[code]) for code in target.labels]
            np.testing.assert_array_equal(shown, digits[target.samples.rows])


class TestSamples:
    def test_is_an_rgb_image_of_the_pixels(self, train):
        image = train.samples[3]
        assert isinstance(image, Image.Image)
        assert (image.mode, image.size) == ("RGB", (8, 8))
        pixels, _ = load_digit_pixels()
        expected = pixels[train.samples.rows[3]]
        np.testing.assert_array_equal(np.asarray(image), np.repeat(expected[:, :, None], 3, axis=2))

    def test_pixels_use_the_whole_range(self):
        pixels, digits = load_digit_pixels()
        assert pixels.shape == (1797, 8, 8)
        assert pixels.dtype == np.uint8
        assert len(np.unique(pixels)) == 17
        assert (int(pixels.min()), int(pixels.max())) == (0, 255)
        assert sorted(set(digits.tolist())) == list(range(10))

    def test_content_is_the_pixels(self, train):
        assert train.samples.content(0) == np.asarray(train.samples[0].convert("L")).tobytes()

    def test_name_is_the_place_in_the_data_set(self, train):
        assert train.samples.name(0) == f"digit {train.samples.rows[0]}"

    def test_subset_keeps_the_order_asked_for(self, train):
        part = train.samples.subset(np.array([7, 2]))
        assert len(part) == 2
        assert [part.name(0), part.name(1)] == [train.samples.name(7), train.samples.name(2)]
        assert part.content(1) == train.samples.content(2)

    def test_survives_pickling(self, train):
        copy = pickle.loads(pickle.dumps(train.samples))
        assert len(copy) == len(train.samples)
        assert copy.content(11) == train.samples.content(11)
        assert copy.name(11) == train.samples.name(11)
