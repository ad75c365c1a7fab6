from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from feature_fakes import FakeEncoder

from hubscout.errors import CandidateError
from hubscout.features.checks import BatchChecker, largest_difference
from hubscout.models.card import EncodedBatch

CARD = FakeEncoder(width=3, classes=2).card
ROWS = [7, 8]


def check(features: Any, logits: Any = None, **options: Any) -> tuple[Any, Any]:
    checker = BatchChecker(CARD, lambda row: f"s\n{row}", options.pop("dtype", "float32"), **options)
    return checker.check(EncodedBatch(features, logits), ROWS)


def changed(value: float, dtype: Any = np.float32) -> np.ndarray:
    features = np.zeros((2, 3), dtype)
    features[1, 2] = value
    return features


class TestBatchChecker:
    def test_good_features_come_back_in_the_stored_precision(self):
        features, logits = check(np.ones((2, 3), np.float64), np.ones((2, 2), np.float32))
        assert features.dtype == logits.dtype == np.float32
        features, logits = check(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32), dtype="float16")
        assert (features.dtype, logits.dtype) == (np.float16, np.float32)

    @pytest.mark.parametrize(
        ("features", "text"),
        [
            (
                np.ones((2, 4)),
                (
                    "candidate 'bundled:fake' returned features of width 4 at sample 's\\n7' where its card promises "
                    "3; "
                    "leave the candidate out or mend its adapter"
                ),
            ),
            (
                np.ones((3, 3)),
                (
                    "candidate 'bundled:fake' returned 3 rows of features for the 2 samples that begin at 's\\n7'; "
                    "leave "
                    "the candidate out or mend its adapter"
                ),
            ),
            (
                np.ones((2, 3, 1)),
                (
                    "candidate 'bundled:fake' must return features as a matrix of real numbers, got shape (2, 3, 1) "
                    "and "
                    "dtype float64 at sample 's\\n7'; leave the candidate out or mend its adapter"
                ),
            ),
            (
                np.array([[None, 1, 2]] * 2),
                (
                    "candidate 'bundled:fake' must return features as a matrix of real numbers, got shape (2, 3) and "
                    "dtype object at sample 's\\n7'; leave the candidate out or mend its adapter"
                ),
            ),
            (
                changed(np.nan),
                (
                    "candidate 'bundled:fake' returned nan in column 2 of the features of sample 's\\n8'; leave the "
                    "candidate out or mend its adapter"
                ),
            ),
            (
                changed(-np.inf),
                (
                    "candidate 'bundled:fake' returned -inf in column 2 of the features of sample 's\\n8'; leave the "
                    "candidate out or mend its adapter"
                ),
            ),
            (
                changed(1e300, np.float64),
                (
                    "candidate 'bundled:fake' returned 1e+300 in column 2 of the features of sample 's\\n8', beyond "
                    "the "
                    "largest float32, 3.40282e+38; extract with dtype='float32', or leave the candidate out"
                ),
            ),
        ],
    )
    def test_bad_features_are_one_sentence(self, features, text):
        with pytest.raises(CandidateError) as caught:
            check(features)
        assert str(caught.value) == text

    def test_float16_overflow_is_one_sentence(self):
        with pytest.raises(CandidateError) as caught:
            check(changed(70_000), dtype="float16")
        assert str(caught.value) == (
            "candidate 'bundled:fake' returned 70000 in column 2 of the features of sample 's\\n8', beyond the largest "
            "float16, 65504; extract with dtype='float32', or leave the candidate out"
        )
        assert check(changed(65_504), dtype="float16")[0][1, 2] == 65_504

    def test_nan_logits_are_named(self):
        with pytest.raises(CandidateError, match="returned nan in column 0 of the logits of sample"):
            check(np.zeros((2, 3)), np.array([[0, 0], [np.nan, 0]]))

    def test_logits_keep_their_width(self):
        checker = BatchChecker(CARD, str, "float32")
        checker.check(EncodedBatch(np.zeros((2, 3)), np.zeros((2, 5))), ROWS)
        with pytest.raises(CandidateError) as caught:
            checker.check(EncodedBatch(np.zeros((2, 3)), np.zeros((2, 4))), ROWS)
        assert str(caught.value) == (
            "candidate 'bundled:fake' returned logits of width 4 at sample '7' where earlier batches had width 5; "
            "leave the candidate out or mend its adapter"
        )
        with pytest.raises(CandidateError, match=r"logits of width None .* had width 5"):
            checker.check(EncodedBatch(np.zeros((2, 3))), ROWS)

    def test_logits_of_stored_rows_fix_the_width(self):
        with pytest.raises(CandidateError, match=r"logits of width 2 .* had width None"):
            check(np.zeros((2, 3)), np.zeros((2, 2)), logits_width=None)


class TestLargestDifference:
    def test_rounding_is_agreement(self):
        a = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
        assert largest_difference(a, a) is None
        assert largest_difference(a, a * np.float32(1 + 1e-6)) is None
        assert largest_difference(np.zeros((2, 2)), np.zeros((2, 2))) is None
        assert largest_difference(a.astype(np.float16), (a * 1.001).astype(np.float16)) is None

    def test_dropout_is_not(self):
        a = np.array([[1.0, 2.0]])
        assert largest_difference(a, np.array([[1.0, 0.0]])) == 1.0
        assert largest_difference(np.zeros((1, 1)), np.ones((1, 1))) == 1.0
