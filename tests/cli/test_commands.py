"""The smaller commands, and what all have in common."""

from __future__ import annotations

import json
from typing import get_args

import pytest

import hubscout as library
from hubscout._typing import TaskKind
from hubscout.cli.commands import repeat_option
from hubscout.scores import FEATURE_INVARIANCES, INVARIANCES, get_spec, list_scores


class TestRoot:
    def test_version(self, hubscout):
        done = hubscout("--version")
        assert (done.code, done.out) == (0, f"hubscout {library.__version__}\n")

    def test_help_on_stdout(self, hubscout):
        done = hubscout("--help")
        assert done.code == 0
        for command in ("rank", "score", "scores", "models", "demo", "cache"):
            assert f"\n  {command} " in done.out

    def test_nothing_is_wrong_usage(self, hubscout):
        done = hubscout()
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Usage: hubscout")

    def test_unknown_command(self, hubscout):
        done = hubscout("bogus")
        assert (done.code, done.err) == (2, "hubscout: error: No such command 'bogus'; see `hubscout --help`\n")

    @pytest.mark.parametrize("command", ["rank", "score", "scores", "models", "demo", "cache"])
    def test_every_command_has_help(self, hubscout, command):
        done = hubscout(command, "--help")
        assert done.code == 0
        assert done.out.startswith(f"Usage: hubscout {command}")


class TestScores:
    def test_table_names_every_score(self, hubscout):
        done = hubscout("scores")
        assert done.code == 0
        for name in list_scores():
            assert f" {name} " in done.out
        assert f"{library.RECOMMENDED_SCORE} *" in done.out

    def test_task(self, hubscout):
        assert hubscout("scores", "--task", "clustering").code == 2
        for kind in get_args(TaskKind):
            done = hubscout("scores", "--task", kind, "--json", "-")
            assert [each["name"] for each in json.loads(done.out)["scores"]] == list_scores(kind)

    @pytest.mark.parametrize(
        ("score", "said"),
        [
            ("disco", "features, labels  all"),
            ("h_score", "features, labels  all but regression"),
            ("gbc", "features, labels  all but multilabel and regression"),
            ("leep", "source head       classification"),
        ],
    )
    def test_kinds_of_task(self, hubscout, monkeypatch, score, said):
        monkeypatch.setenv("COLUMNS", "300")
        table, _ = hubscout("scores").out.split("is invariant to")
        assert next(line for line in table.splitlines() if line.split()[:1] == [score]).rstrip().endswith(said)

    @pytest.mark.parametrize(
        ("score", "said"),
        [
            ("logme", "detection (sum of classes and boxes)"),
            ("etran", "detection (sum of classes, boxes and energy)"),
            ("h_score", "detection (classes alone)"),
            ("rankme", "detection (neither classes nor boxes)"),
        ],
    )
    def test_what_of_boxes_a_score_reads(self, hubscout, monkeypatch, score, said):
        monkeypatch.setenv("COLUMNS", "300")
        assert said in hubscout("scores", score).out

    def test_json_is_the_record(self, hubscout):
        document = json.loads(hubscout("scores", "--json", "-").out)
        assert document["schema"] == "hubscout.score_specs/1"
        assert document["recommended"] == library.RECOMMENDED_SCORE
        disco = next(each for each in document["scores"] if each["name"] == "disco")
        spec = get_spec("disco")
        assert disco["reference"] == spec.reference
        assert disco["needs"] == sorted(spec.needs)
        assert "function" not in disco

    @pytest.mark.parametrize("width", ["75", "80", "160"])
    def test_table_of_invariances(self, hubscout, monkeypatch, width):
        monkeypatch.setenv("COLUMNS", width)
        out = hubscout("scores").out
        lines = out[out.index("is invariant to") :].splitlines()
        rows = {line.split()[0]: line.split()[1:] for line in lines[2 : 2 + len(list_scores())]}
        assert list(rows) == list_scores()
        for name, cells in rows.items():
            spec = get_spec(name)
            shown = [each for each in INVARIANCES if "features" in spec.needs or each not in FEATURE_INVARIANCES]
            assert cells == ["yes" if each in spec.invariances else "no" for each in shown], name

    def test_one_score_in_full(self, hubscout):
        done = hubscout("scores", "disco")
        assert done.out.startswith("disco: DISCO\n")
        assert "arXiv:2412.19085" in done.out

    def test_unknown(self, hubscout):
        done = hubscout("scores", "dicso")
        assert (done.code, done.out) == (2, "")
        assert "'dicso'" in done.err


class TestScore:
    def test_table(self, hubscout, files):
        done = hubscout("score", files / "strong.npz", "--scores", "disco,leep")
        assert done.code == 0
        assert done.out.splitlines()[0] == (f"{files}/strong.npz: classification, 60 samples x 8 features, 3 classes")
        assert "leep: source_probs must be given" in done.out

    def test_json(self, hubscout, files):
        done = hubscout(
            "score", files / "strong.npz", "--scores", "disco", "--option", "disco.n_groups=2", "--json", "-"
        )
        document = json.loads(done.out)
        assert document["schema"] == "hubscout.scores/1"
        assert document["scores"]["disco"]["value"] > 0.5
        null = document["scores"]["disco"]["null"]
        assert null["method"] == "permutation"
        distance = document["scores"]["disco"]["value"] - null["mean"]
        assert document["scores"]["disco"]["z"] == pytest.approx(distance / null["standard_deviation"])
        assert document["scores"]["disco"]["z"] > 4

    def test_no_signal_is_beside_the_value(self, hubscout, files):
        done = hubscout("score", files / "strong.npz", "--scores", "h_score")
        assert "no signal" in done.out
        assert "in random order" in done.out
        assert done.err == ""
        document = json.loads(hubscout("score", files / "strong.npz", "--scores", "h_score", "--json", "-").out)
        null = document["scores"]["h_score"]["null"]
        assert f" {null['mean']:.3f} ~{null['standard_deviation']:.2g} " in done.out

    def test_without_null_references(self, hubscout, files):
        done = hubscout("score", files / "strong.npz", "--scores", "h_score", "--null-draws", "0", "--json", "-")
        assert json.loads(done.out)["scores"]["h_score"]["null"] is None
        assert "no signal" not in hubscout("score", files / "strong.npz", "--null-draws", "0").out

    def test_one_draw_is_refused(self, hubscout, files):
        done = hubscout("score", files / "strong.npz", "--null-draws", "1")
        assert (done.code, done.out) == (2, "")
        assert done.err == "hubscout: error: null_draws must be 0 or at least 2, got 1; one draw has no spread\n"

    def test_cross_fitting_is_an_option(self, hubscout, files):
        plain, fitted = (
            json.loads(hubscout("score", files / "strong.npz", "--scores", "disco", *more, "--json", "-").out)
            for more in ((), ("--option", "disco.cross_fit=5"))
        )
        assert fitted["scores"]["disco"]["value"] < plain["scores"]["disco"]["value"]

    def test_label_embeddings_come_from_the_file(self, hubscout, files):
        import numpy as np

        with np.load(files / "strong.npz") as arrays:
            embeddings = np.random.default_rng(0).standard_normal((3, 5))
            np.savez(files / "embedded.npz", **arrays, label_embeddings=embeddings)
        plain, embedded = (
            json.loads(hubscout("score", files / f"{name}.npz", "--scores", "all", "--json", "-").out)["scores"]
            for name in ("strong", "embedded")
        )
        assert "emms" not in plain
        assert embedded["emms"]["value"] is not None

    def test_no_value_at_all_is_5(self, hubscout, files):
        assert hubscout("score", files / "strong.npz", "--scores", "leep").code == 5

    def test_no_labels_is_4(self, hubscout, tmp_path):
        import numpy as np

        np.savez(tmp_path / "f.npz", features=np.zeros((4, 2)))
        done = hubscout("score", tmp_path / "f.npz")
        assert done.code == 4
        assert done.err == (
            f"hubscout: error: the file {str(tmp_path / 'f.npz')!r} must hold an array 'labels', got none; add it or "
            "give --labels FILE.npy\n"
        )

    def test_labels_of_their_own(self, hubscout, files):
        import numpy as np

        np.save(files / "y.npy", np.arange(60) % 2)
        done = hubscout("score", files / "strong.npz", "--labels", files / "y.npy", "--scores", "knn")
        assert ", 2 classes" in " ".join(done.out.split())  # a long path folds the line

    def test_missing_file_is_4(self, hubscout, tmp_path):
        done = hubscout("score", tmp_path / "no.npz")
        assert done.code == 4
        assert done.err.count("\n") == 1


class TestModels:
    def test_one_address_a_line(self, hubscout):
        done = hubscout("models", "bundled:*")
        assert done.code == 0
        lines = done.out.splitlines()
        assert lines == library.list_models("bundled:*")
        assert all(line.startswith("bundled:") for line in lines)

    def test_several_patterns_without_repetitions(self, hubscout):
        first = library.list_models("bundled:*")[0]
        assert hubscout("models", first, first).out == f"{first}\n"


class TestCache:
    def test_empty(self, hubscout, tmp_path):
        done = hubscout("cache")
        assert (done.code, done.out) == (0, f"{library_root(tmp_path)}: 0 entries, 0 B\n")

    def test_json(self, hubscout, tmp_path):
        document = json.loads(hubscout("cache", "show", "--json", "-").out)
        assert document == {"schema": "hubscout.cache/1", "root": library_root(tmp_path), "entries": []}

    def test_prune_needs_a_rule(self, hubscout):
        done = hubscout("cache", "prune")
        assert (done.code, done.err) == (
            2,
            "hubscout: error: cache prune needs a rule, got none; give --older-than 30d, --max-size 20GB or --all\n",
        )

    def test_prune(self, hubscout):
        done = hubscout("cache", "prune", "--older-than", "30d", "--max-size", "1GB")
        assert (done.code, done.out) == (0, "removed 0 entries, 0 B\n")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                ["--older-than", "soon"],
                "--older-than must be a number with a unit of s, m, h, d or w, such as 30d, got 'soon'",
            ),
            (
                ["--max-size", "big"],
                "--max-size must be a number with a unit of B, kB, MB, GB or TB, such as 20GB, got 'big'",
            ),
        ],
    )
    def test_bad_rules(self, hubscout, words, message):
        done = hubscout("cache", "prune", *words)
        assert (done.code, done.err) == (2, f"hubscout: error: {message}\n")


def library_root(tmp_path):
    from hubscout.features import FeatureStore

    return str(FeatureStore().root)


class TestRepeatOption:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["t", "--models", "a"], ["t", "--models", "a"]),
            (["t", "--models", "a", "b", "-q"], ["t", "--models", "a", "--models", "b", "-q"]),
            (["t", "--models", "a", "--models", "b", "c"], ["t", "--models", "a", "--models", "b", "--models", "c"]),
            (["t", "--models=a", "b"], ["t", "--models=a", "b"]),
            (["t", "--models", "a", "--", "b"], ["t", "--models", "a", "--", "b"]),
            (["t", "--models", "--seed", "1"], ["t", "--models", "--seed", "1"]),
            (["--seed", "1", "t", "--models", "a", "-"], ["--seed", "1", "t", "--models", "a", "--models", "-"]),
        ],
    )
    def test_writes_out_what_is_meant(self, words, expected):
        assert repeat_option(words, ["--models"]) == expected
