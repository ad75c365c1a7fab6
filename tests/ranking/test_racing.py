"""The stopping rule on candidates whose true order is known, and a race from end to end on files of features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hubscout
from hubscout.data.task import Probe, Task
from hubscout.errors import UsageError
from hubscout.ranking import Ranking
from hubscout.ranking.candidate import CandidateJob
from hubscout.ranking.evidence import Evidence
from hubscout.ranking.racing import RacePlan, race, race_sizes
from hubscout.ranking.records import ScoreEntry, ScoreRecord
from hubscout.ranking.rounds import passes

N = 2048


class Numbers:
    """Samples that are their own position."""

    def __init__(self, rows):
        self.rows = np.asarray(rows)

    def __len__(self):
        return len(self.rows)

    def content(self, index):
        return int(self.rows[index]).to_bytes(8, "little")

    def subset(self, rows):
        return Numbers(self.rows[rows])


class Table:
    """An engine whose candidates are rows of a table of terms, one a sample."""

    def __init__(self, terms, fails=(), without_errors=()):
        self.terms, self.fails, self.without_errors = terms, fails, without_errors

    def run(self, jobs, on_event):
        return [self.one(job) for job in jobs]

    def one(self, job):
        if job.address in self.fails:
            return ScoreRecord(job.address, "failed", reason="it broke")
        terms = self.terms[int(job.address)][job.nested.positions]
        evidence = None if job.address in self.without_errors else Evidence(terms, "samples")
        error = None if evidence is None else evidence.standard_error
        entry = ScoreEntry(float(terms.mean()), error)
        return ScoreRecord(
            job.address, "ranked", scores={"logme": entry}, requested=job.address, evidence=evidence, seconds=1.0
        )


def run(terms, plan=None, seed=0, **facts):
    n = terms.shape[1]
    task = Task("numbers", "classification", "features", ("a", "b"))
    probe = Probe(task, Numbers(np.arange(n)), np.arange(n) % 2, np.arange(n), "", n, seed, "all")
    job = CandidateJob(address="", probe=probe, scores=("logme",))
    engine = Table(terms, **facts)
    names = [str(each) for each in range(len(terms))]
    return race(job, names, lambda limit: engine, lambda event: None, plan or RacePlan(first_size=256))


def problem(seed, gaps, noise=1.0, shared=1.0):
    """Draw terms with a shared part, as candidates on the same samples have."""
    rng = np.random.default_rng(seed)
    common = shared * rng.standard_normal(N)
    return common - np.asarray(gaps)[:, None] + noise * rng.standard_normal((len(gaps), N))


class TestStoppingRule:
    def test_never_drops_the_best_of_close_ones(self):
        gaps = [0.0, *[0.02] * 5]  # a fifth of the error at the first size: the hardest case of all
        lost = sum(run(problem(seed, gaps), seed=seed)[0][0].status == "unranked" for seed in range(200))
        assert lost <= 0.05 * 200

    def test_keeps_equal_ones(self):
        # each of them is the best, and at most one in twenty may go
        kept = [
            record.status == "ranked" for seed in range(100) for record in run(problem(seed, [0.0] * 6), seed=seed)[0]
        ]
        assert np.mean(kept) >= 0.95

    def test_saves_passes_where_gaps_are_wide(self):
        gaps = np.linspace(0, 3, 12)
        records, rounds = run(problem(0, gaps))
        assert [record.status for record in records] == ["ranked", *["unranked"] * 11]
        assert passes(rounds) < 0.4 * 12 * N
        assert rounds[0].n_samples == 256
        assert rounds[-1].n_samples < N  # one was left, and the race was over

    def test_binary_terms_are_safe_too(self):
        lost = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            rates = np.array([0.9, 0.88, 0.88, 0.88, 0.5])
            terms = (rng.random((5, N)) < rates[:, None]).astype(float)
            lost += run(terms, seed=seed)[0][0].status == "unranked"
        assert lost <= 10


class TestRecords:
    def test_say_what_went_and_why(self):
        records, rounds = run(problem(0, [0.0, 0.01, 2.0]))
        assert records[2].status == "unranked"
        assert records[2].n_samples == 256
        assert records[2].reason.startswith("it was dropped after 256 of 2048 samples: its logme is 1.9")
        assert records[2].reason.endswith("so it is surely not the best")
        assert rounds[0].dropped == ("2",)
        assert [each.n_samples for each in rounds] == [256, 512, 1024, 2048]
        assert [each.n_new for each in rounds] == [256, 256, 512, 1024]
        assert [record.n_samples for record in records[:2]] == [2048, 2048]
        assert rounds[0].level == pytest.approx(0.05 / (4 * 2))

    def test_a_failed_candidate_runs_once(self):
        records, rounds = run(problem(0, [0.0, 0.0, 0.0]), fails=("1",))
        assert records[1].reason == "it broke"
        assert rounds[0].dropped == ("1",)
        assert rounds[1].candidates == ("0", "2")

    def test_without_an_error_nobody_goes(self):
        records, _ = run(problem(0, [0.0, 5.0]), without_errors=("1",))
        assert [record.n_samples for record in records] == [N, N]

    def test_a_budget_ends_it_after_the_first_round(self):
        records, rounds = run(problem(0, [0.0, 0.01]), RacePlan(budget=1e-9, first_size=256))
        assert len(rounds) == 1
        assert [record.status for record in records] == ["ranked", "ranked"]
        assert {record.n_samples for record in records} == {256}

    def test_a_round_that_the_budget_stopped_does_not_count(self):
        class Slow(Table):
            def run(self, jobs, on_event):
                found = super().run(jobs, on_event)
                late = len(jobs[0].nested.blocks) > 1
                return [replace(each, status="failed", error_type="time_limit") for each in found] if late else found

        terms = problem(0, [0.0, 0.01])
        task = Task("numbers", "classification", "features", ("a", "b"))
        probe = Probe(task, Numbers(np.arange(N)), np.arange(N) % 2, np.arange(N), "", N, 0, "all")
        job = CandidateJob(address="", probe=probe, scores=("logme",))
        limits = []

        def engine(limit):
            limits.append(limit)
            return Slow(terms)

        records, rounds = race(job, ["0", "1"], engine, lambda event: None, RacePlan(budget=1000.0, time_limit=3600.0))
        assert len(rounds) == 1
        assert [record.status for record in records] == ["ranked", "ranked"]
        assert all(limit <= 1000.0 for limit in limits)


class TestSizes:
    @pytest.mark.parametrize(
        ("n", "n_classes", "expected"),
        [(5000, 10, (256, 512, 1024, 2048, 5000)), (5000, 1000, (5000,)), (300, 3, (256, 300)), (100, 2, (100,))],
    )
    def test_double(self, n, n_classes, expected):
        assert race_sizes(n, n_classes, 256) == expected


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 4
    centres = rng.standard_normal((4, 12))
    for place, signal in enumerate([1.5, 0.7, 0.3, 0.0]):
        features = rng.standard_normal((1200, 12)) + signal * centres[labels]
        np.savez(tmp_path / f"{place}.npz", features=features.astype(np.float32))
    np.savez(tmp_path / "target.npz", labels=labels)
    return tmp_path


class TestRank:
    @pytest.mark.parametrize("engine", ["inline", "local"])
    def test_a_race_finds_the_first_of_the_whole(self, files, engine):
        addresses = [f"features:{files / str(place)}.npz" for place in (2, 0, 3, 1)]
        whole = hubscout.rank(files / "target.npz", addresses, scores="logme", engine="inline")
        raced = hubscout.rank(files / "target.npz", addresses, scores="logme", engine=engine, race=True)
        assert raced.best.candidate == whole.best.candidate
        assert len(raced.records) == 4
        assert raced.rounds[0].dropped
        assert all("surely not the best" in record.reason for record in raced.not_ranked)
        assert {record.error_type for record in raced.not_ranked} == {"dropped"}
        seen = [record.n_samples for record in raced.not_ranked]
        assert seen == sorted(seen, reverse=True)
        assert Ranking.from_json(raced.to_json()) == raced
        assert whole.rounds == ()

    def test_all_samples_give_the_value_of_no_race(self, files):
        pair = [f"features:{files / '3'}.npz"] * 1 + [f"features:{files / '2'}.npz"]
        np.savez(files / "2.npz", features=np.load(files / "3.npz")["features"])
        plain = hubscout.rank(files / "target.npz", pair, scores="logme", engine="inline")
        raced = hubscout.rank(files / "target.npz", pair, scores="logme", engine="inline", race=True)
        assert raced.best.n_samples == 1200
        assert raced.best.value("logme") == pytest.approx(plain.best.value("logme"), rel=1e-9)

    def test_a_budget_is_a_race(self, files):
        found = hubscout.rank(
            files / "target.npz", f"features:{files / '0'}.npz", scores="logme", engine="inline", budget="10m"
        )
        assert len(found.rounds) == 1

    @pytest.mark.parametrize("budget", ["soon", 0, "-1m", True])
    def test_a_budget_must_be_a_time(self, files, budget):
        with pytest.raises(UsageError, match=r"^budget \(--budget\) must be a number above 0, alone or with one of us"):
            hubscout.rank(files / "target.npz", f"features:{files / '0'}.npz", budget=budget)


def test_nobody_is_dropped_by_the_whole_probe(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 60)
    np.savez(tmp_path / "labels.npz", labels=labels)
    for name, signal in (("good", 4.0), ("bad", 0.0)):
        features = rng.standard_normal((120, 6)) + signal * labels[:, None]
        np.savez(tmp_path / f"{name}.npz", features=features, labels=labels)
    candidates = [f"features:{tmp_path}/{name}.npz" for name in ("bad", "good")]
    ranking = hubscout.rank(tmp_path / "labels.npz", candidates, scores="knn", race=True, engine="inline")
    assert [record.rank for record in ranking.records] == [1, 2]
