from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.mask_points import GRID, DrawnPoints, draw_points


def draw(mask: np.ndarray, n_points: int = 64, seed: int = 0, **options: object) -> tuple[DrawnPoints, DrawnPoints]:
    classes = np.unique(mask).tolist()
    return draw_points(mask, classes, n_points, np.random.default_rng(seed), **options)


def pixels_of(points: DrawnPoints, mask: np.ndarray) -> list[tuple[int, int]]:
    """The row and column of each point, which must be the centre of a pixel that holds its value."""
    height, width = mask.shape
    columns, rows = points.places[:, 0] * width - 0.5, points.places[:, 1] * height - 0.5
    np.testing.assert_allclose(columns, np.rint(columns), atol=1e-9)
    np.testing.assert_allclose(rows, np.rint(rows), atol=1e-9)
    found = [(round(y), round(x)) for y, x in zip(rows.tolist(), columns.tolist(), strict=True)]
    assert [mask[pixel] for pixel in found] == points.values.tolist()
    return found


def cell_of(pixel: tuple[int, int], mask: np.ndarray) -> tuple[int, int]:
    return tuple(at * min(GRID, side) // side for at, side in zip(pixel, mask.shape, strict=True))


class TestOneMask:
    def test_points_follow_areas(self) -> None:
        mask = np.zeros((200, 300), np.uint8)
        mask[:, 150:] = 1
        mask[:50, 150:] = 2
        totals: Counter[int] = Counter()
        for seed in range(20):
            chosen, _ = draw(mask, seed=seed)
            assert len(chosen) == 64
            totals.update(chosen.values.tolist())
        shares = np.array([totals[value] for value in range(3)]) / (20 * 64)
        np.testing.assert_allclose(shares, [0.5, 0.375, 0.125], atol=0.02)

    def test_a_rare_class_gets_its_floor(self) -> None:
        mask = np.zeros((200, 200), np.uint8)
        mask[90:110, 90:110] = 1  # 1 % of all pixels
        for seed in range(20):
            chosen, _ = draw(mask, seed=seed)
            assert 5 <= np.sum(chosen.values == 1) <= 10
            assert len(chosen) == 64

    def test_a_single_pixel_is_found(self) -> None:
        mask = np.zeros((500, 400), np.uint16)
        mask[321, 123] = 1000
        chosen, spare = draw(mask)
        assert pixels_of(chosen, mask).count((321, 123)) == 1
        assert 1000 not in spare.values

    def test_one_point_a_cell_and_class(self) -> None:
        generator = np.random.default_rng(1)
        mask = np.kron(generator.integers(0, 4, (5, 7)), np.ones((13, 11), int))
        for seed in range(10):
            chosen, spare = draw(mask, seed=seed)
            both = [(cell_of(p, mask), mask[p]) for points in (chosen, spare) for p in pixels_of(points, mask)]
            assert len(set(both)) == len(both)

    def test_row_by_row(self) -> None:
        mask = np.random.default_rng(0).integers(0, 3, (40, 30))
        found = pixels_of(draw(mask)[0], mask)
        assert found == sorted(found)

    def test_places_lie_all_over(self) -> None:
        mask = np.zeros((64, 64), np.uint8)
        places = np.concatenate([draw(mask, seed=seed)[0].places for seed in range(40)])
        counts, _, _ = np.histogram2d(places[:, 0], places[:, 1], bins=4, range=[[0, 1], [0, 1]])
        np.testing.assert_allclose(counts, 160, rtol=0.3)

    def test_the_same_seed_draws_the_same(self) -> None:
        mask = np.random.default_rng(0).integers(0, 5, (90, 70))
        first, second, other = draw(mask, seed=3), draw(mask, seed=3), draw(mask, seed=4)
        for one, two in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.places, two.places)
        assert not np.array_equal(first[0].places, other[0].places)

    def test_classes_alone(self) -> None:
        mask = np.array([[255, 1], [2, 255]], np.uint8)
        chosen, _ = draw_points(mask, [1, 2], 64, np.random.default_rng(0))
        assert chosen.values.tolist() == [1, 2]
        assert chosen.places.tolist() == [[0.75, 0.25], [0.25, 0.75]]

    def test_more_classes_than_points(self) -> None:
        mask = np.arange(100).reshape(10, 10)
        chosen, _ = draw(mask, n_points=7)
        assert len(set(chosen.values.tolist())) == len(chosen) == 7

    @pytest.mark.parametrize("shape", [(1, 1), (1, 500), (33, 31), (32, 32), (2, 2)])
    def test_small_masks(self, shape: tuple[int, int]) -> None:
        mask = np.zeros(shape, np.uint8)
        chosen, _ = draw(mask, n_points=5000)
        n_cells = min(shape[0], GRID) * min(shape[1], GRID)
        assert len({cell_of(pixel, mask) for pixel in pixels_of(chosen, mask)}) == len(chosen) == n_cells

    def test_spare_points_are_looked_for_in_all_pixels(self) -> None:
        mask = np.zeros((320, 320), np.uint8)
        mask[105:145, 205:215] = 1  # in 5 x 2 cells of 10 x 10 pixels, by halves
        for seed in range(5):
            chosen, spare = draw(mask, seed=seed, satisfied={0})
            assert int(np.sum(chosen.values == 1)) + len(spare) == 10

    def test_spare_points_of_classes_that_need_them(self) -> None:
        mask = np.zeros((200, 200), np.uint8)
        mask[:20] = 1
        mask[100, 100] = 2
        _, spare = draw(mask, satisfied={0})
        assert set(spare.values.tolist()) == {1}
        assert len(spare) == 64
        assert len(draw(mask, satisfied={0, 1, 2})[1]) == 0

    @given(
        st.tuples(st.integers(1, 70), st.integers(1, 70)),
        st.integers(1, 8),
        st.integers(1, 80),
        st.integers(0, 2**32 - 1),
    )
    def test_any_mask(self, shape: tuple[int, int], n_values: int, n_points: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        mask = generator.integers(0, n_values, shape) * 37
        chosen, spare = draw(mask, n_points, seed)
        pixels = pixels_of(chosen, mask) + pixels_of(spare, mask)
        assert len(set(pixels)) == len(pixels)
        present = set(np.unique(mask).tolist())
        if len(present) <= n_points:
            assert set(chosen.values.tolist()) == present
        assert 1 <= len(chosen) <= n_points
