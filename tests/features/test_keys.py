from __future__ import annotations

from dataclasses import replace

import pytest

from hubscout.errors import CandidateError
from hubscout.features import keys
from hubscout.features.keys import entry_key
from hubscout.models.card import ModelCard

CARD = ModelCard("hf:a/b", "sha256:00", "image", {"size": 8, "pooling": "cls"}, 4, loader="timm 1")


class TestEntryKey:
    @pytest.mark.parametrize(
        "change",
        [
            {"identity": "sha256:01"},
            {"address": "hf:a/c"},
            {"transform": {"size": 8, "pooling": "mean"}},
            {"loader": "timm 2"},
            {"feature_dim": 5},
            {"source_classes": 10},
        ],
    )
    def test_facts_of_the_card_that_change_numbers_change_the_key(self, change):
        assert entry_key(replace(CARD, **change), "f", 10, "float32") != entry_key(CARD, "f", 10, "float32")

    def test_probe_rows_precision_and_version_change_the_key(self, monkeypatch):
        digests = {
            entry_key(CARD, *rest).digest
            for rest in [
                ("f", 10, "float32"),
                ("g", 10, "float32"),
                ("f", 11, "float32"),
                ("f", 10, "float16"),
            ]
        }
        monkeypatch.setattr(keys, "FEATURE_VERSION", 2)
        digests.add(entry_key(CARD, "f", 10, "float32").digest)
        assert len(digests) == 5

    @pytest.mark.parametrize("change", [{"device": "cuda:0"}, {"notes": ("x",)}, {"licence": "mit"}])
    def test_the_device_and_other_facts_do_not(self, change):
        assert entry_key(replace(CARD, **change), "f", 10, "float32") == entry_key(CARD, "f", 10, "float32")

    def test_order_of_the_transform_does_not_matter(self):
        other = replace(CARD, transform={"pooling": "cls", "size": 8})
        assert entry_key(other, "f", 10, "float32") == entry_key(CARD, "f", 10, "float32")

    @pytest.mark.parametrize("value", [float("nan"), {1, 2}])
    def test_a_transform_that_is_no_json_is_refused(self, value):
        with pytest.raises(CandidateError) as caught:
            entry_key(replace(CARD, transform={"size": value}), "f", 10, "float32")
        assert str(caught.value) == (
            f"the transform of 'hf:a/b' must hold plain, finite JSON values, got {{'size': {value!r}}}; mend the "
            "adapter's model card"
        )
