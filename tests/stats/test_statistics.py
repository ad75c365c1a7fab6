from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hubscout.errors import DataError, UsageError
from hubscout.stats import Statistics, chunks, passes
from hubscout.testing import draw_problem

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((30, 6)) + 1.0
CODES = RNG.permutation(np.arange(30) % 3)
TARGETS = RNG.standard_normal((30, 2))


class TestLabels:
    def test_codes_follow_the_sorted_classes(self) -> None:
        found = Statistics(FEATURES[:4], ["b", "a", "c", "b"])
        assert found.classes.tolist() == ["a", "b", "c"]
        assert found.codes.tolist() == [1, 0, 2, 1]
        assert found.counts.tolist() == [1, 2, 1]
        assert found.priors.tolist() == [0.25, 0.5, 0.25]

    def test_regression_targets_are_a_matrix(self) -> None:
        found = Statistics(FEATURES, list(range(30)), task="regression")
        assert found.targets.shape == (30, 1)
        assert found.n_targets == 1
        with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'regression'"):
            _ = found.codes

    def test_without_labels(self) -> None:
        found = Statistics(FEATURES)
        assert found.n_targets == 0
        assert found.spectrum().n_components == 6
        with pytest.raises(UsageError, match="labels must be given: this score compares features with labels"):
            _ = found.targets

    def test_labels_of_other_libraries(self) -> None:
        import pandas as pd
        import torch

        for labels in (torch.tensor(CODES), pd.Series(CODES), CODES.tolist(), tuple(CODES)):
            np.testing.assert_array_equal(Statistics(FEATURES, labels).codes, CODES)


class TestSeveralLabels:
    LABELS = RNG.random((30, 3)) < [0.5, 0.2, 0.8]

    def test_targets_are_indicators(self) -> None:
        found = Statistics(FEATURES, self.LABELS, task="multilabel")
        np.testing.assert_array_equal(found.targets, self.LABELS.astype(float))
        assert found.n_targets == 3
        np.testing.assert_allclose(found.label_frequencies, self.LABELS.mean(axis=0))

    def test_classes_have_no_frequencies_of_labels_and_labels_no_codes(self) -> None:
        with pytest.raises(UsageError, match="task must be 'multilabel' for frequencies of labels, got 'regression'"):
            _ = Statistics(FEATURES, TARGETS, task="regression").label_frequencies
        with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'multilabel'"):
            _ = Statistics(FEATURES, self.LABELS, task="multilabel").codes


@pytest.mark.parametrize("task", ["token_classification", "segmentation"])
def test_words_and_points_have_classes(task) -> None:
    np.testing.assert_array_equal(Statistics(FEATURES, CODES, task=task).codes, CODES)


class TestDetection:
    BOXES = RNG.random((30, 4))

    def detection(self, **options) -> Statistics:
        return Statistics(FEATURES, (CODES, self.BOXES), task="detection", **options)

    def test_parts_are_a_classification_and_a_regression(self) -> None:
        found = self.detection().parts
        assert list(found) == ["classes", "boxes"]
        np.testing.assert_array_equal(found["classes"].codes, CODES)
        np.testing.assert_array_equal(found["boxes"].targets, self.BOXES)
        for name, plain in (
            ("classes", Statistics(FEATURES, CODES)),
            ("boxes", Statistics(FEATURES, self.BOXES, task="regression")),
        ):
            assert found[name].task == plain.task
            assert found[name].n_targets == plain.n_targets
            for field in ("target_totals", "target_squares", "target_sums", "mean", "scatter"):
                expected = getattr(plain.moments(), field)
                np.testing.assert_allclose(getattr(found[name].moments(), field), expected, atol=1e-10)

    def test_two_passes_serve_both_for_good(self, monkeypatch: pytest.MonkeyPatch) -> None:
        passes_done = []
        plain = Statistics.chunks
        monkeypatch.setattr(Statistics, "chunks", lambda self, **k: passes_done.append(1) or plain(self, **k))
        whole = self.detection()
        for _ in range(3):
            for part in whole.parts.values():
                part.moments()
        assert len(passes_done) == 2
        assert whole.parts["boxes"].spectrum() is whole.parts["classes"].spectrum()

    def test_nothing_holds_the_features_in_a_circle(self) -> None:
        import gc
        import weakref

        gc.collect()
        gc.disable()
        try:
            whole = self.detection()
            for part in whole.parts.values():
                part.moments()
            gone = weakref.ref(whole)
            del whole, part
            assert gone() is None
        finally:
            gc.enable()

    def test_a_table_is_a_pair(self) -> None:
        found = Statistics(FEATURES, np.c_[CODES, self.BOXES], task="detection").parts
        np.testing.assert_array_equal(found["classes"].codes, CODES)
        np.testing.assert_array_equal(found["boxes"].targets, self.BOXES)

    def test_one_class_leaves_the_boxes(self) -> None:
        found = Statistics(FEATURES, (["cat"] * 30, self.BOXES), task="detection")
        assert list(found.parts) == ["boxes"]

    def test_the_whole_has_no_targets(self) -> None:
        text = "task must be 'classification' or 'regression' for this score, got 'detection'"
        with pytest.raises(UsageError, match=text):
            _ = self.detection().targets
        with pytest.raises(UsageError, match="task must be 'classification' for this score, got 'detection'"):
            _ = self.detection().codes

    def test_labels_of_another_library(self) -> None:
        import torch

        found = Statistics(FEATURES, (torch.tensor(CODES), torch.tensor(self.BOXES)), task="detection").parts
        np.testing.assert_array_equal(found["boxes"].targets, self.BOXES)
        table = torch.tensor(np.c_[CODES, self.BOXES])
        found = Statistics(FEATURES, table, task="detection").parts
        np.testing.assert_array_equal(found["boxes"].targets, self.BOXES)

    def test_take(self) -> None:
        rows, groups = np.array([4, 7, 9, 20, 21, 3, 4]), np.arange(30) // 2
        part = self.detection(groups=groups).take(rows)
        np.testing.assert_array_equal(part.parts["boxes"].targets, self.BOXES[rows])
        np.testing.assert_array_equal(part.parts["classes"].codes, CODES[rows])
        np.testing.assert_array_equal(part.groups, np.unique(groups[rows], return_inverse=True)[1])


class TestGroups:
    def test_any_names(self) -> None:
        found = Statistics(FEATURES, CODES, groups=[f"image {i // 5}" for i in range(30)])
        assert np.bincount(found.groups).tolist() == [5] * 6
        assert Statistics(FEATURES, CODES).groups is None

    def test_one_a_sample(self) -> None:
        with pytest.raises(DataError, match="groups must hold one row a sample, got 4 rows for 30 samples"):
            Statistics(FEATURES, CODES, groups=[1, 2, 3, 4])

    def test_beside_statistics_they_are_refused(self) -> None:
        text = "groups belong to the prepared Statistics; give either Statistics or arrays"
        with pytest.raises(UsageError, match=text):
            Statistics.of(Statistics(FEATURES, CODES), groups=CODES)


def test_standardised_targets() -> None:
    statistics = Statistics(FEATURES, TARGETS * [1, 100] + 5, task="regression")
    found = statistics.standardised()
    expected = (TARGETS - TARGETS.mean(axis=0)) / TARGETS.std(axis=0)
    np.testing.assert_allclose(found.targets, expected, atol=1e-12)
    plain = Statistics(FEATURES, expected, task="regression")
    for field in ("target_totals", "target_squares", "target_sums", "scatter"):
        np.testing.assert_allclose(getattr(found.moments(), field), getattr(plain.moments(), field), atol=1e-10)
    assert found.spectrum() is statistics.spectrum()


class TestOf:
    def test_prepared_statistics_pass(self) -> None:
        prepared = Statistics(FEATURES, TARGETS, task="regression")
        assert Statistics.of(prepared) is prepared
        assert Statistics.of(prepared, task="regression") is prepared

    def test_arrays_beside_statistics_are_refused(self) -> None:
        text = "labels and source_probs belong to the prepared Statistics; give either Statistics or arrays"
        with pytest.raises(UsageError, match=text):
            Statistics.of(Statistics(FEATURES, CODES), CODES)

    def test_another_task_is_refused(self) -> None:
        text = "task belongs to the prepared Statistics, which is 'classification'; got 'regression'"
        with pytest.raises(UsageError, match=text):
            Statistics.of(Statistics(FEATURES, CODES), task="regression")

    def test_nothing_is_refused(self) -> None:
        with pytest.raises(UsageError, match="features or source_probs must be given, got neither"):
            Statistics(None, CODES)


class TestChunks:
    def test_dtype(self) -> None:
        single = FEATURES.astype(np.float32)
        assert next(Statistics(single).chunks())[1].dtype == np.float64
        assert next(Statistics(single).chunks(single=True))[1].dtype == np.float32
        assert next(Statistics(FEATURES.astype(np.float16)).chunks(single=True))[1].dtype == np.float32
        assert next(Statistics(FEATURES).chunks(single=True))[1].dtype == np.float64

    def test_without_features(self) -> None:
        found = Statistics(None, CODES, source_probs=np.full((30, 2), 0.5))
        with pytest.raises(UsageError, match="features must be given: this score does not work on source_probs alone"):
            next(found.chunks())

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("limit", [6 * 8 * 4, 10**6])
    def test_the_first_bad_value_is_named(self, monkeypatch: pytest.MonkeyPatch, bad: float, limit: int) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
        features = FEATURES.copy()
        features[17, 2], features[17, 4], features[22, 0] = bad, -bad, bad
        text = f"features must be finite: row 17, column 2 is {bad}; an overflow of float16 or a broken sample"
        with pytest.raises(DataError, match=text):
            Statistics(features, CODES).moments()

    @pytest.mark.parametrize(("shape", "centred"), [((30, 6), True), ((30, 6), False), ((5, 6), True), ((5, 6), False)])
    def test_every_decomposition_looks_first(self, shape: tuple[int, int], centred: bool) -> None:
        features = FEATURES[: shape[0]].copy()
        features[3, 5] = np.nan
        with pytest.raises(DataError, match="row 3, column 5 is nan"):
            Statistics(features).spectrum(2, centred=centred)

    @pytest.mark.parametrize(
        ("factor", "side"), [(1e200, "above"), (1e70, "above"), (1e-70, "below"), (1e-200, "below")]
    )
    def test_extreme_sizes(self, factor: float, side: str) -> None:
        text = f"features must have a root mean square within 1e-60 to 1e60, and theirs is {side}; rescale them"
        with pytest.raises(DataError, match=text):
            Statistics(FEATURES * factor).moments()

    def test_zeros_and_a_chunk_of_zeros_are_no_extreme(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunks, "CHUNK_BYTES", 6 * 8 * 4)
        features = FEATURES.copy()
        features[:12] = 0
        assert Statistics(features).moments().n_samples == 30
        assert Statistics(0 * features).moments().n_samples == 30


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("limit", [1, 700, 2000])
@pytest.mark.parametrize("shape", [(40, 7), (12, 30)])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, task, limit: int, shape: tuple[int, int]) -> None:
    problem = draw_problem(n_samples=shape[0], n_features=shape[1], task=task)
    whole = problem.statistics()
    expected = whole.spectrum().singular_values, whole.square_norms(), whole.target_coordinates(whole.spectrum())
    monkeypatch.setattr(chunks, "CHUNK_BYTES", limit)
    cut = problem.statistics()
    assert len(list(cut.chunks())) > 1
    np.testing.assert_allclose(cut.spectrum().singular_values, expected[0], rtol=1e-9)
    np.testing.assert_allclose(cut.square_norms(), expected[1], rtol=1e-9)
    np.testing.assert_allclose(np.abs(cut.target_coordinates(cut.spectrum())), np.abs(expected[2]), atol=1e-7)


def test_a_read_only_memory_map_serves(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", FEATURES.astype(np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    found = Statistics(mapped, CODES)
    assert np.shares_memory(found.features, mapped)
    expected = Statistics(FEATURES.astype(np.float32), CODES)
    np.testing.assert_array_equal(found.spectrum().singular_values, expected.spectrum().singular_values)


class TestMoments:
    def test_they_are_computed_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = Statistics(FEATURES, CODES)
        whole = found.moments()
        monkeypatch.setattr(Statistics, "chunks", None)  # a second pass would fail
        assert found.moments() is whole
        assert found.moments(with_scatter=False) is whole
        assert found.moments(single=True) is whole

    def test_single_moments_do_not_stand_for_double_ones(self) -> None:
        found = Statistics(FEATURES.astype(np.float32), CODES)
        rough = found.moments(single=True)
        assert found.moments(with_scatter=False) is rough
        assert found.moments() is not rough


class TestCoordinates:
    @pytest.mark.parametrize("centred", [True, False])
    def test_they_are_the_projections(self, centred: bool) -> None:
        found = Statistics(FEATURES, CODES)
        spectrum = found.spectrum(centred=centred)
        taken = FEATURES - FEATURES.mean(axis=0) * centred
        (_, projected), *rest = found.coordinates(spectrum)
        assert not rest
        np.testing.assert_allclose(projected, taken @ spectrum.right_vectors, atol=1e-12)
        np.testing.assert_allclose(projected.T @ projected, np.diag(spectrum.singular_values**2), atol=1e-9)

    def test_a_transform_is_applied(self) -> None:
        found = Statistics(FEATURES, CODES)
        spectrum, transform = found.spectrum(), RNG.standard_normal((6, 2))
        (_, projected), (_, plain) = next(found.coordinates(spectrum, transform)), next(found.coordinates(spectrum))
        np.testing.assert_allclose(projected, plain @ transform, atol=1e-12)

    def test_large_float32_features_stay_float32(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(passes, "_SINGLE_PRECISION_WORK", 0)
        found = Statistics(FEATURES.astype(np.float32), CODES)
        assert next(found.coordinates(found.spectrum()))[1].dtype == np.float32

    @pytest.mark.parametrize("centred", [True, False])
    def test_class_and_target_coordinates(self, centred: bool) -> None:
        found = Statistics(FEATURES, CODES)
        spectrum = found.spectrum(centred=centred)
        projected = (FEATURES - FEATURES.mean(axis=0) * centred) @ spectrum.right_vectors
        means = [projected[c == CODES].mean(axis=0) for c in range(3)]
        np.testing.assert_allclose(found.class_coordinates(spectrum), means, atol=1e-12)
        left = projected / spectrum.singular_values
        np.testing.assert_allclose(found.target_coordinates(spectrum), left.T @ np.eye(3)[CODES], atol=1e-12)

    def test_target_coordinates_of_regression(self) -> None:
        found = Statistics(FEATURES, TARGETS, task="regression")
        spectrum = found.spectrum()
        left = (FEATURES - FEATURES.mean(axis=0)) @ spectrum.right_vectors / spectrum.singular_values
        np.testing.assert_allclose(found.target_coordinates(spectrum), left.T @ TARGETS, atol=1e-12)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_take_keeps_features_and_labels_together(task) -> None:
    rows = np.array([7, 2, 11, 4, 7])
    labels = np.array(["a", "b", "c"])[CODES] if task == "classification" else TARGETS
    part = Statistics(FEATURES, labels, task=task).take(rows)
    np.testing.assert_array_equal(part.features, FEATURES[rows])
    found = part.classes[part.codes] if task == "classification" else part.targets
    np.testing.assert_array_equal(found, labels[rows])


def test_square_norms() -> None:
    centred = FEATURES - FEATURES.mean(axis=0)
    np.testing.assert_allclose(Statistics(FEATURES).square_norms(), (centred**2).sum(axis=1))
