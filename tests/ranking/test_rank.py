"""rank() from end to end, on features that need no model library."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import hubscout
from hubscout.errors import DataError, NothingRankedError, UsageError
from hubscout.ranking import Ranking

SIGNALS = {"strong": 2.0, "weak": 0.6, "none": 0.0}


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    centres = rng.standard_normal((4, 12))
    for name, signal in SIGNALS.items():
        features = rng.standard_normal((120, 12)) + signal * centres[labels]
        np.savez(tmp_path / f"{name}.npz", features=features.astype(np.float32))
    logits = np.eye(4)[labels] * 5
    np.savez(tmp_path / "head.npz", features=features, source_logits=logits)
    np.savez(tmp_path / "target.npz", labels=labels)
    return tmp_path


def addresses(files, *names):
    return [f"features:{files / name}.npz" for name in names]


class TestRank:
    @pytest.mark.parametrize("engine", ["inline", "local"])
    def test_orders_by_the_first_score(self, files, engine):
        found = hubscout.rank(files / "target.npz", addresses(files, "none", "strong", "weak"), engine=engine)
        assert [r.candidate for r in found.records] == addresses(files, "strong", "weak", "none")
        assert [r.rank for r in found.records] == [1, 2, 3]
        assert found.scores[0] == hubscout.RECOMMENDED_SCORE
        best = found.best
        assert (best.n_features, best.status, best.reason) == (12, "ranked", None)
        assert best.identity.startswith("sha256:")
        assert all(entry.value is not None for entry in best.scores.values())
        assert best.seconds > 0

    def test_engines_agree_exactly(self, files):
        runs = [
            hubscout.rank(files / "target.npz", addresses(files, "weak", "head"), scores=["knn", "leep"], engine=engine)
            for engine in ("inline", "local")
        ]
        values = [[(r.candidate, r.value("knn"), r.value("leep")) for r in run.records] for run in runs]
        assert values[0] == values[1]

    def test_values_are_those_of_score(self, files):
        found = hubscout.rank(files / "target.npz", addresses(files, "weak"), scores="disco", engine="inline")
        features = np.load(files / "weak.npz")["features"]
        labels = np.load(files / "target.npz")["labels"]
        expected = hubscout.score(features, labels, scores=["disco"])["disco"]
        assert found.best.value("disco") == pytest.approx(expected, rel=1e-12)

    def test_one_failing_candidate_does_not_stop_the_others(self, files):
        found = hubscout.rank(files / "target.npz", addresses(files, "gone", "weak"))
        assert [r.status for r in found.records] == ["ranked", "failed"]
        assert "gone.npz" in found.records[1].reason

    def test_without_a_source_head_a_candidate_is_unranked_by_leep(self, files):
        found = hubscout.rank(files / "target.npz", addresses(files, "weak", "head"), scores="leep", engine="inline")
        status = [(r.candidate[-8:], r.status) for r in found.records]
        assert status == [("head.npz", "ranked"), ("weak.npz", "unranked")]
        assert found.records[1].reason == "leep has no value: the candidate has no source head"
        assert found.records[0].value("leep") < 0

    def test_nothing_ranked_carries_the_reasons(self, files):
        with pytest.raises(NothingRankedError) as caught:
            hubscout.rank(files / "target.npz", addresses(files, "gone", "lost"), engine="inline")
        assert [r.status for r in caught.value.ranking.records] == ["failed", "failed"]
        address = f"features:{files}/gone.npz"
        assert str(caught.value).startswith(f"no candidate could be ranked: {address!r} failed because ")
        assert str(caught.value).endswith(" (1 more failed)")
        assert caught.value.exit_code == 5

    def test_a_refused_file_is_the_graver_news(self, files):
        np.save(files / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
        with pytest.raises(NothingRankedError) as caught:
            hubscout.rank(files / "target.npz", [f"features:{files}/evil.npy"], engine="inline")
        assert caught.value.ranking.records[0].error_type == "UnsafeFileError"
        assert caught.value.exit_code == 6

    def test_carries_what_is_needed_to_repeat_it(self, files):
        found = hubscout.rank(
            files / "target.npz",
            addresses(files, "weak"),
            scores=["disco", "knn"],
            seed=3,
            probe_size=60,
            score_options={"disco": {"covariance": "identity"}},
            engine="inline",
        )
        assert (found.probe.n, found.probe.n_target, found.probe.seed, len(found.probe.fingerprint)) == (60, 120, 3, 64)
        assert found.options["scores"] == ["disco", "knn"]
        assert found.options["score_options"] == {"disco": {"covariance": "identity"}}
        assert found.options["target"] == str(files / "target.npz")
        assert found.options["device"] == "auto"
        assert found.environment["hubscout"] == hubscout.__version__
        assert found.environment["numpy"] == np.__version__
        assert found.created.endswith("+00:00")
        assert Ranking.from_json(found.to_json()) == found

    def test_score_options_reach_the_score(self, files):
        values = [
            hubscout.rank(
                files / "target.npz",
                addresses(files, "weak"),
                scores="disco",
                score_options={"disco": {"covariance": covariance}},
                engine="inline",
            ).best.value("disco")
            for covariance in ("identity", "shared")
        ]
        assert values[0] != values[1]

    def test_events_tell_the_story(self, files):
        heard = []
        hubscout.rank(files / "target.npz", addresses(files, "weak"), engine="inline", on_event=heard.append)
        kinds = list(dict.fromkeys(event.kind for event in heard))
        assert [kind for kind in kinds if kind != "drawing"] == ["probe", "start", "scoring", "done"]
        probe = next(event for event in heard if event.kind == "probe")
        assert (probe.total, probe.n_candidates, probe.probe.n, probe.task.n_classes) == (120, 1, 120, 4)

    def test_a_target_may_be_loaded_before(self, files):
        target = hubscout.load_target(files / "target.npz")
        found = hubscout.rank(target, addresses(files, "weak"), engine="inline")
        assert found.options["target"] == "target"

    def test_regression(self, tmp_path):
        rng = np.random.default_rng(0)
        features = rng.standard_normal((80, 6))
        np.savez(tmp_path / "f.npz", features=features)
        np.savez(tmp_path / "t.npz", labels=features @ rng.standard_normal(6))
        found = hubscout.rank(tmp_path / "t.npz", f"features:{tmp_path}/f.npz", engine="inline")
        assert found.task.kind == "regression"
        assert found.best.value("knn") is not None


class TestRefusals:
    def test_no_candidates(self, files):
        with pytest.raises(UsageError):
            hubscout.rank(files / "target.npz", [])

    def test_unknown_scheme_stops_before_anything_runs(self, files):
        heard = []
        with pytest.raises(UsageError, match="tim"):
            hubscout.rank(files / "target.npz", ["tim:resnet50"], on_event=heard.append)
        assert heard == []

    def test_unknown_score(self, files):
        with pytest.raises(UsageError, match="disc0"):
            hubscout.rank(files / "target.npz", addresses(files, "weak"), scores=["disc0"])

    def test_one_class(self, tmp_path):
        np.savez(tmp_path / "t.npz", labels=np.zeros(20, int))
        with pytest.raises(DataError):
            hubscout.rank(tmp_path / "t.npz", ["features:x.npz"])


class TestScripts:
    def test_plain_script_without_a_main_guard(self, files):
        script = files / "plain.py"
        script.write_text(
            textwrap.dedent(
                f"""
                import hubscout
                ranking = hubscout.rank({str(files / "target.npz")!r}, {addresses(files, "weak", "strong")!r})
                print(ranking.to_json())
                """
            )
        )
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
        assert [r["rank"] for r in json.loads(done.stdout)["records"]] == [1, 2]

    def test_script_on_standard_input(self, files):
        code = f"import hubscout\nprint(hubscout.rank({str(files / 'target.npz')!r}, {addresses(files, 'weak')!r}))"
        done = subprocess.run(
            [sys.executable, "-"], input=code, capture_output=True, text=True, timeout=120, check=True, cwd=files
        )
        assert done.stdout.startswith("<Ranking on 'target': 1 candidates, 1 ranked by ")
