from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.models.levels import Level, assign_levels, choose_level


def _levels(*sides, width=8):
    return [Level(k, f"layer {k}", width, side, side) for k, side in enumerate(sides, start=1)]


class TestChooseLevel:
    @pytest.mark.parametrize(
        ("sides", "size", "chosen"),
        [
            ((112, 56, 28, 14, 7), 0.5, 14),  # 7 cells exactly
            ((112, 56, 28, 14, 7), 0.3, 28),  # 8.4 cells are nearer to 7 than 4.2
            ((112, 56, 28, 14, 7), 0.01, 28),  # never from the first half
            ((112, 56, 28, 14, 7), 1.0, 7),
            ((112, 56, 28, 14, 7), None, 14),
            ((56, 28, 14, 7), 0.02, 14),
            ((7,), 0.02, 7),
        ],
    )
    def test_nearest_to_seven_cells_among_the_deeper_half(self, sides, size, chosen):
        levels = _levels(*sides)
        assert levels[choose_level(levels, size)].rows == chosen

    def test_the_last_of_each_resolution(self):
        levels = _levels(14, 14, 14)
        assert choose_level(levels, 0.1) == 2
        assert choose_level(_levels(28, 28, 14, 14, 7, 7), 0.5) == 3

    def test_the_deeper_of_two_equally_near(self):
        # A box of 7 cells' root of 2 more, and of as much less.
        size = 7 * 2**0.5 / 28
        assert choose_level(_levels(28, 14), size) == 1

    def test_a_vector_is_no_level(self):
        levels = [*_levels(28, 14), Level(3, "pool", 8, 1, 1), Level(4, "tokens", 8, 0, 0)]
        assert choose_level(levels, 0.9) == 1
        with pytest.raises(ValueError, match="no level has places"):
            choose_level(levels[2:], 0.5)


def _naive(sides, box, side):
    """Equation 1 of the paper, in levels P_k of stride 2 to the k."""
    root = side * np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    k = np.floor(4 + np.log2(root / 224))
    strides = [np.log2(side / s) for s in sides]
    return int(np.argmin([abs(k - stride) for stride in strides]))


class TestAssignLevels:
    @given(st.floats(0.01, 1), st.floats(0.01, 1), st.sampled_from([256, 512, 1024]))
    def test_the_paper_s_rule(self, wide, high, side):
        sides = [side // 4, side // 8, side // 16, side // 32]
        box = np.array([[0.0, 0.0, wide, high]])
        root = side * np.sqrt(wide * high) / 224
        if abs(np.log2(root) - round(np.log2(root))) > 1e-4:  # at a boundary rounding decides
            assert assign_levels(_levels(*sides), box, side, side).tolist() == [_naive(sides, box[0], side)]

    def test_a_box_of_the_canonical_side_is_read_at_stride_16(self):
        boxes = np.array([[0.0, 0.0, 224 / 512, 224 / 512], [0.0, 0.0, 223 / 512, 223 / 512]])
        assert assign_levels(_levels(128, 64, 32, 16), boxes, 512, 512).tolist() == [2, 1]

    def test_an_empty_box_is_read_at_the_finest(self):
        assert assign_levels(_levels(128, 64), np.array([[0.5, 0.5, 0.5, 0.5]]), 512, 512).tolist() == [0]
