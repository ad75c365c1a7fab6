"""verify(): the first candidates of a ranking, really fine-tuned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hubscout.data.task import Task
from hubscout.errors import DataError, MissingExtraError, UnsafeFileError, UsageError
from hubscout.evaluation import verify as module
from hubscout.evaluation.finetune.history import read_history
from hubscout.evaluation.finetune.loop import Session
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import Estimate, mean_interval
from hubscout.evaluation.verification import Verification, VerifiedCandidate
from hubscout.evaluation.verify import NothingVerifiedError, verify
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreEntry, ScoreRecord

RECIPE = Recipe(learning_rates=(1e-3, 1e-2), epochs=3, batch_size=8, patience=None)
PROBE = Recipe(method="linear-probe")


@pytest.fixture
def files(tmp_path):
    """A target and feature files, of which `strong` knows most of the labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    np.savez(tmp_path / "target.npz", labels=labels)
    for name, signal in (("strong", 2.5), ("middle", 1.2), ("weak", 0.0)):
        features = rng.standard_normal((150, 6)) + signal * np.eye(3, 6)[labels]
        np.savez(tmp_path / f"{name}.npz", features=features.astype(np.float32), labels=labels)
    return tmp_path


def ranking_of(addresses, target, **options) -> Ranking:
    """A ranking that puts candidates in the given order; the last one failed."""
    records = [
        ScoreRecord(
            address, "ranked", rank, {"logme": ScoreEntry(1.0 - 0.1 * rank)}, n_parameters=100 * rank, n_features=6
        )
        for rank, address in enumerate(addresses, start=1)
    ]
    failed = ScoreRecord("timm:gone", "failed", reason="gone")
    return Ranking(
        task=Task("target", "classification", "features", ("0", "1", "2")),
        probe=ProbeFacts(150, 150, 0, "all", "f"),
        scores=("logme",),
        records=(*records, failed),
        options={"target": str(target), **options},
        created="2026-11-01T00:00:00+00:00",
    )


@pytest.fixture
def ranking(files):
    return ranking_of([f"features:{files}/{name}.npz" for name in ("middle", "strong", "weak")], files / "target.npz")


class TestOutcome:
    def test_a_wrong_first_is_found_out(self, ranking):
        found = verify(ranking, top=2, recipe=PROBE)
        middle, strong = found.candidates
        assert strong.reached.value > middle.reached.value
        assert (found.best, found.is_first_right, found.is_first_tied) == (strong, False, False)
        assert found.regret.value == pytest.approx(strong.reached.value - middle.reached.value)
        assert 0 < found.regret.low < found.regret.value < found.regret.high
        assert (found.measure, found.score, found.n_others) == ("accuracy", "logme", 1)
        assert (found.n_train, found.n_validation, found.n_test) == (96, 24, 30)
        assert found.ranking_created == "2026-11-01T00:00:00+00:00"

    def test_a_right_first(self, files):
        addresses = [f"features:{files}/{name}.npz" for name in ("strong", "weak")]
        found = verify(ranking_of(addresses, files / "target.npz"), top=5, recipe=PROBE)
        assert (found.is_first_right, found.regret) == (True, Estimate(0.0, 0.0, 0.0, method="t"))
        assert (found.n_others, found.seconds_saved) == (0, 0.0)

    def test_time_saved_goes_by_parameters(self, ranking):
        found = verify(ranking, top=2, recipe=PROBE)
        assert found.seconds_saved == pytest.approx(found.seconds_spent / 300 * 300)
        assert found.seconds_spent == pytest.approx(sum(each.seconds for each in found.candidates))

    def test_a_failure_costs_no_other_candidate(self, files):
        addresses = [f"features:{files}/gone.npz", f"features:{files}/weak.npz"]
        found = verify(ranking_of(addresses, files / "target.npz"), recipe=PROBE)
        gone, weak = found.candidates
        assert (gone.status, gone.reached, weak.status) == ("failed", None, "verified")
        assert "gone.npz" in gone.reason
        assert (found.best, found.is_first_right, found.is_first_tied, found.regret) == (weak, None, None, None)
        assert found.failed == (gone,)

    def test_an_unexpected_error_is_one_line(self, ranking, monkeypatch):
        def fail(*_, **__):
            msg = "  \nfirst line\nsecond line"
            raise RuntimeError(msg)

        monkeypatch.setattr("hubscout.evaluation.finetune.probe.linear_probe", fail)
        with pytest.raises(NothingVerifiedError) as caught:
            verify(ranking, top=1, recipe=PROBE)
        failed = caught.value.verification.candidates[0]
        assert (failed.reason, failed.error_type) == ("RuntimeError: first line", "RuntimeError")
        assert str(caught.value) == (
            f"no candidate could be fine-tuned: {failed.candidate!r} failed because RuntimeError: first line"
        )
        assert caught.value.exit_code == 5

    def test_full_fine_tuning_of_pictures_with_seeds(self, image_address, image_target):
        addresses = [image_address(width=2), image_address(width=12)]
        ranking = ranking_of(addresses, "unused")
        ranking = replace(ranking, task=image_target().task)
        found = verify(
            ranking, image_target(60), test=image_target(40, seed=1), recipe=replace(RECIPE, seeds=(0, 1)), device="cpu"
        )
        assert [each.status for each in found.candidates] == ["verified", "verified"]
        assert found.candidates[0].reached.method == "crossed t"
        assert found.candidates[0].n_epochs == 9  # two rates, and one of them under the other seed
        assert found.test_origin == "test split"

    def test_regression(self, image_address, brightness_target):
        ranking = replace(ranking_of([image_address()], "unused"), task=brightness_target().task)
        found = verify(ranking, brightness_target(), recipe=replace(RECIPE, epochs=6), device="cpu")
        assert found.measure == "R2"
        assert found.candidates[0].reached.low < found.candidates[0].reached.value <= 1


class TestAgain:
    def test_an_interrupted_verification_goes_on(self, image_address, image_target, monkeypatch):
        ranking = replace(ranking_of([image_address(width=2), image_address(width=4)], "x"), task=image_target().task)
        calls = []

        def stop(event):
            calls.append(event.kind)
            if event.kind == "progress" and event.position == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            verify(ranking, image_target(), recipe=RECIPE, device="cpu", on_event=stop)
        assert len(read_history().entries) == 1
        epochs = []
        run_epoch = Session.run_epoch
        monkeypatch.setattr(Session, "run_epoch", lambda self: (epochs.append(1), run_epoch(self))[1])
        verify(ranking, image_target(), recipe=RECIPE, device="cpu")
        assert len(epochs) == 5  # all of the second candidate but its first epoch
        assert len(read_history().entries) == 2


class TestHistory:
    def test_what_joins_it(self, ranking):
        found = verify(ranking, top=2, recipe=PROBE)
        first, second = read_history().entries
        assert (first.candidate, first.value) == (ranking.records[0].candidate, found.candidates[0].reached.value)
        assert (second.scores, second.measure, second.n_train, second.n_test) == ({"logme": 0.8}, "accuracy", 96, 30)
        assert Recipe.from_dict(first.recipe) == PROBE
        verify(ranking, top=2, recipe=PROBE)
        assert len(read_history().entries) == 2

    def test_it_can_be_left_out(self, ranking):
        verify(ranking, top=1, recipe=PROBE, record=False)
        assert read_history().entries == ()


class TestTarget:
    def test_a_ranking_from_a_file(self, ranking, tmp_path):
        ranking.to_json(tmp_path / "r.json")
        assert verify(tmp_path / "r.json", top=1, recipe=PROBE).candidates[0].status == "verified"

    def test_a_target_that_is_gone(self, ranking, tmp_path):
        gone = replace(ranking, options={"target": str(tmp_path / "gone")})
        with pytest.raises(UsageError) as caught:
            verify(gone, recipe=PROBE)
        assert str(caught.value).startswith("the target of the ranking cannot be read (target must be an existing file")
        assert str(caught.value).endswith("name it with target (--target)")
        with pytest.raises(UsageError, match=r"^target \(--target\) must be given, as the ranking does not say"):
            verify(replace(ranking, options={}), recipe=PROBE)

    def test_changed_data_are_told(self, ranking, files):
        np.savez(files / "target.npz", labels=np.arange(120) % 3)
        features = np.random.default_rng(0).standard_normal((120, 6)).astype(np.float32)
        np.savez(files / "middle.npz", features=features, labels=np.arange(120) % 3)
        found = verify(ranking, top=1, recipe=PROBE)
        assert "the target holds 120 samples, and 150 when it was ranked on" in found.notes

    def test_changed_contents_are_told(self, ranking):
        found = verify(ranking, top=1, recipe=PROBE)
        assert "the samples of the target have changed since it was ranked on" in found.notes

    def test_changed_weights_are_told(self, ranking):
        records = (replace(ranking.records[0], identity="sha256:other"), *ranking.records[1:])
        found = verify(replace(ranking, records=records), top=1, recipe=PROBE)
        assert found.candidates[0].notes == ("its weights have changed since the ranking",)


class TestRefusals:
    @pytest.mark.parametrize("top", [0, -1, 1.5, True])
    def test_top(self, ranking, top):
        with pytest.raises(UsageError) as caught:
            verify(ranking, top=top)
        assert str(caught.value) == f"top (--top) must be a whole number of at least 1, got {top!r}"

    def test_an_empty_ranking(self, ranking):
        with pytest.raises(UsageError, match="ranking must hold a ranked candidate, and all 1 failed; rank again"):
            verify(replace(ranking, records=ranking.records[-1:]))

    def test_another_kind_of_task(self, ranking):
        task = Task("boxes", "detection", "image", ("a",))
        with pytest.raises(UsageError, match=r"^verify fine-tunes on classification and regression, got the detection"):
            verify(replace(ranking, task=task))

    def test_pairs_are_read_only(self, ranking):
        task = Task("pairs", "classification", "text", ("a", "b"), is_pair=True)
        with pytest.raises(UsageError) as caught:
            verify(replace(ranking, task=task))
        assert str(caught.value) == (
            "verify takes pairs of texts by --method linear-probe only, got 'full' for the task 'pairs'"
        )

    def test_a_file_makes_no_code_run(self, ranking, tmp_path):
        evil = f"torch:os:mkdir?path={tmp_path}/ran"
        path = ranking_of([evil], tmp_path / "target.npz", trust_remote_code=["os:mkdir"])
        path.to_json(tmp_path / "r.json")
        with pytest.raises(UnsafeFileError) as caught:
            verify(tmp_path / "r.json")
        assert str(caught.value) == (
            f"ranking {str(tmp_path / 'r.json')!r} names code that would run, the factory 'os:mkdir'; if you trust it, "
            "name it: trust_remote_code (--trust-remote-code os:mkdir)"
        )
        assert not (tmp_path / "ran").exists()

    def test_a_trusted_factory_of_a_file(self, image_address, image_target, tmp_path):
        ranking = replace(ranking_of([image_address()], "x"), task=image_target().task)
        ranking.to_json(tmp_path / "r.json")
        found = verify(
            tmp_path / "r.json", image_target(), recipe=replace(RECIPE, epochs=1), device="cpu",
            trust_remote_code=("tiny_factories:pictures",),
        )  # fmt: skip
        assert found.candidates[0].status == "verified"

    def test_features_learn_nothing(self, ranking):
        with pytest.raises(NothingVerifiedError, match="cannot be trained, as features: addresses are only read"):
            verify(ranking, recipe=RECIPE)

    def test_lora_without_peft_is_told_before_anything_is_read(self, ranking, monkeypatch):
        def missing(name, extra, purpose):
            if name == "peft":
                raise MissingExtraError(purpose)

        monkeypatch.setattr(module, "check_installed", missing)
        with pytest.raises(MissingExtraError, match="recipes of method lora"):
            verify(replace(ranking, options={}), recipe=Recipe(method="lora"))

    def test_a_file_that_is_no_ranking(self, tmp_path):
        (tmp_path / "x.json").write_text("{}")
        with pytest.raises(DataError, match="source must hold a ranking of schema"):
            verify(tmp_path / "x.json")


class TestRecords:
    def test_round_trip(self, ranking, tmp_path):
        found = verify(ranking, top=2, recipe=PROBE)
        text = found.to_json(tmp_path / "v.json")
        assert Verification.from_json(tmp_path / "v.json") == Verification.from_json(text) == found

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "does not (JSONDecodeError"),
            ('{"schema": "hubscout.ranking/1"}', "has 'hubscout.ranking/1'"),
            ('{"schema": "hubscout.verification/2"}', "has 'hubscout.verification/2'"),
            ('{"schema": "hubscout.verification/1"}', "does not (KeyError"),
        ],
    )
    def test_refusals(self, text, message):
        with pytest.raises(DataError) as caught:
            Verification.from_json(text)
        assert message in str(caught.value)

    def test_regret_is_paired(self, ranking):
        """On the same samples, so that its interval is narrower than those of the two values suggest."""
        found = verify(ranking, top=2, recipe=PROBE)
        first, best = found.candidates
        assert found.regret.high - found.regret.low < (
            first.reached.high - first.reached.low + best.reached.high - best.reached.low
        )

    def test_ties(self):
        def with_regret(regret):
            candidate = VerifiedCandidate("a", 1, 0.1, "verified", mean_interval(np.array([[0.0, 1.0]])))
            task = Task("t", "classification", "image", ("a", "b"))
            return Verification(task, "accuracy", "logme", PROBE, (candidate,), 2, 2, 2, "test split", "f", regret)

        assert with_regret(Estimate(0.02, -0.01, 0.05)).is_first_tied is True
        assert with_regret(Estimate(0.02, -0.01, 0.05)).is_first_right is False
        assert with_regret(Estimate(0.02, 0.01, 0.03)).is_first_tied is False
        assert with_regret(Estimate(0.0, 0.0, 0.0)).is_first_right is True
