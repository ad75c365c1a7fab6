from __future__ import annotations

import csv
import hashlib

import numpy as np
import pytest

from hubscout.errors import CandidateError, UsageError
from hubscout.models import bundled
from hubscout.models.listing import expand_candidates, list_models
from hubscout.models.loading import load_encoder

COLUMNS = [
    "name",
    "file",
    "sha256",
    "recipe",
    "source_data",
    "input_size",
    "channels",
    "mean",
    "std",
    "feature_dim",
    "n_parameters",
    "source_classes",
    "seed",
    "licence",
]


@pytest.fixture
def hub(image_file, tmp_path, monkeypatch):
    """A bundled hub of two files: one grey with a head, one coloured without."""
    rows = []
    for name, channels, outputs in (("grey", 1, ("features", "logits")), ("colour", 3, ("features",))):
        file = image_file(tmp_path / f"{name}.onnx", shape=("n", channels, 8, 8), outputs=outputs)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        classes = 4 if "logits" in outputs else ""
        rows.append((name, file.name, digest, "r", "s", 8, channels, 0.5, "[0.25]", 5, 123, classes, 0, "Apache-2.0"))
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    monkeypatch.setattr(bundled, "hub", lambda: tmp_path)
    return tmp_path


class TestLoad:
    @pytest.mark.parametrize(("name", "channels", "classes"), [("grey", 1, 4), ("colour", 3, None)])
    def test_card_and_features(self, hub, pictures, name, channels, classes):
        encoder = load_encoder(f"bundled:{name}", device="cpu")
        card = encoder.card
        assert card.address == f"bundled:{name}"
        assert card.identity == "sha256:" + hashlib.sha256((hub / f"{name}.onnx").read_bytes()).hexdigest()
        assert card.transform["input_size"] == [channels, 8, 8]
        assert card.transform["mean"] == [0.5] * channels
        assert card.transform["std"] == [0.25] * channels
        assert (card.feature_dim, card.n_parameters, card.source_classes) == (5, 123, classes)
        assert (card.licence, card.notes) == ("Apache-2.0", ())
        batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
        assert batch.features.shape == (3, 5)
        assert batch.features.dtype == np.float32
        assert (batch.logits is None) == (classes is None)

    def test_damaged_file(self, hub):
        (hub / "grey.onnx").write_bytes(b"x")
        with pytest.raises(CandidateError) as caught:
            load_encoder("bundled:grey")
        assert str(caught.value) == (
            "bundled encoder 'grey' is damaged: its SHA-256 is not the manifest's; install hubscout again"
        )

    def test_unknown_name(self, hub):
        with pytest.raises(CandidateError) as caught:
            load_encoder("bundled:gray")
        assert str(caught.value) == ("the bundled hub has no encoder 'gray'; did you mean 'bundled:grey'?")

    def test_not_installed(self, hub):
        (hub / "manifest.csv").unlink()
        with pytest.raises(CandidateError, match="the bundled hub is missing from this installation"):
            load_encoder("bundled:grey")


class TestListing:
    def test_all_in_the_manifest_s_order(self, hub):
        assert list_models("bundled:*") == list_models("bundled:") == ["bundled:grey", "bundled:colour"]
        assert [address.name for address in expand_candidates(["bundled:col*"])] == ["colour"]

    def test_nothing(self, hub):
        with pytest.raises(UsageError) as caught:
            expand_candidates(["bundled:grays*"])
        assert str(caught.value) == ("pattern 'bundled:grays*' matches no candidate; did you mean 'bundled:grey'?")
