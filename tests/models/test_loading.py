from __future__ import annotations

import subprocess
import sys

import pytest

import hubscout.models
from hubscout.errors import CandidateError, UsageError
from hubscout.models import loading
from hubscout.models.address import SCHEMES, parse_address
from hubscout.models.loading import LoadRequest, load_encoder


class TestRegistry:
    def test_every_scheme_has_an_adapter_or_needs_none(self):
        assert set(SCHEMES) - set(loading.ADAPTERS) == {"features"}

    def test_public_names_are_sorted_and_there(self):
        names = hubscout.models.__all__
        assert names == sorted(names)
        assert all(hasattr(hubscout.models, name) for name in names)

    def test_no_framework_is_imported_before_it_is_needed(self):
        code = (
            "import sys, hubscout.models\n"
            "heavy = {'torch', 'timm', 'transformers', 'sentence_transformers', 'onnx', 'onnxruntime',"
            " 'huggingface_hub', 'PIL', 'torchvision'}\n"
            "print(sorted(heavy & set(sys.modules)))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]"


class TestLoadEncoder:
    @pytest.mark.parametrize(
        ("address", "settings", "message"),
        [
            ("resnet50", {}, "address 'resnet50' names no source; write one of timm:resnet50, bundled:resnet50"),
            (
                "features:f.npz",
                {},
                "address 'features:f.npz' names arrays that are already computed; there is no model to load",
            ),
            ("onnx:*.onnx", {}, "address 'onnx:*.onnx' is a pattern; expand it with expand_candidates() first"),
            ("onnx:a", {"pooling": "median"}, "pooling must be one of cls, mean, max, last, pooler, got 'median'"),
            (
                "onnx:a",
                {"trust_remote_code": "org/name"},
                "trust_remote_code must be a collection of model names, got the text 'org/name'",
            ),
        ],
    )
    def test_usage(self, address, settings, message):
        with pytest.raises(UsageError) as caught:
            load_encoder(address, **settings)
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (
                KeyError("a\n\x1b[31mred"),
                "candidate 'onnx:a' cannot be loaded: KeyError \"'a\\\\n\\\\x1b[31mred'\"",
            ),
            (RuntimeError("first\nsecond"), "candidate 'onnx:a' cannot be loaded: RuntimeError 'first'"),
            (RuntimeError("\x1b[2J"), "candidate 'onnx:a' cannot be loaded: RuntimeError '\\x1b[2J'"),
            (AssertionError(), "candidate 'onnx:a' cannot be loaded: AssertionError"),
            (
                MemoryError(),
                "candidate 'onnx:a' does not fit into memory; take a smaller model or another device",
            ),
        ],
    )
    def test_whatever_a_framework_raises_is_one_sentence(self, monkeypatch, error, message):
        def fail(*_):
            raise error

        monkeypatch.setattr("hubscout.models.onnx.load", fail)
        with pytest.raises(CandidateError) as caught:
            load_encoder("onnx:a")
        assert str(caught.value) == message
        assert caught.value.__cause__ is error

    def test_interruption_is_not_caught(self, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("hubscout.models.onnx.load", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_encoder("onnx:a")


class TestTrust:
    @pytest.mark.parametrize("name", ["org/name", "hf:org/name", "hf:org/name@main"])
    def test_by_name(self, name):
        request = LoadRequest(trust_remote_code=frozenset([name]))
        assert request.trusts(parse_address("hf:org/name@main"))
        assert not request.trusts(parse_address("hf:org/other@main"))
