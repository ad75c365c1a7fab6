from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_fakes import make_probe

from hubscout.errors import DataError, UnsafeFileError
from hubscout.features.arrays import feature_file_set, load_feature_file

FEATURES = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
LABELS = np.arange(50) % 3


def save(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "f.npz"
    np.savez(path, **arrays)
    return path


class TestLoadFeatureFile:
    @pytest.mark.parametrize("name", ["features", "X", "feats", "embeddings"])
    @pytest.mark.parametrize("label", ["labels", "y", "targets"])
    def test_usual_names_are_found(self, tmp_path, name, label):
        file = load_feature_file(save(tmp_path, **{name: FEATURES, label: LABELS, "other": np.ones(2)}))
        np.testing.assert_array_equal(file.features, FEATURES)
        np.testing.assert_array_equal(file.labels, LABELS)
        assert file.source_logits is None
        assert file.source_probs is None

    def test_source_outputs_come_along(self, tmp_path):
        file = load_feature_file(save(tmp_path, X=FEATURES, source_logits=FEATURES, source_probs=FEATURES[:, :2]))
        np.testing.assert_array_equal(file.source_logits, FEATURES)
        np.testing.assert_array_equal(file.source_probs, FEATURES[:, :2])
        assert file.labels is None

    def test_label_embeddings_come_along(self, tmp_path):
        embeddings = np.ones((2, 3, 7))
        file = load_feature_file(save(tmp_path, X=FEATURES, y=LABELS, label_embeddings=embeddings))
        np.testing.assert_array_equal(file.label_embeddings, embeddings)

    def test_npy_with_labels_beside_it(self, tmp_path):
        np.save(tmp_path / "f.npy", FEATURES)
        np.save(tmp_path / "y.npy", LABELS[:, None])
        file = load_feature_file(str(tmp_path / "f.npy"), labels=tmp_path / "y.npy")
        assert isinstance(file.features.base, np.memmap)
        np.testing.assert_array_equal(file.labels, LABELS)
        assert load_feature_file(tmp_path / "f.npy").labels is None

    def test_string_labels_are_welcome(self, tmp_path):
        file = load_feature_file(save(tmp_path, X=FEATURES, y=np.array(["a", "b"] * 25)))
        assert file.labels is not None
        assert file.labels[1] == "b"

    @pytest.mark.parametrize(
        ("arrays", "text"),
        [
            (
                {"a": FEATURES, "b": LABELS},
                (
                    "the file {} must hold an array named 'features' (or 'X', 'feats', 'embeddings'), got ['a', 'b']; "
                    "save "
                    "it with numpy.savez(path, features=..., labels=...)"
                ),
            ),
            (
                {"X": FEATURES, "features": FEATURES},
                "the file {} must hold one array of features, got ['features', 'X']; keep one of them",
            ),
            (
                {"X": FEATURES[0]},
                (
                    "the array 'X' of {} must hold real numbers in shape (n_samples, width), got dtype float32 and "
                    "shape "
                    "(4,); save one row a sample"
                ),
            ),
            (
                {"X": FEATURES.astype(complex)},
                (
                    "the array 'X' of {} must hold real numbers in shape (n_samples, width), got dtype complex128 and "
                    "shape (50, 4); save one row a sample"
                ),
            ),
            (
                {"X": FEATURES[:, :0]},
                (
                    "the array 'X' of {} must hold real numbers in shape (n_samples, width), got dtype float32 and "
                    "shape "
                    "(50, 0); save one row a sample"
                ),
            ),
            (
                {"X": FEATURES, "y": LABELS[:-1]},
                (
                    "the array of labels of {} must have one row for each of the 50 rows of features, got 49; save "
                    "both for "
                    "the same samples"
                ),
            ),
            (
                {"X": FEATURES, "source_logits": FEATURES[:3]},
                (
                    "the array of source_logits of {} must have one row for each of the 50 rows of features, got 3; "
                    "save "
                    "both for the same samples"
                ),
            ),
            (
                {"X": FEATURES, "y": FEATURES},
                (
                    "the labels of {} must be numbers or strings in shape (n_samples,), got dtype float32 and shape "
                    "(50, 4); save one label a sample"
                ),
            ),
        ],
    )
    def test_what_does_not_fit_is_one_sentence(self, tmp_path, arrays, text):
        path = save(tmp_path, **arrays)
        with pytest.raises(DataError) as caught:
            load_feature_file(path)
        assert str(caught.value) == text.format(repr(str(path)))

    def test_object_labels_are_unsafe(self, tmp_path):
        with pytest.raises(UnsafeFileError, match=r"^the array 'y' of"):
            load_feature_file(save(tmp_path, X=FEATURES, y=np.array([None] * 50)))

    def test_a_file_of_labels_holds_one_array(self, tmp_path):
        path = save(tmp_path, X=FEATURES, y=LABELS)
        with pytest.raises(DataError, match=r"must hold one array, got \['X', 'y'\]; save it with numpy.save"):
            load_feature_file(path, labels=path)


class TestFeatureFileSet:
    def test_takes_the_rows_of_the_probe(self, tmp_path):
        path = save(tmp_path, X=FEATURES, source_logits=FEATURES[:, :2])
        rows = np.array([1, 5, 20, 49])
        probe = make_probe(range(4), rows=rows, n_target=50)
        found = feature_file_set(str(path), probe)
        np.testing.assert_array_equal(found.features, FEATURES[rows])
        np.testing.assert_array_equal(found.source_logits, FEATURES[rows, :2])
        assert found.labels is probe.labels
        card = found.provenance["card"]
        assert card["address"] == f"features:{path}"
        assert card["identity"] == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        assert (card["feature_dim"], card["source_classes"], card["modality"]) == (4, 2, "features")
        assert found.provenance["rows_cached"] == 4

    def test_a_file_of_the_probe_alone_is_taken_in_order(self, tmp_path):
        probe = make_probe(range(50), rows=np.arange(0, 100, 2), n_target=100)
        found = feature_file_set(str(save(tmp_path, X=FEATURES)), probe)
        np.testing.assert_array_equal(found.features, FEATURES)
        assert found.source_logits is None

    def test_rows_without_a_label_may_stand_in_the_file(self, tmp_path):
        # A target of labels alone whose rows 2 and 7 have no label: its samples are positions in the user's arrays.
        kept = [row for row in range(50) if row not in (2, 7)]
        probe = make_probe(kept, modality="features")
        found = feature_file_set(str(save(tmp_path, X=FEATURES)), probe)
        np.testing.assert_array_equal(found.features, FEATURES[kept])
        without = feature_file_set(str(save(tmp_path, X=FEATURES[kept])), probe)
        np.testing.assert_array_equal(without.features, FEATURES[kept])

    def test_all_rows_stay_mapped_from_the_file(self, tmp_path):
        np.save(tmp_path / "f.npy", FEATURES.astype(np.float64))
        found = feature_file_set(str(tmp_path / "f.npy"), make_probe(range(50)))
        assert isinstance(found.features.base, np.memmap)
        assert found.features.base.filename == tmp_path / "f.npy"
        assert found.features.dtype == np.float64

    def test_probabilities_become_logits(self, tmp_path):
        probs = np.random.default_rng(1).dirichlet(np.ones(5), 50)
        probs[0] = [1, 0, 0, 0, 0]
        found = feature_file_set(str(save(tmp_path, X=FEATURES, source_probs=probs)), make_probe(range(50)))
        logits = np.asarray(found.source_logits, dtype=np.float64)
        assert np.isfinite(logits).all()
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), probs, atol=1e-6)

    def test_another_number_of_rows_is_one_sentence(self, tmp_path):
        path = save(tmp_path, X=FEATURES)
        with pytest.raises(DataError) as caught:
            feature_file_set(str(path), make_probe(range(4), n_target=51))
        assert str(caught.value) == (
            f"the file {str(path)!r} must have one row for each of the 51 usable samples of 'fake', or for each of "
            "the 4 of the probe, got 50; extract the features from the same samples"
        )

    def test_values_that_are_not_finite_are_named(self, tmp_path):
        bad = FEATURES.copy()
        bad[20, 3] = np.nan
        path = save(tmp_path, X=bad)
        with pytest.raises(DataError) as caught:
            feature_file_set(str(path), make_probe(range(3), rows=np.array([1, 20, 30]), n_target=50))
        assert str(caught.value) == (
            f"the features of {str(path)!r} must be finite, got nan in row 20, column 3; mend or remove that sample"
        )
        found = feature_file_set(str(path), make_probe(range(2), rows=np.array([1, 30]), n_target=50))
        np.testing.assert_array_equal(found.features, bad[[1, 30]])

    def test_logits_named_probabilities_are_refused(self, tmp_path):
        path = save(tmp_path, X=FEATURES, source_probs=np.full((50, 2), 0.7))
        with pytest.raises(DataError) as caught:
            feature_file_set(str(path), make_probe(range(50)))
        assert str(caught.value) == (
            f"the source_probs of {str(path)!r} must be probabilities that sum to 1, got a sum of 1.4 in row 0; save "
            "the softmax, or source_logits"
        )
