import csv
import hashlib
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from hubscout.data.digits import TARGET_DIGITS, digits_target
from hubscout.evaluation.ground_truth import load_ground_truth
from hubscout.models.bundled import hub, read_manifest
from hubscout.models.loading import load_encoder

TOOLS = Path(__file__).parents[2] / "tools"
SIZE_BUDGET = 4_000_000
FEWEST_ENCODERS = 8
FEWEST_SEEDS = 3
MANIFEST = read_manifest()
EVERY_ENCODER = pytest.mark.parametrize("name", MANIFEST)


def _tool(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _session(name):
    return onnxruntime.InferenceSession(
        hub().joinpath(MANIFEST[name]["file"]).read_bytes(), providers=["CPUExecutionProvider"]
    )


def _noise(row, n):
    shape = (n, int(row["channels"]), int(row["input_size"]), int(row["input_size"]))
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


class TestManifest:
    def test_there_are_enough_encoders_within_the_size_budget(self):
        assert len(MANIFEST) >= FEWEST_ENCODERS
        assert sum(len(entry.read_bytes()) for entry in hub().iterdir()) < SIZE_BUDGET

    def test_files_and_rows_correspond(self):
        files = {entry.name for entry in hub().iterdir() if entry.name.endswith(".onnx")}
        assert files == {row["file"] for row in MANIFEST.values()}

    def test_columns_are_the_ones_the_adapter_reads(self):
        columns = (
            "name,file,sha256,recipe,source_data,input_size,channels,mean,std,feature_dim,n_parameters,"
            "source_classes,seed,licence"
        )
        assert hub().joinpath("manifest.csv").read_text(encoding="utf-8").splitlines()[0] == columns

    def test_seeds_differ(self):
        assert len({row["seed"] for row in MANIFEST.values()}) == len(MANIFEST)

    @EVERY_ENCODER
    def test_digest_is_that_of_the_file(self, name):
        content = hub().joinpath(MANIFEST[name]["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == MANIFEST[name]["sha256"]

    def test_encoders_differ_in_source_recipe_width_and_size(self):
        rows = MANIFEST.values()
        assert len({row["source_data"] for row in rows}) >= 4
        assert len({row["feature_dim"] for row in rows}) >= 4
        assert len({row["input_size"] for row in rows}) >= 2
        assert {row["channels"] for row in rows} == {"1", "3"}


class TestFiles:
    @EVERY_ENCODER
    @pytest.mark.parametrize("n", [1, 7])
    def test_runs_with_any_batch_and_has_the_stated_widths(self, name, n):
        row = MANIFEST[name]
        session = _session(name)
        outputs = dict(
            zip(
                [node.name for node in session.get_outputs()], session.run(None, {"image": _noise(row, n)}), strict=True
            )
        )
        assert outputs["features"].shape == (n, int(row["feature_dim"]))
        assert outputs["features"].dtype == np.float32
        assert np.isfinite(outputs["features"]).all()
        if row["source_classes"]:
            assert outputs["logits"].shape == (n, int(row["source_classes"]))
        else:
            assert set(outputs) == {"features"}

    @EVERY_ENCODER
    def test_a_sample_does_not_depend_on_its_batch(self, name):
        noise = _noise(MANIFEST[name], 7)
        session = _session(name)
        (together,), (alone,) = (session.run(["features"], {"image": images}) for images in (noise, noise[4:5]))
        np.testing.assert_allclose(together[4], alone[0], rtol=1e-4, atol=1e-4 * float(np.abs(alone).max()))

    @EVERY_ENCODER
    def test_tells_digits_apart_somehow(self, name):
        """No encoder has collapsed to one constant vector."""
        encoder = load_encoder(f"bundled:{name}")
        samples = digits_target().samples
        features = encoder.encode([encoder.prepare(samples[index]) for index in range(24)]).features
        assert float(features.std(axis=0).max()) > 0.01

    def test_the_traps_are_there(self):
        scaled, plain = (_digit_features(name) for name in ("textures_scaled", "textures_supervised"))
        assert float(np.abs(scaled).mean()) > 10 * float(np.abs(plain).mean())
        dead = _digit_features("shapes_half_dead")
        assert int((dead == 0).all(axis=0).sum()) >= dead.shape[1] // 2


def _digit_features(name):
    encoder = load_encoder(f"bundled:{name}")
    samples = digits_target().samples
    return encoder.encode([encoder.prepare(samples[index]) for index in range(24)]).features


class TestTools:
    @EVERY_ENCODER
    def test_torch_rebuilds_what_ships(self, name, tmp_path):
        """Fine-tuning starts from the ONNX file, so the two runtimes must agree, and writing must undo reading."""
        torch = pytest.importorskip("torch")
        network_module = _tool("bundled_network")
        path = tmp_path / "encoder.onnx"
        content = hub().joinpath(MANIFEST[name]["file"]).read_bytes()
        path.write_bytes(content)
        network = network_module.read_onnx(path)
        noise = _noise(MANIFEST[name], 5)
        (expected,) = _session(name).run(["features"], {"image": noise})
        with torch.inference_mode():
            features = network.encoder(torch.from_numpy(noise)).numpy()
        np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * float(np.abs(expected).max()))
        assert network.n_parameters == int(MANIFEST[name]["n_parameters"])
        network_module.write_onnx(network, path)
        assert path.read_bytes() == content

    def test_no_encoder_learns_from_a_digit_of_the_target(self):
        data = _tool("bundled_data")
        images, labels = data.other_digits(10_000, 0)
        assert len(images) == len(labels) == 720
        assert not set(labels.tolist()) & set(TARGET_DIGITS)

    @pytest.mark.parametrize("source", ["drawn_glyphs", "drawn_shapes", "drawn_textures", "other_digits"])
    def test_source_images_are_fixed_by_their_seed(self, source):
        make = getattr(_tool("bundled_data"), source)
        (first, labels), (second, same_labels), (other, _) = make(40, 1), make(40, 1), make(40, 2)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(labels, same_labels)
        assert not np.array_equal(first, other)
        assert first.dtype == np.float32
        assert 0 <= float(first.min()) < float(first.max()) <= 1


class TestGroundTruth:
    def test_there_is_one_row_for_each_encoder(self):
        truth = load_ground_truth("bundled_digits")
        assert sorted(row.model for row in truth) == sorted(f"bundled:{name}" for name in MANIFEST)
        assert {row.task for row in truth} == {digits_target().task.name}

    def test_every_row_has_a_standard_error_over_enough_seeds_and_says_how_it_was_made(self):
        for row in load_ground_truth("bundled_digits"):
            assert 1 / len(TARGET_DIGITS) < row.value < 1
            assert row.standard_error is not None
            assert 0 < row.standard_error < 0.03
            assert row.n_seeds >= FEWEST_SEEDS
            assert f"seeds 0 to {row.n_seeds - 1}" in row.protocol
            assert row.source == f"python tools/measure_bundled_truth.py --seeds {row.n_seeds}"
            assert row.measure == f"accuracy on {len(digits_target('test').samples)} test images"
            assert row.licence == "Apache-2.0"

    def test_the_encoders_really_differ(self):
        truth = load_ground_truth("bundled_digits")
        values = [row.value for row in truth]
        typical = math.sqrt(np.mean([row.standard_error**2 for row in truth if row.standard_error is not None]))
        assert max(values) - min(values) > 0.1
        assert float(np.std(values)) > 3 * typical

    def test_stores_no_score(self):
        table = Path(__file__).parents[2] / "src" / "hubscout" / "evaluation" / "tables" / "bundled_digits.csv"
        with table.open(newline="", encoding="utf-8") as lines:
            columns = next(csv.reader(lines))
        expected = "task,model,value,standard_error,n_seeds,measure,protocol,source,licence"
        assert columns == expected.split(",")
