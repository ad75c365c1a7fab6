"""Plain values for the records."""

from __future__ import annotations

import numpy as np

from hubscout.ranking.entries import finite, source_probabilities


class TestSourceProbabilities:
    def test_softmax_in_double_precision(self):
        logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]], dtype=np.float32)
        found = source_probabilities(logits)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_allclose(found[0, 0], 1 / (1 + np.exp(-1)), rtol=1e-14)

    def test_inputs_stay_as_they_are(self):
        logits = np.array([[1.0, 2.0]])
        logits.flags.writeable = False
        source_probabilities(logits)
        assert logits.tolist() == [[1.0, 2.0]]

    def test_probabilities_are_taken_as_they_are(self):
        assert source_probabilities(None, np.array([[0.25, 0.75]])).tolist() == [[0.25, 0.75]]
        assert source_probabilities(None) is None


def test_finite():
    assert [finite(v) for v in (None, np.nan, np.inf, np.float32(0.5))] == [None, None, None, 0.5]
