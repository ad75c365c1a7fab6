from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.task import Task
from hubscout.ranking.order import order_records
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.trajectory import trajectories

PROBE = ProbeFacts(10, 10, 0, "train", "0" * 64)


def ranking(values: dict[str, float], error: float | None = None, requested: dict[str, str] | None = None) -> Ranking:
    records = [
        ScoreRecord(name, "ranked", scores={"knn": ScoreEntry(value, error)}, requested=(requested or {}).get(name))
        for name, value in values.items()
    ]
    task = Task("t", "classification", "image", ("a", "b"))
    return Ranking(task, PROBE, ("knn",), order_records(records, "knn"))


def weights(step: int) -> str:
    return f"torch:nets:build?weights=run2/step-{step}.safetensors"


class TestTrajectories:
    def test_weights_stand_by_their_step(self):
        (run,) = trajectories(ranking({weights(100): 0.5, weights(9): 0.3, weights(20): 0.6, "timm:resnet18": 0.9}))
        assert run.run == "torch:nets:build?weights=run2/step-*.safetensors"
        assert [each.step for each in run.checkpoints] == [9, 20, 100]
        assert run.best.step == 20
        assert run.settled.step == 20
        assert run.remark() == (
            "torch:nets:build?weights=run2/step-*.safetensors: features stop improving at step 20 of 100; "
            "step 20 is better than the last one by more than the error (knn)"
        )

    def test_revisions_are_known_by_what_was_asked_for(self):
        pinned = {f"hf:a/b@{char * 40}": f"hf:a/b@step{step}" for char, step in (("a", 10), ("b", 5), ("c", 7))}
        values = dict(zip(pinned, (0.9, 0.1, 0.5), strict=True))
        (run,) = trajectories(ranking(values, requested=pinned))
        assert run.run == "hf:a/b@step*"
        assert [each.step for each in run.checkpoints] == [5, 7, 10]
        assert run.remark() == "hf:a/b@step*: features still improve at the last step, 10 (knn)"

    def test_commits_and_other_models_are_no_runs(self):
        assert trajectories(ranking({f"hf:a/b@{'1' * 40}": 0.1, f"hf:a/b@{'2' * 40}": 0.2})) == ()
        assert trajectories(ranking({"timm:resnet18": 0.1, "timm:resnet34": 0.2})) == ()

    def test_numbers_that_are_not_of_training_are_names(self):
        assert trajectories(ranking({"hf:./bert0": 0.1, "hf:./bert1": 0.2, "hf:./bert2": 0.3})) == ()
        assert trajectories(ranking({"timm:local-dir:./vit16": 0.1, "timm:local-dir:./vit32": 0.2})) == ()

    def test_a_number_alone_is_a_step(self):
        names = [f"torch:nets:build?weights=run/{step}.safetensors" for step in (100, 200)]
        (run,) = trajectories(ranking(dict(zip(names, (0.1, 0.2), strict=True))))
        assert [each.step for each in run.checkpoints] == [100, 200]

    def test_of_two_numbers_the_one_that_varies_is_the_step(self):
        (run,) = trajectories(ranking({f"hf:./run3/checkpoint-{step}": 0.1 for step in (1, 2, 3)}))
        assert run.run == "hf:./run3/checkpoint-*"

    def test_rises_within_the_error_do_not_count(self):
        (run,) = trajectories(ranking({weights(1): 0.50, weights(2): 0.60, weights(3): 0.62}, error=0.02))
        assert run.settled.step == 2
        (run,) = trajectories(ranking({weights(1): 0.50, weights(2): 0.60, weights(3): 0.70}, error=0.02))
        assert run.settled.step == 3

    def test_failed_candidates_take_no_part(self):
        whole = ranking({weights(1): 0.5, weights(2): 0.6})
        failed = replace(whole.records[0], status="failed", rank=None)
        assert trajectories(replace(whole, records=(failed, whole.records[1]))) == ()

    @given(st.text(max_size=40))
    def test_any_name_of_a_candidate_is_taken(self, name):
        assert trajectories(ranking({name: 0.5})) == ()


@pytest.mark.parametrize("scores", [(), ("knn",)])
def test_an_empty_ranking_has_none(scores):
    task = Task("t", "classification", "image", ("a", "b"))
    assert trajectories(Ranking(task, PROBE, scores, ())) == ()
