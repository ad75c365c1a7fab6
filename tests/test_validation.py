from __future__ import annotations

import numpy as np
import pytest

from hubscout._label_validation import (
    check_boxes,
    check_class_labels,
    check_groups,
    check_label_matrix,
    check_target_values,
    label_array,
    split_detection_labels,
)
from hubscout._validation import (
    check_choice,
    check_features,
    check_finite,
    check_flag,
    check_length,
    check_magnitude,
    check_number,
    check_positive_int,
    check_source_probs,
)
from hubscout.errors import DataError, UsageError


def message(error: type[Exception], function, *args, **options) -> str:
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


class TestOptions:
    def test_choice(self) -> None:
        check_choice("task", "a", ("a", None))
        assert message(UsageError, check_choice, "task", "b", ("a", None)) == "task must be one of 'a', None, got 'b'"

    @pytest.mark.parametrize("value", [1, 7, np.int64(3)])
    def test_positive_int(self, value) -> None:
        found = check_positive_int("k", value)
        assert type(found) is int

    @pytest.mark.parametrize(("value", "shown"), [(0, "0"), (-2, "-2"), (1.0, "1.0"), (True, "True"), ("1", "'1'")])
    def test_no_positive_int(self, value, shown: str) -> None:
        expected = f"k must be a whole number of at least 1, got {shown}"
        assert message(UsageError, check_positive_int, "k", value) == expected

    def test_flag(self) -> None:
        check_flag("center", True)
        check_flag("center", np.False_)
        assert message(UsageError, check_flag, "center", 0) == "center must be True or False, got 0"

    @pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(1), np.int8(1)])
    def test_number(self, value) -> None:
        assert check_number("r", value, above=0, inclusive=True, at_most=1) == value

    @pytest.mark.parametrize(
        ("value", "inclusive", "at_most", "rule"),
        [
            (0, False, 1, "above 0 and at most 1, got 0"),
            (1.5, False, 1, "above 0 and at most 1, got 1.5"),
            (-1, True, np.inf, "at least 0, got -1"),
            (np.inf, True, np.inf, "at least 0, got inf"),
            (float("nan"), True, np.inf, "at least 0, got nan"),
            (10**400, True, np.inf, f"at least 0, got {10**400}"),
            ("2", True, np.inf, "at least 0, got '2'"),
            (True, True, np.inf, "at least 0, got True"),
            (None, True, np.inf, "at least 0, got None"),
        ],
    )
    def test_no_number(self, value, inclusive: bool, at_most: float, rule: str) -> None:
        found = message(UsageError, check_number, "r", value, above=0, inclusive=inclusive, at_most=at_most)
        assert found == f"r must be a finite number {rule}"


class TestFeatures:
    def test_arrays_are_not_copied(self) -> None:
        array = np.ones((3, 2), np.float16)
        assert check_features(array) is array

    def test_lists_and_frames_become_arrays(self) -> None:
        import pandas as pd

        for given in ([[1, 2], [3, 4]], pd.DataFrame({"a": [1, 3], "b": [2, 4]})):
            found = check_features(given)
            assert type(found) is np.ndarray
            assert found.tolist() == [[1, 2], [3, 4]]

    @pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
    def test_matrices_become_arrays(self) -> None:
        assert type(check_features(np.matrix([[1, 2], [3, 4]]))) is np.ndarray

    def test_complex_tensors(self) -> None:
        import torch

        text = "features must be real numbers, got an array of torch.complex64; convert it to float32 first"
        assert message(DataError, check_features, torch.ones((3, 2), dtype=torch.complex64)) == text

    def test_length(self) -> None:
        check_length("labels", 3, 3)
        expected = "labels must hold one row a sample, got 2 rows for 3 samples"
        assert message(DataError, check_length, "labels", 2, 3) == expected


class TestFinite:
    def test_returns_the_sum_of_squares(self) -> None:
        assert check_finite(np.array([[1.0, -2.0]]), 0) == 5.0
        assert check_finite(np.zeros((2, 2)), 0) == 0.0

    @pytest.mark.parametrize("size", [1e200, 1e-200, 1e-320])
    def test_squares_beyond_the_range_are_still_told_from_zero(self, size: float) -> None:
        found = check_finite(np.array([[0.0, size]]), 0)
        assert np.isfinite(found)
        assert found > 0

    def test_rows_are_counted_from_the_first_of_the_chunk(self) -> None:
        text = message(DataError, check_finite, np.array([[0.0, 1.0], [0.0, np.nan]]), 40, "source_probs")
        assert text.startswith("source_probs must be finite: row 41, column 1 is nan")

    def test_huge_float32_values_are_finite(self) -> None:
        assert check_finite(np.full((2, 2), 3e38, np.float32), 0) > 0

    @pytest.mark.parametrize("size", [0.0, 1e-60, 1.0, 1e60])
    def test_usual_magnitudes(self, size: float) -> None:
        check_magnitude("features", size)

    @pytest.mark.parametrize(("size", "side"), [(1e61, "above"), (1e-61, "below")])
    def test_extreme_magnitudes(self, size: float, side: str) -> None:
        expected = f"labels must have a root mean square within 1e-60 to 1e60, and theirs is {side}; rescale them"
        assert message(DataError, check_magnitude, "labels", size) == expected


class TestLabels:
    @pytest.mark.parametrize(
        ("given", "kind"),
        [([1, 2], "i"), (["a", "b"], "U"), ([True, False], "b"), ([0.5, 1], "f"), (["a", 1], "O"), (["a", None], "O")],
    )
    def test_lists_keep_what_differs(self, given, kind: str) -> None:
        found = label_array(given)
        assert found.dtype.kind == kind
        assert found.tolist() == given

    def test_arrays_of_words_stay(self) -> None:
        array = np.array(["a", "b"])
        assert label_array(array) is array

    @pytest.mark.parametrize(
        ("labels", "classes"),
        [
            (["b", "a", "b"], ["a", "b"]),
            ([7, -3, 7], [-3, 7]),
            ([True, False, True], [False, True]),
            ([0.5, 0.25, 0.5], [0.25, 0.5]),
            ([[2], [1], [2]], [1, 2]),
            (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
        ],
    )
    def test_classes_of_any_kind(self, labels, classes) -> None:
        found, codes = check_class_labels(label_array(labels))
        assert found.tolist() == classes
        assert codes.tolist() == [1, 0, 1]

    def test_targets(self) -> None:
        assert check_target_values(np.array([1, 2, 4])).tolist() == [[1.0], [2.0], [4.0]]
        assert check_target_values(np.array([True, False])).dtype == np.float64


class TestSourceProbs:
    def test_rounding_of_float16_passes(self) -> None:
        probs = np.random.default_rng(0).dirichlet(np.ones(1000), 5).astype(np.float16)
        assert check_source_probs(probs) is probs

    @pytest.mark.parametrize(
        ("row", "shown"), [([0.5, 0.4], "0.9"), ([1.5, -0.5], "1"), ([np.nan, 1.0], "nan"), ([np.inf, 0.0], "inf")]
    )
    def test_rows_that_are_no_distribution(self, row, shown: str) -> None:
        expected = (
            "source_probs must be non-negative and sum to 1 in each row: "
            f"row 1 sums to {shown}; apply a softmax to logits first"
        )
        assert message(DataError, check_source_probs, np.array([[0.5, 0.5], row])) == expected


class TestLabelMatrix:
    @pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, object])
    def test_good(self, dtype) -> None:
        given = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
        found = check_label_matrix(given)
        assert found.dtype == np.float64
        assert found.tolist() == [[0, 1], [1, 0], [1, 1]]

    @pytest.mark.parametrize(
        ("labels", "text"),
        [
            (np.zeros(3), "labels must have shape (n_samples, n_labels) for multilabel, got (3,)"),
            (np.zeros((3, 0)), "labels must have shape (n_samples, n_labels) for multilabel, got (3, 0)"),
            ([[0, 1], [1, 2]], "labels must be 0 or 1 for multilabel: row 1, column 1 is 2"),
            ([[0, 1], [1, np.nan]], "labels must be 0 or 1 for multilabel: row 1, column 1 is nan"),
            ([[0, 1], [1, -0.5]], "labels must be 0 or 1 for multilabel: row 1, column 1 is -0.5"),
            (
                [["cat", "dog"]],
                "labels must be 0 or 1 for multilabel, got an array of <U3; give one column a label",
            ),
            (
                [[0, 1], [1, 1]],
                (
                    "labels must be given to some samples and not to others: column 1 is 1 in all rows; leave that "
                    "label out"
                ),
            ),
        ],
    )
    def test_bad(self, labels, text: str) -> None:
        assert message(DataError, check_label_matrix, np.array(labels)) == text


class TestDetectionLabels:
    BOXES = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.1, 0.9, 1.0], [0.5, 0.5, 0.6, 0.7]])

    @pytest.mark.parametrize("kind", [tuple, list])
    def test_a_pair(self, kind) -> None:
        classes, boxes = split_detection_labels(kind([["cat", "dog", "cat"], self.BOXES]))
        assert classes.tolist() == ["cat", "dog", "cat"]
        np.testing.assert_array_equal(boxes, self.BOXES)

    def test_two_boxes_of_a_table_are_no_pair(self) -> None:
        classes, boxes = split_detection_labels([[1, 0, 0, 1, 1], [2, 0, 0, 0.5, 1]])
        assert classes.tolist() == [1, 2]
        assert boxes.shape == (2, 4)

    def test_a_table_with_names(self) -> None:
        classes, boxes = split_detection_labels([["cat", 0.1, 0.2, 0.3, 0.4], ["dog", 0.0, 0.1, 0.9, 1.0]])
        assert classes.tolist() == ["cat", "dog"]
        np.testing.assert_array_equal(check_boxes(boxes), self.BOXES[:2])

    @pytest.mark.parametrize(
        ("labels", "text"),
        [
            (
                ["cat", "dog"],
                (
                    "labels must be a pair of classes (n_boxes,) and boxes (n_boxes, 4), or an array (n_boxes, 5), for "
                    "detection, got (2,)"
                ),
            ),
            (
                (["cat", "dog"], np.zeros((3, 4))),
                (
                    "labels must hold one class and four coordinates a box for detection, got classes of shape (2,) "
                    "and boxes of shape (3, 4)"
                ),
            ),
            (
                (["cat", "dog"], np.zeros((2, 5))),
                (
                    "labels must hold one class and four coordinates a box for detection, got classes of shape (2,) "
                    "and boxes of shape (2, 5)"
                ),
            ),
        ],
    )
    def test_bad_forms(self, labels, text: str) -> None:
        assert message(DataError, split_detection_labels, labels) == text

    @pytest.mark.parametrize(
        ("boxes", "text"),
        [
            (BOXES.astype(str).astype(object) + "px", "boxes must be numbers, got an array of object"),
            (np.where(BOXES == 0.9, np.nan, BOXES), "boxes must be finite: row 1, coordinate 2 is nan"),
            (
                np.tile(BOXES[:1], (3, 1)),
                "boxes must vary: coordinate 0 is 0.1 in all rows; give task='classification' and the classes alone",
            ),
            (
                1e200 * BOXES,
                "boxes must have a root mean square within 1e-60 to 1e60, and theirs is above; rescale them",
            ),
        ],
    )
    def test_bad_boxes(self, boxes, text: str) -> None:
        assert message(DataError, check_boxes, boxes) == text


class TestGroups:
    @pytest.mark.parametrize("given", [["b", "a", "b"], [7, 3, 7], np.array([1.5, -1, 1.5]), (True, False, True)])
    def test_codes_from_zero(self, given) -> None:
        assert check_groups(given).tolist() == [1, 0, 1]

    @pytest.mark.parametrize(
        ("groups", "text"),
        [
            ([[1], [2]], "groups must have shape (n_samples,), got (2, 1)"),
            (5, "groups must have shape (n_samples,), got the single value 5"),
            ([[1], [2, 3]], "groups must have rows of one length, got rows of different lengths"),
            (["a", None], "groups must not be missing: row 1 is None"),
            (["a", 3], "groups must be of one kind, got a mixture of int, str; convert them to strings"),
        ],
    )
    def test_bad(self, groups, text: str) -> None:
        assert message(DataError, check_groups, groups) == text
