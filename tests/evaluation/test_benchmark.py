"""The benchmark on a tiny hub, from folders to standings; values against direct calls of the scores."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from tiny_hub import write_audio, write_hub

import hubscout
from hubscout.errors import DataError, UsageError
from hubscout.evaluation import benchmark_values
from hubscout.evaluation.audio_folder import audio_features, audio_truths
from hubscout.evaluation.benchmark import bench_hub
from hubscout.evaluation.benchmark_judgement import judge_scores
from hubscout.evaluation.benchmark_lists import ABLATIONS, chosen_names, selection_candidates
from hubscout.evaluation.benchmark_values import Cell, Features, ValueCache, compute
from hubscout.evaluation.benchmark_variants import Variant, parse_variant, split_list
from hubscout.evaluation.hub_folder import HubFolder
from hubscout.evaluation.task_truth import TaskTruth


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    return write_hub(tmp_path_factory.mktemp("hub") / "tiny")


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    return Features("t", "c", (3 * rng.standard_normal((60, 5)) + labels[:, None]).astype(np.float32), labels)


class TestVariants:
    @pytest.mark.parametrize(
        "text",
        ["knn", "disco(covariance=identity,n_groups=4)", "disco(n_components=null)@unit_rms@share=0.5", "logme@n=200"],
    )
    def test_are_written_as_they_are_read(self, text):
        assert str(parse_variant(text)) == text

    def test_order_of_options_does_not_matter(self):
        assert parse_variant("disco(n_groups=4, cross_fit=5)") == Variant("disco", (("cross_fit", 5), ("n_groups", 4)))

    @pytest.mark.parametrize("text", ["", "disco(", "disco(4)", "knn@half", "knn@n=0", "knn@share=2", "../x", "knn()x"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(
            UsageError, match=r"^a score of a benchmark must have the form name\(option=value,\.\.\.\) "
        ):
            parse_variant(text)

    def test_commas_in_brackets_divide_nothing(self):
        assert split_list("a(b=1,c=2),d") == ["a(b=1,c=2)", "d"]


class TestLists:
    def test_every_ablation_names_scores_and_options_that_exist(self):
        assert set(chosen_names(["knn"], ["all"])) > set(ABLATIONS["hard examples"])

    def test_by_default_every_score_is_run(self):
        names = chosen_names(None, None)
        assert {"disco", "logme", "lda(cross_fit=5)", "knn+linear_probe", "disco(n_groups=32)"} <= set(names)
        assert len(names) == len(set(names))

    def test_parts_of_the_probe_and_label_free_scores_are_not_recommended(self):
        assert selection_candidates(["knn", "knn@n=100", "rankme", "rankme+knn", "disco@unit_rms"]) == [
            "knn",
            "disco@unit_rms",
        ]

    @pytest.mark.parametrize(
        ("scores", "variants", "message"),
        [
            (["knn(depth=3)"], None, r"^score 'knn' has no option 'depth'; its options: "),
            (["nosuch"], None, r"nosuch"),
            (None, ["colours"], r"^variants \(--variants\) must be all, none, or among covariance, .*, got 'colours'$"),
        ],
    )
    def test_what_does_not_exist_is_refused(self, scores, variants, message):
        with pytest.raises(UsageError, match=message):
            chosen_names(scores, variants)


class TestCompute:
    def test_values_are_those_of_the_scores(self, given):
        names = ["disco", "logme", "disco(n_groups=2)", "disco(covariance=identity)@unit_rms", "knn@standardised"]
        found = compute(given, names, kept=ValueCache(None))
        wide = given.features.astype(float)
        scores, labels = hubscout.scores, given.labels
        expected = [
            scores.disco(given.features, labels),
            scores.logme(given.features, labels),
            scores.disco(given.features, labels, n_groups=2),
            scores.disco(wide / np.sqrt((wide**2).mean()), labels, covariance="identity"),
            scores.knn((wide - wide.mean(axis=0)) / wide.std(axis=0), labels),
        ]
        assert [found[name].value for name in names] == pytest.approx(expected)

    def test_part_of_the_probe_is_stratified_and_seeded(self, given):
        variant = parse_variant("knn@n=30")
        rows = benchmark_values._part(given.labels, variant, 0)
        assert np.bincount(given.labels[rows]).tolist() == [10, 10, 10]
        assert (rows == benchmark_values._part(given.labels, variant, 0)).all()
        assert (rows != benchmark_values._part(given.labels, variant, 1)).any()
        assert len(benchmark_values._part(given.labels, parse_variant("knn@share=0.001"), 0)) == 6
        assert len(benchmark_values._part(given.labels, parse_variant("knn@n=900"), 0)) == 60

    def test_dead_features_stay_dead(self, given):
        features = given.features.copy()
        features[:, 0] = 7.0
        assert (benchmark_values._scaled(features, "standardised")[:, 0] == 0).all()

    def test_a_score_without_a_value_has_a_reason(self, given):
        cell = compute(given, ["leep"], kept=ValueCache(None))["leep"]
        assert cell.value is None
        assert cell.reason.startswith("source_probs must be given")

    def test_null_z(self, given):
        clear = Features("t", "c", given.features + 20 * given.labels[:, None], given.labels)
        assert compute(clear, ["knn"], kept=ValueCache(None), null_draws=5)["knn"].null_z > 5
        assert compute(given, ["knn"], kept=ValueCache(None))["knn"].null_z is None


class TestValueCache:
    def test_a_second_run_computes_nothing(self, given, tmp_path):
        seen = []
        for _ in range(2):
            kept = ValueCache(tmp_path / "values.json")
            found = compute(given, ["knn", "logme"], kept=kept, on_value=seen.append)
        assert seen == ["knn", "logme"]
        assert found["knn"].value == hubscout.scores.knn(given.features, given.labels)

    def test_other_features_seed_or_program_are_other_values(self, given, tmp_path, monkeypatch):
        path = tmp_path / "values.json"
        compute(given, ["knn"], kept=ValueCache(path))

        def computed(features, **options):
            seen = []
            compute(features, ["knn"], kept=ValueCache(path), on_value=seen.append, **options)
            return bool(seen)

        assert not computed(given)
        assert computed(given, seed=1)
        assert computed(Features("t", "c", given.features + 1, given.labels))
        monkeypatch.setattr(benchmark_values, "code_digest", lambda: "another program")
        assert computed(given)

    @pytest.mark.parametrize("text", ["", "[]", '{"schema": "x", "code": "", "cells": {}}'])
    def test_another_file_is_refused(self, tmp_path, text):
        (tmp_path / "values.json").write_text(text)
        with pytest.raises(DataError, match=r"^the file of values '.*' (cannot be read|must be of schema)"):
            ValueCache(tmp_path / "values.json")


class TestHubFolder:
    def test_the_learning_rate_is_chosen_by_validation(self, hub):
        assert HubFolder(hub).truths()["stripes"].truth.values == {"narrow": 0.4, "middle": 0.6, "wide": 0.8}

    def test_further_tables_join(self, hub, tmp_path):
        rows = (hub / "ground_truth.csv").read_text().replace("stripes", "extra").replace("0.8", "0.7")
        (tmp_path / "more.csv").write_text(rows)
        found = HubFolder(hub).truths([tmp_path / "more.csv"])
        assert found["extra"].truth.values["wide"] == 0.7
        assert found["extra"].sizes["wide"] == 16

    def test_names_cannot_leave_the_folder(self, hub):
        with pytest.raises(DataError, match=r"^a hub's names must be of letters, .*, got '\.\./secrets'$"):
            HubFolder(hub).target("../secrets")

    def test_damaged_tables_are_named(self, hub, tmp_path):
        with pytest.raises(UsageError, match=r"^folder must be a hub with weights/"):
            HubFolder(tmp_path / "none")
        with pytest.raises(DataError, match=r"^the table '.*manifest.csv' cannot be read"):
            HubFolder(tmp_path)
        (tmp_path / "bad.csv").write_text("dataset,model\n")
        with pytest.raises(DataError, match=r"bad.csv' must have the columns .* and lacks size, lr, "):
            HubFolder(hub).truths([tmp_path / "bad.csv"])

    def test_its_program_is_forgotten_afterwards(self, hub):
        other = sys.modules.get("hub_models")
        with HubFolder(hub).importable():
            import hub_models

            assert hub_models.__file__ == str(hub / "hub_models.py")
        assert sys.modules.get("hub_models") is other
        assert str(hub) not in sys.path


class TestAudio:
    def test_labels_and_truths(self, tmp_path):
        root = write_audio(tmp_path)
        first, murmurs = audio_truths(root)
        assert first.values == pytest.approx({"a": 0.4, "b": 0.6, "c": 0.8})
        assert set(first.errors) == set("abc")
        assert len(np.unique(next(audio_features(root, first)).labels)) == 3
        assert len(np.unique(next(audio_features(root, murmurs)).labels)) == 2

    def test_another_folder(self, tmp_path):
        with pytest.raises(UsageError, match=r"^audio \(--audio\) must be a folder with heart_audio_linear_probe.csv"):
            audio_truths(tmp_path)


class TestBenchHub:
    def test_from_folder_to_standings(self, hub, tmp_path):
        steps = []
        found = bench_hub(
            hub,
            scores=["knn", "disco(cross_fit=5)", "knn+logme", "leep"],
            audio=write_audio(tmp_path / "audio"),
            store=tmp_path / "store",
            values=tmp_path / "values.json",
            n_draws=30,
            on_step=steps.append,
        )
        assert [truth.task for truth in found.truths] == ["stripes", "blobs", "clinic", "clinic_murmurs"]
        names = [each.name for each in found.standings]
        assert names[:4] == ["knn", "disco(cross_fit=5)", "knn+logme", "leep"]
        assert names[4:] == ["random", "static order", "number of parameters", "width of the features"]
        # The wider encoder was the better one on every set.
        size = next(each for each in found.standings if each.name == "number of parameters")
        assert (size.mean_tau, size.regret) == (1.0, 0.0)
        assert found.notes[-1].startswith("ImageNet accuracy is left out: only 0 candidates")
        leep = next(each for each in found.standings if each.name == "leep")
        assert set(leep.left_out) == {"stripes", "blobs", "clinic", "clinic_murmurs"}
        assert "leep" in found.selections["all tasks"].left_out
        assert len(found.ceilings) == 4
        assert "stripes: wide" in steps
        assert found.cells["stripes"]["wide"]["knn"].value is not None
        json.dumps(found.to_dict(), allow_nan=False)

    def test_some_sets_and_encoders(self, hub, tmp_path):
        found = bench_hub(hub, sets=["blobs"], encoders=["wide"], scores=["knn"], store=tmp_path, probe_size=20)
        assert list(found.cells) == ["blobs"]
        assert list(found.cells["blobs"]) == ["wide"]
        assert found.standings[0].mean_tau is None
        assert found.selections == {}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sets": ["cars"]}, "sets (--sets) must be among those with a truth (stripes, blobs), got 'cars'"),
            (
                {"encoders": ["vgg"]},
                "encoders (--encoders) must be among those with a truth (middle, narrow, wide), got 'vgg'",
            ),
        ],
    )
    def test_what_has_no_truth(self, hub, options, message):
        with pytest.raises(UsageError) as caught:
            bench_hub(hub, scores=["knn"], **options)
        assert str(caught.value) == message

    def test_a_broken_encoder_is_noted(self, tmp_path):
        root = write_hub(tmp_path / "hub", n=20)
        (root / "weights" / "narrow.safetensors").write_bytes(b"broken")
        found = bench_hub(root, sets=["blobs"], scores=["knn"], store=tmp_path / "store", n_draws=0)
        assert len(found.failures) == 1
        assert found.failures[0].startswith("narrow on blobs: ")
        assert found.standings[0].left_out["blobs"].startswith("only 2 candidates")


def test_parts_are_combined_across_candidates_as_in_a_ranking():
    # The raw sums order b, c, a; with each part spread over 0 to 1 the order is c, a and b alike.
    parts = {"a": (0.0, 0.9), "b": (100.0, 0.0), "c": (90.0, 0.8)}
    cells = {
        "t": {name: {"ncti": Cell(sum(own), parts=dict(zip("pq", own, strict=True)))} for name, own in parts.items()}
    }
    truth = TaskTruth("t", {"a": 0.5, "b": 0.5, "c": 0.9})
    (found,) = judge_scores(["ncti"], cells, [truth], n_draws=0, seed=0)
    assert found.hit_rate == 1.0
