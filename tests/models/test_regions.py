from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hubscout.models import regions
from hubscout.models.regions import pool_boxes, sample_points, tokens_to_map

SHARES = st.floats(0, 1, width=32)


def _ramp(d=1, h=6, w=9):
    """A map whose values are the positions of its cells, in cells: first across, then down."""
    across = np.broadcast_to(np.arange(w) + 0.5, (h, w))
    down = np.broadcast_to((np.arange(h) + 0.5)[:, None], (h, w))
    return np.stack([across, down] * d)[None].astype(np.float32)


def _noise(seed, b=3, d=5, h=7, w=10):
    return np.random.default_rng(seed).normal(size=(b, d, h, w)).astype(np.float32)


def _boxes(rng, k):
    ends = np.sort(rng.random((k, 2, 2)), axis=1)
    return ends.reshape(k, 4)  # left, top, right, bottom


def _read(one_map, y, x):
    """Bilinear interpolation of one value a feature, by the four cells around a position."""
    h, w = one_map.shape[1:]
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
    v, u = y - top, x - left
    return (
        one_map[:, top, left] * (1 - v) * (1 - u)
        + one_map[:, top, right] * (1 - v) * u
        + one_map[:, bottom, left] * v * (1 - u)
        + one_map[:, bottom, right] * v * u
    )


def _naive(maps, boxes, counts):
    """RoIAlign as the paper draws it: bins, 2 x 2 samples in each, a mean over both."""
    rows, place = [], 0
    for i, count in enumerate(counts):
        h, w = maps.shape[2:]
        for left, top, right, bottom in boxes[place : place + count]:
            x0, y0 = left * w - 0.5, top * h - 0.5
            bin_w, bin_h = (right - left) * w / 7, (bottom - top) * h / 7
            bins = [
                np.mean(
                    [
                        _read(maps[i], y0 + (p + a) * bin_h, x0 + (q + b) * bin_w)
                        for a in (0.25, 0.75)
                        for b in (0.25, 0.75)
                    ],
                    axis=0,
                )
                for p in range(7)
                for q in range(7)
            ]
            rows.append(np.mean(bins, axis=0))
        place += count
    return np.array(rows)


def _torchvision(maps, boxes, counts):
    """torchvision's own RoIAlign in plain Python, since its compiled operators do not load beside a CPU torch."""
    import inspect

    pytest.importorskip("torchvision")
    from torchvision.ops import roi_align as _  # noqa: F401 - loads the module of the same name

    plain = inspect.unwrap(__import__("sys").modules["torchvision.ops.roi_align"]._roi_align)
    image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    h, w = maps.shape[2:]
    rois = torch.cat([image[:, None], torch.from_numpy(boxes) * torch.tensor([w, h, w, h])], dim=1).float()
    return plain(torch.from_numpy(maps), rois, 1.0, 7, 7, 2, True).mean((2, 3)).numpy()


class TestPoolBoxes:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("counts", [[1, 2, 3], [0, 4, 0], [2, 0, 1]])
    def test_equals_torchvision_s_and_the_definition(self, seed, counts):
        maps, boxes = _noise(seed), _boxes(np.random.default_rng(seed), sum(counts))
        pooled = pool_boxes(maps, boxes, counts)
        np.testing.assert_allclose(pooled, _torchvision(maps, boxes, counts), atol=1e-5)
        np.testing.assert_allclose(pooled, _naive(maps, boxes, counts), atol=1e-5)

    def test_equals_torchvision_s_on_a_wide_map_and_at_the_border(self):
        maps = _noise(1, b=1, h=4, w=50)
        boxes = np.array([[0, 0, 1, 1], [0.99, 0, 1, 1], [0, 0, 0.01, 0.01], [0.2, 0.1, 0.9, 1]], dtype=float)
        np.testing.assert_allclose(pool_boxes(maps, boxes, [4]), _torchvision(maps, boxes, [4]), atol=1e-5)

    @pytest.mark.parametrize("channels_last", [False, True])
    def test_tensors_give_what_arrays_give(self, channels_last):
        maps, boxes = _noise(2), _boxes(np.random.default_rng(2), 6)
        tensor = torch.from_numpy(maps)
        if channels_last:
            tensor = tensor.to(memory_format=torch.channels_last)
        pooled = pool_boxes(tensor, boxes, [1, 0, 5])
        assert isinstance(pooled, torch.Tensor)
        np.testing.assert_allclose(pooled.numpy(), pool_boxes(maps, boxes, [1, 0, 5]), atol=1e-6)

    def test_a_box_over_the_whole_of_a_constant_map_gives_the_constant(self):
        pooled = pool_boxes(np.full((1, 2, 5, 3), 7.25), np.array([[0.0, 0.0, 1.0, 1.0]]), [1])
        np.testing.assert_allclose(pooled, [[7.25, 7.25]], rtol=1e-6)
        assert pooled.dtype == np.float32

    @given(SHARES, SHARES, SHARES, SHARES)
    def test_a_box_on_a_map_of_positions_gives_its_middle(self, left, right, top, bottom):
        # Away from the outer half cells, where the map is flat, interpolation of a linear map is exact.
        h, w = 6, 9
        left, right = sorted(0.5 / w + s * (1 - 1 / w) for s in (left, right))
        top, bottom = sorted(0.5 / h + s * (1 - 1 / h) for s in (top, bottom))
        pooled = pool_boxes(_ramp(h=h, w=w), np.array([[left, top, right, bottom]]), [1])
        np.testing.assert_allclose(pooled[0], [w * (left + right) / 2, h * (top + bottom) / 2], rtol=1e-5)

    def test_a_box_of_whole_cells_is_a_crop(self):
        # 7 x 7 cells: each bin is one cell, and inside the map its mean over a linear run is the cell's value.
        maps = _ramp(h=21, w=21)
        pooled = pool_boxes(maps, np.array([[7 / 21, 7 / 21, 14 / 21, 14 / 21]]), [1])
        np.testing.assert_allclose(pooled[0], maps[0, :, 7:14, 7:14].mean((1, 2)), rtol=1e-6)

    def test_half_precision_maps_are_pooled_in_single(self):
        maps = _noise(3).astype(np.float16)
        pooled = pool_boxes(maps, _boxes(np.random.default_rng(0), 3), [1, 1, 1])
        assert pooled.dtype == np.float32

    def test_the_compiled_operator_is_used_where_it_runs(self, monkeypatch):
        """No build of torchvision for a CPU torch is at hand, so its plain form stands for the compiled one."""
        maps, boxes = _noise(4), _boxes(np.random.default_rng(4), 4)
        calls = []

        def operator(given, rois, scale, height, width, ratio, aligned):
            calls.append((scale, height, width, ratio, aligned))
            rows = rois.numpy()
            h, w = given.shape[2:]
            shares = rows[:, 1:] / np.array([w, h, w, h])
            counts = np.bincount(rows[:, 0].astype(int), minlength=len(given)).tolist()
            pooled = torch.from_numpy(_torchvision(given.numpy(), shares, counts))
            return pooled[:, :, None, None].expand(-1, -1, 7, 7)

        monkeypatch.setattr(regions, "_compiled_operator", lambda _: operator)
        pooled = pool_boxes(torch.from_numpy(maps), boxes, [2, 0, 2])
        assert calls == [(1.0, 7, 7, 2, True)]
        np.testing.assert_allclose(pooled.numpy(), pool_boxes(maps, boxes, [2, 0, 2]), atol=1e-5)

    def test_an_operator_that_is_only_a_name_is_not_used(self):
        regions._compiled_operator.cache_clear()
        operator = regions._compiled_operator("cpu")
        assert operator is None or operator(torch.ones(1, 1, 2, 2), torch.zeros(1, 5), 1.0, 7, 7, 2, True).shape[0] == 1


class TestSamplePoints:
    @given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(sum))
    def test_equals_torch_s_grid_sample(self, seed, counts):
        maps, points = _noise(seed), np.random.default_rng(seed).random((sum(counts), 2))
        image = np.repeat(np.arange(3), counts)
        grid = torch.from_numpy(2 * points - 1).float()[:, None, None, :]
        expected = torch.nn.functional.grid_sample(
            torch.from_numpy(maps[image]), grid, align_corners=False, padding_mode="border"
        )[:, :, 0, 0]
        np.testing.assert_allclose(sample_points(maps, points, counts), expected.numpy(), atol=1e-5)
        tensor = torch.from_numpy(maps).to(memory_format=torch.channels_last)
        np.testing.assert_allclose(sample_points(tensor, points, counts).numpy(), expected.numpy(), atol=1e-5)

    def test_the_middle_of_a_cell_is_its_value(self):
        maps = _noise(5, b=1)
        points = np.array([[(x + 0.5) / 10, (y + 0.5) / 7] for y in range(7) for x in range(10)])
        np.testing.assert_allclose(sample_points(maps, points, [70]), maps[0].reshape(5, 70).T, atol=1e-6)

    def test_corners_are_the_outer_cells(self):
        maps = _noise(6, b=1)
        read = sample_points(maps, np.array([[0.0, 0.0], [1.0, 1.0]]), [2])
        np.testing.assert_allclose(read, np.stack([maps[0, :, 0, 0], maps[0, :, -1, -1]]), rtol=1e-6)


class TestTokensToMap:
    @pytest.mark.parametrize("library", [np, torch])
    def test_lays_patches_out_row_by_row_without_the_prefix(self, library):
        tokens = library.arange(2 * 8 * 3).reshape(2, 8, 3)
        laid = tokens_to_map(tokens, 2, 3)
        assert tuple(laid.shape) == (2, 3, 2, 3)
        for row in range(2):
            for column in range(3):
                np.testing.assert_array_equal(laid[:, :, row, column], tokens[:, 2 + 3 * row + column])
