from __future__ import annotations

import sys

import numpy as np
import pytest

from hubscout.errors import CandidateError, MissingExtraError, UsageError
from hubscout.models import onnx_session
from hubscout.models.loading import load_encoder

PLAIN = "mean=0.5&std=0.5"


def _expected(prepared):
    """The file's arithmetic, from the numbers it was made of."""
    rng = np.random.default_rng(0)
    channels = prepared.shape[1]
    kernel = rng.normal(size=(5, channels, 1, 1)).astype(np.float32)
    head = rng.normal(size=(5, 4)).astype(np.float32)
    features = prepared.mean((2, 3)) @ kernel[:, :, 0, 0].T
    return features, features @ head


def _run(address, pictures, **settings):
    encoder = load_encoder(address, device="cpu", **settings)
    prepared = [encoder.prepare(picture) for picture in pictures]
    return encoder, np.stack(prepared), encoder.encode(prepared)


class TestImages:
    def test_named_outputs(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx")
        encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        features, logits = _expected(prepared)
        np.testing.assert_allclose(batch.features, features, atol=1e-5)
        np.testing.assert_allclose(batch.logits, logits + 1, atol=1e-5)
        card = encoder.card
        assert (card.feature_dim, card.source_classes, card.n_parameters) == (5, 4, 15)
        assert (card.modality, card.device, card.notes) == ("image", "cpu", ())
        assert card.transform == {
            "library": "onnx",
            "features": "features",
            "input_size": [3, 8, 8],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "layout": "NCHW",
        }

    @pytest.mark.parametrize("bias", [True, False])
    def test_what_goes_into_the_last_product(self, image_file, tmp_path, pictures, bias):
        file = image_file(tmp_path / "a.onnx", outputs=("class_scores",), bias=bias)
        encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        features, logits = _expected(prepared)
        assert encoder.card.transform["features"] == "hidden"
        np.testing.assert_allclose(batch.features, features, atol=1e-5)
        np.testing.assert_allclose(batch.logits, logits + bias, atol=1e-5)

    def test_inner_tensor_by_name_is_pooled(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx")
        _encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}&features=map", pictures)
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)
        assert batch.logits is not None

    def test_channels_last(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx", shape=("n", 8, 8, 3))
        encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        assert encoder.card.transform["layout"] == "NHWC"
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)

    def test_feature_map_output_is_pooled(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx", outputs=("features",), pooled=False)
        _, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)
        assert batch.logits is None

    @pytest.mark.parametrize("fixed", [1, 2])
    def test_fixed_batch(self, image_file, tmp_path, pictures, fixed):
        file = image_file(tmp_path / "a.onnx", shape=(fixed, 3, 8, 8))
        _, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)
        assert batch.logits.shape == (3, 4)

    def test_grey(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx", shape=("n", 1, 8, 8))
        _encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        assert prepared.shape == (3, 1, 8, 8)
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)

    def test_free_size(self, image_file, tmp_path, pictures):
        file = image_file(tmp_path / "a.onnx", shape=("n", 3, "h", "w"))
        encoder, prepared, _ = _run(f"onnx:{file}?{PLAIN}&input_size=16", pictures)
        assert prepared.shape[2:] == (16, 16)
        assert encoder.card.notes == ()
        encoder = load_encoder(f"onnx:{file}?{PLAIN}", device="cpu")
        assert encoder.card.transform["input_size"] == [3, 224, 224]
        assert "does not state its input_size" in encoder.card.notes[0]

    def test_without_the_onnx_library(self, image_file, tmp_path, pictures, monkeypatch):
        named, unnamed = tmp_path / "a.onnx", tmp_path / "b.onnx"
        image_file(named)
        image_file(unnamed, outputs=("class_scores",))
        monkeypatch.setitem(sys.modules, "onnx", None)
        assert load_encoder(f"onnx:{named}", device="cpu").card.n_parameters is None
        with pytest.raises(MissingExtraError) as caught:
            load_encoder(f"onnx:{unnamed}", device="cpu")
        assert str(caught.value) == (
            f"the inner tensors of ONNX files ({str(unnamed)!r} has no output named features) need onnx, "
            "which is not installed; run: pip install 'hubscout[onnx]'"
        )

    def test_a_full_memory_is_a_memory_error(self, image_file, tmp_path, pictures, monkeypatch):
        encoder = load_encoder(f"onnx:{image_file(tmp_path / 'a.onnx')}", device="cpu")

        class Full:
            def get_inputs(self):
                return encoder_inputs

            def run(self, *_):
                raise RuntimeError("Failed to allocate memory for requested buffer of size 1024")

        encoder_inputs = encoder._model.session.get_inputs()
        monkeypatch.setattr(
            encoder, "_model", onnx_session.OnnxModel(Full(), encoder._model.features, encoder._model.logits)
        )
        with pytest.raises(MemoryError):
            encoder.encode([encoder.prepare(pictures[0])])


class TestText:
    @pytest.mark.parametrize("pooling", ["mean", "last", "cls"])
    def test_pools_tokens_over_the_mask(self, text_file, tokenizer_in, tmp_path, texts, pooling):
        tokenizer = tokenizer_in(tmp_path / "tok")
        file = text_file(tmp_path / "t.onnx")
        encoder = load_encoder(f"onnx:{file}?tokenizer={tmp_path / 'tok'}", device="cpu", pooling=pooling)
        table = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
        prepared = [encoder.prepare(text) for text in texts]
        features = encoder.encode(prepared).features
        for row, text in zip(features, texts, strict=True):
            vectors = table[tokenizer(text)["input_ids"]]
            expected = {"mean": vectors.mean(0), "last": vectors[-1], "cls": vectors[0]}[pooling]
            np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)
        assert encoder.card.modality == "text"
        assert encoder.card.transform["pooling"] == pooling
        assert "set max_length=" in encoder.card.notes[0]

    def test_fixed_length(self, text_file, tokenizer_in, tmp_path, texts):
        tokenizer_in(tmp_path / "tok")
        fixed = load_encoder(
            f"onnx:{text_file(tmp_path / 't.onnx', length=8)}?tokenizer={tmp_path / 'tok'}", device="cpu"
        )
        free = load_encoder(
            f"onnx:{text_file(tmp_path / 'f.onnx')}?max_length=8&tokenizer={tmp_path / 'tok'}", device="cpu"
        )
        outputs = [encoder.encode([encoder.prepare(text) for text in texts]) for encoder in (fixed, free)]
        np.testing.assert_array_equal(outputs[0].features, outputs[1].features)
        assert len(fixed.prepare("good " * 30)) == 8

    def test_tokenizer_is_needed(self, text_file, tmp_path):
        file = text_file(tmp_path / "t.onnx")
        with pytest.raises(UsageError) as caught:
            load_encoder(f"onnx:{file}")
        assert str(caught.value) == (
            f"file {str(file)!r} takes tokens; give the folder of its tokenizer with ?tokenizer=folder"
        )
        with pytest.raises(CandidateError, match="tokenizer folder 'nope' does not exist; check the path"):
            load_encoder(f"onnx:{file}?tokenizer=nope")
        with pytest.raises(CandidateError, match="holds no tokenizer; save the model's own there"):
            load_encoder(f"onnx:{file}?tokenizer={tmp_path}")


class TestRefusals:
    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07" * 50])
    def test_garbage(self, tmp_path, content):
        (tmp_path / "g.onnx").write_bytes(content)
        with pytest.raises(CandidateError) as caught:
            load_encoder(f"onnx:{tmp_path / 'g.onnx'}")
        message = str(caught.value)
        assert message.startswith(f"file {str(tmp_path / 'g.onnx')!r} is not an ONNX model that onnxruntime can run: ")
        assert "\n" not in message

    def test_missing(self):
        with pytest.raises(CandidateError) as caught:
            load_encoder("onnx:nope.onnx")
        assert str(caught.value) == (
            "file 'nope.onnx' does not exist; check the path, which is relative to the current folder"
        )

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("features=nope", "file {file!r} has no tensor 'nope'; its outputs are 'features', 'logits'"),
            ("input_size=9", "input_size of {file!r} is fixed to 8x8 in the file; leave the option out"),
            ("fatures=x", "onnx: addresses have no option 'fatures'; did you mean 'features'?"),
        ],
    )
    def test_options(self, image_file, tmp_path, query, message):
        file = str(image_file(tmp_path / "a.onnx"))
        with pytest.raises(UsageError) as caught:
            load_encoder(f"onnx:{file}?{query}")
        assert str(caught.value) == message.format(file=file)

    def test_no_cuda(self, image_file, tmp_path, monkeypatch):
        import onnxruntime

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
        with pytest.raises(UsageError, match="device 'cuda' is not there for ONNX files"):
            load_encoder(f"onnx:{image_file(tmp_path / 'a.onnx')}", device="cuda")

    def test_threads_follow_the_variable(self, image_file, tmp_path, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        encoder = load_encoder(f"onnx:{image_file(tmp_path / 'a.onnx')}", device="cpu")
        assert encoder._model.session.get_session_options().intra_op_num_threads == 1


class TestExternalWeights:
    @pytest.mark.parametrize("layout", ["one_file", "one_each", "long_name"])
    def test_they_belong_to_the_identity(self, image_file, tmp_path, pictures, layout):
        onnx = pytest.importorskip("onnx")
        model = onnx.load(image_file(tmp_path / "whole.onnx"))
        file, location = tmp_path / "a.onnx", {"one_file": "weights.bin", "long_name": "w" * 200}.get(layout)
        onnx.save(
            model,
            file,
            save_as_external_data=True,
            all_tensors_to_one_file=location is not None,
            location=location,
            size_threshold=0,
        )
        beside = [path for path in tmp_path.iterdir() if path.suffix != ".onnx"]
        assert len(beside) == 1 if location else len(beside) > 1
        encoder, prepared, batch = _run(f"onnx:{file}?{PLAIN}", pictures)
        np.testing.assert_allclose(batch.features, _expected(prepared)[0], atol=1e-5)
        for weights in beside:
            whole = weights.read_bytes()
            weights.write_bytes(bytes(len(whole)))
            assert load_encoder(f"onnx:{file}?{PLAIN}").card.identity != encoder.card.identity
            weights.write_bytes(whole)
        assert load_encoder(f"onnx:{file}?{PLAIN}").card.identity == encoder.card.identity
