"""The user's own ground truth: never rewritten, readable after any crash, and what it predicts."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hubscout.errors import StoreError, UsageError
from hubscout.evaluation.finetune.history import (
    History,
    HistoryEntry,
    append_history,
    history_path,
    read_history,
)
from hubscout.evaluation.finetune.prediction import predict_accuracy
from hubscout.evaluation.finetune.recipe import Recipe


def entry(number: int = 0, **changes) -> HistoryEntry:
    base = HistoryEntry(
        task="pets\x1b[31m",
        kind="classification",
        measure="accuracy",
        fingerprint="f" * 64,
        candidate=f"timm:net{number}",
        identity=f"sha256:{number}",
        value=0.8,
        low=0.7,
        high=0.9,
        level=0.95,
        n_train=100,
        n_test=50,
        recipe=Recipe().to_dict(),
        setting=1e-3,
        scores={"logme": 0.1 * number},
        n_parameters=1000,
        date="2026-11-01T00:00:00+00:00",
        version="0.1.0",
    )
    return replace(base, **changes)


def write_some(home, first):
    for number in range(first, first + 10):
        append_history(entry(number), home)


class TestFile:
    def test_round_trip_in_order(self, tmp_path):
        assert read_history(tmp_path) == History(tmp_path / "history.jsonl")
        entries = [entry(number) for number in range(3)]
        assert [append_history(each, tmp_path) for each in entries] == [True] * 3
        assert read_history(tmp_path).entries == tuple(entries)

    def test_the_default_place(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HUBSCOUT_HOME", str(tmp_path / "here"))
        assert history_path() == tmp_path / "here" / "history.jsonl"
        append_history(entry())
        assert (tmp_path / "here" / "history.jsonl").stat().st_mode & 0o777 == 0o600

    def test_the_same_fine_tuning_is_told_once_with_the_scores_of_all_rankings(self, tmp_path):
        append_history(entry(), tmp_path)
        assert not append_history(entry(), tmp_path)
        assert append_history(entry(scores={"knn": 0.5}), tmp_path)
        assert append_history(entry(recipe=Recipe(epochs=2).to_dict()), tmp_path)
        found = read_history(tmp_path).entries
        assert [each.scores for each in found] == [{"logme": 0.0, "knn": 0.5}, {"logme": 0.0}]
        assert len((tmp_path / "history.jsonl").read_bytes().splitlines()) == 3

    def test_earlier_lines_are_never_touched(self, tmp_path):
        append_history(entry(0), tmp_path)
        before = (tmp_path / "history.jsonl").read_bytes()
        append_history(entry(1), tmp_path)
        assert (tmp_path / "history.jsonl").read_bytes().startswith(before)


class TestCrashes:
    def test_every_cut_leaves_all_whole_lines_and_can_be_written_on(self, tmp_path):
        for number in range(2):
            append_history(entry(number), tmp_path)
        path = tmp_path / "history.jsonl"
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        for cut in (first + 1, (first + len(whole)) // 2, len(whole) - 1):
            path.write_bytes(whole[:cut])
            # Without its line break the last line may be whole; a line that is not is counted.
            found = read_history(tmp_path)
            assert len(found.entries) + found.n_damaged == 2
            assert found.entries[0] == entry(0)
            append_history(entry(7), tmp_path)
            again = read_history(tmp_path)
            assert again.entries[-1] == entry(7)
            assert len(again.entries) + again.n_damaged == 3

    def test_a_changed_digit_is_noticed(self, tmp_path):
        append_history(entry(), tmp_path)
        path = tmp_path / "history.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"value":0.8', b'"value":0.9'))
        found = read_history(tmp_path)
        assert (found.entries, found.n_damaged) == ((), 1)

    def test_lines_of_a_newer_version_and_of_nobody(self, tmp_path):
        append_history(entry(), tmp_path)
        path = tmp_path / "history.jsonl"
        newer = json.dumps({"schema": "hubscout.history/2", "value": "?"}).encode()
        path.write_bytes(path.read_bytes() + newer + b"\n[1]\n\xff\xfe\n" + b"[" * 100_000 + b"\n")
        found = read_history(tmp_path)
        assert (len(found.entries), found.n_newer, found.n_damaged) == (1, 1, 3)

    def test_two_writers(self, tmp_path):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write_some, (tmp_path, tmp_path), (0, 10)))
        found = read_history(tmp_path)
        assert (len(found.entries), found.n_damaged) == (20, 0)

    def test_a_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "home").write_text("")
        with pytest.raises(StoreError, match="check that folder, or set HUBSCOUT_HOME"):
            append_history(entry(), tmp_path / "home")


def history_of(x, y, task=None) -> History:
    task = np.zeros(len(x), int) if task is None else task
    return History(
        None,
        tuple(
            entry(i, scores={"logme": float(a)}, value=float(b), fingerprint=str(t))
            for i, (a, b, t) in enumerate(zip(x, y, task, strict=True))
        ),
    )


class TestPrediction:
    def test_against_the_textbook_formula(self):
        rng = np.random.default_rng(0)
        x = rng.uniform(0, 1, 12)
        y = 0.5 + 0.3 * x + 0.02 * rng.standard_normal(12)
        (found,) = predict_accuracy(history_of(x, y), [0.6], score="logme", level=0.9)
        line = stats.linregress(x, y)
        residual = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 10)
        half = stats.t.ppf(0.95, 10) * residual * np.sqrt(1 + 1 / 12 + (0.6 - x.mean()) ** 2 / (12 * x.var()))
        middle = line.intercept + line.slope * 0.6
        assert (found.value, found.low, found.high) == pytest.approx((middle, middle - half, middle + half))
        assert (found.n_pairs, found.n_tasks, found.is_extrapolated, found.reason) == (12, 1, False, None)

    def test_coverage(self):
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(500):
            x = rng.uniform(0, 1, 11)
            y = 0.4 + 0.3 * x + 0.03 * rng.standard_normal(11)
            (found,) = predict_accuracy(history_of(x[:10], y[:10]), [x[10]], score="logme")
            hits += found.low <= y[10] <= found.high
        assert 0.87 <= hits / 500 <= 0.93

    def test_other_tasks_on_other_scales_widen_the_interval(self):
        rng = np.random.default_rng(0)
        task = np.repeat(np.arange(3), 6)
        x = rng.uniform(0, 1, 18)
        y = 0.3 + 0.2 * x + np.array([0.0, 0.2, 0.4])[task]
        pooled = predict_accuracy(history_of(x, y), [0.5], score="logme")[0]
        clustered = predict_accuracy(history_of(x, y, task), [0.5], score="logme")[0]
        assert clustered.high - clustered.low > 1.2 * (pooled.high - pooled.low)
        assert clustered.n_tasks == 3

    def test_a_falling_line_is_held_level(self):
        x = np.linspace(0, 1, 10)
        low, high = predict_accuracy(history_of(x, 0.9 - 0.3 * x), [0.0, 1.0], score="logme")
        assert low.value == high.value == pytest.approx(0.75)

    def test_within_zero_and_one_and_told_when_outside(self):
        x = np.linspace(0, 1, 10)
        (found,) = predict_accuracy(history_of(x, 0.5 + 0.45 * x), [3.0], score="logme")
        assert (found.value, found.high, found.is_extrapolated) == (1.0, 1.0, True)

    def test_nothing_is_said_where_nothing_is_known(self):
        x = np.linspace(0, 1, 7)
        few = predict_accuracy(history_of(x, x), [0.5, None], score="logme")
        assert [each.value for each in few] == [None, None]
        assert few[0].reason == "a prediction needs at least 8 past fine-tunings with logme, and the history has 7"
        same = predict_accuracy(history_of(np.ones(9), np.linspace(0, 1, 9)), [0.5], score="logme")[0]
        assert same.reason == "all past values of logme are equal"
        other = predict_accuracy(history_of(x, x), [0.5], score="disco")[0]
        assert (other.n_pairs, other.value) == (0, None)
        ready = predict_accuracy(history_of(np.linspace(0, 1, 9), np.linspace(0, 1, 9)), [None], score="logme")[0]
        assert ready.reason == "the candidate has no value of the score"

    def test_other_measures_and_methods_are_left_out(self):
        x = np.linspace(0, 1, 9)
        history = history_of(x, x)
        assert predict_accuracy(history, [0.5], score="logme", measure="R2")[0].n_pairs == 0
        assert predict_accuracy(history, [0.5], score="logme", method="linear-probe")[0].n_pairs == 0
        probe = replace(history.entries[0], recipe={"method": "linear-probe"}, value=0.0)
        mixed = replace(history, entries=(*history.entries, probe))
        assert predict_accuracy(mixed, [0.5], score="logme") == predict_accuracy(history, [0.5], score="logme")

    def test_level(self):
        with pytest.raises(UsageError, match="level must be a share between 0 and 1, got 0"):
            predict_accuracy(History(None), [0.5], score="logme", level=0)
