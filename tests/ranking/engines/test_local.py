"""One bad candidate never costs the others."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from hubscout.ranking.engines import EngineOptions, get_engine
from hubscout.ranking.engines.inline import InlineEngine
from hubscout.ranking.engines.local import LocalEngine, child_environment


@pytest.fixture
def saboteurs(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    import saboteurs

    yield saboteurs.run
    sys.modules.pop("saboteurs", None)


@pytest.fixture
def run(saboteurs, job):
    def call(*addresses, workers=2, time_limit=None, on_event=lambda event: None):
        engine = LocalEngine(EngineOptions(workers, time_limit), saboteurs)
        return engine.run([job(address) for address in addresses], on_event)

    return call


def reasons(records):
    return [record.reason for record in records]


class TestFaults:
    def test_any_fault_costs_one_candidate(self, run):
        found = run("raise:", "bug:", "abort:", "exit:", "quit:", "system_exit:", "sigkill:", "good:1.5")
        assert [r.status for r in found] == ["failed"] * 7 + ["ranked"]
        assert found[-1].value("logme") == 1.5
        assert reasons(found)[:-1] == [
            "weights of 'raise:' are missing",
            "RuntimeError: boom\x1b[2J",
            "its process crashed (signal SIGABRT); its last words: 'last words \\x1b[31m of the library'",
            "its process ended without a result (exit status 7)",
            "its process ended without a result (exit status 0)",
            "its process ended without a result (exit status 3)",
            "its process crashed (signal SIGKILL); the system may be out of memory, try a smaller batch size",
        ]
        assert [r.error_type for r in found] == [
            "CandidateError", "RuntimeError", "crash", "crash", "crash", "crash", "crash", None,
        ]  # fmt: skip
        assert "second line" in found[1].details
        assert found[0].details is None

    def test_a_hang_is_ended_at_the_time_limit(self, run):
        hung, good = run("hang:", "good:2", time_limit=4.0)
        assert good.value("logme") == 2.0
        assert hung.error_type == "time_limit"
        assert hung.reason == (
            "it took longer than the time limit of 4 s and was stopped; what was extracted is kept, so run again or "
            "raise the time limit"
        )

    def test_output_of_libraries_does_not_disturb_the_result(self, run):
        (found,) = run("noisy:")
        assert found.value("logme") == 1.0

    def test_standard_input_is_empty(self, run):
        (found,) = run("curious:")
        assert found.value("logme") == 0.0

    @pytest.mark.skipif(not hasattr(os, "waitid"), reason="the orphan is only ended where waitid is there")
    def test_what_a_crash_leaves_running_does_not_hold_us_up(self, run):
        start = time.monotonic()
        found = run("fork:", "spawn:")
        assert time.monotonic() - start < 50
        assert [r.status for r in found] == ["failed", "ranked"]
        assert found[0].reason == "its process crashed (signal SIGABRT)"


class TestEvents:
    def test_every_candidate_tells_its_steps_in_the_callers_thread(self, run):
        heard = []
        run("good:1", "raise:", on_event=lambda event: heard.append((threading.current_thread(), event)))
        assert {thread for thread, _ in heard} == {threading.main_thread()}
        for position, address in ((1, "good:1"), (2, "raise:")):
            mine = [event for _, event in heard if event.position == position]
            assert [event.kind for event in mine] == ["start", "loaded", "progress", "done"]
            assert {event.candidate for event in mine} == {address}
            assert (mine[2].done, mine[2].total, mine[2].n_candidates) == (4, 8, 2)
            assert mine[3].record.candidate == address

    def test_records_come_in_the_order_of_the_jobs(self, run):
        found = run("good:1", "good:2", "good:3", workers=3)
        assert [r.value("logme") for r in found] == [1.0, 2.0, 3.0]

    def test_an_error_of_the_listener_ends_everything(self, run, tmp_path):
        def listen(event):
            if event.kind == "progress":
                msg = "the listener is broken"
                raise ValueError(msg)

        with pytest.raises(ValueError, match="the listener is broken"):
            run(f"hang:{tmp_path / 'pid'}", on_event=listen)
        assert_gone(tmp_path / "pid")


class TestInterrupt:
    @pytest.mark.parametrize("kind", ["hang", "stubborn"])
    def test_children_are_ended(self, run, tmp_path, kind):
        pid = tmp_path / "pid"

        def interrupt():
            wait_for(pid)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run(f"{kind}:{pid}")
        assert_gone(pid)


class TestHandOver:
    def test_samples_of_main_cannot_be_handed_over(self, saboteurs, job, monkeypatch):
        samples = type("Mine", (), {"__module__": "__main__", "__len__": lambda self: 8})()
        mine = job("good:1")
        object.__setattr__(mine.probe, "samples", samples)
        (found,) = LocalEngine(EngineOptions(), saboteurs).run([mine], lambda event: None)
        assert found.error_type == "UsageError"
        assert found.reason == (
            "target must hold samples that another process can read, and 'Mine' cannot be handed over (it is defined "
            "in __main__); define it in an importable module, or use engine='inline'"
        )

    def test_samples_that_do_not_pickle(self, saboteurs, job):
        mine = job("good:1")
        object.__setattr__(mine.probe, "samples", (lambda: 0 for _ in range(1)))
        (found,) = LocalEngine(EngineOptions(), saboteurs).run([mine], lambda event: None)
        assert found.reason.startswith(
            "target must hold samples that another process can read, and 'generator' cannot be handed over (TypeError"
        )

    def test_a_runner_that_the_child_cannot_import(self, job):
        def local(job, emit):
            raise NotImplementedError

        (found,) = LocalEngine(EngineOptions(), local).run([job("good:1")], lambda event: None)
        assert found.status == "failed"


class TestThreads:
    def test_cores_are_shared_by_workers(self, monkeypatch):
        monkeypatch.setattr("hubscout.ranking.engines.local._cores", lambda: 8)
        assert child_environment({}, 3)["OMP_NUM_THREADS"] == "2"
        assert child_environment({}, 100)["MKL_NUM_THREADS"] == "1"
        assert child_environment({"OMP_NUM_THREADS": "5"}, 4)["OMP_NUM_THREADS"] == "5"
        assert "OMP_NUM_THREADS" not in child_environment({}, 1)

    def test_the_child_gets_them(self, run, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        (found,) = run("threads:")
        assert found.value("logme") == 3.0


class TestGetEngine:
    def test_unknown(self):
        with pytest.raises(ValueError, match=r"^engine must be one of inline, local, got 'ray'$"):
            get_engine("ray", EngineOptions())

    @pytest.mark.parametrize("workers", [0, -1, True, 1.5])
    def test_workers(self, workers):
        with pytest.raises(ValueError, match=r"^workers must be at least 1, got (0|-1|True|1\.5); 1 runs"):
            get_engine("local", EngineOptions(workers=workers))

    @pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
    def test_time_limit(self, limit):
        with pytest.raises(ValueError, match=r"^time_limit must be a positive number of seconds or None, got "):
            get_engine("local", EngineOptions(time_limit=limit))


class TestInline:
    def test_errors_become_records(self, saboteurs, job):
        heard = []
        found = InlineEngine(EngineOptions(), saboteurs).run([job("raise:"), job("bug:"), job("good:1")], heard.append)
        assert [r.status for r in found] == ["failed", "failed", "ranked"]
        assert reasons(found)[1] == "RuntimeError: boom\x1b[2J"
        assert [event.kind for event in heard[:4]] == ["start", "loaded", "progress", "done"]


def wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} was never written"
        time.sleep(0.02)


def assert_gone(path):
    wait_for(path)
    pid = int(path.read_text())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")
