"""The parent's side of one candidate's process: start it, feed it, listen, and end it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from hubscout.errors import UsageError
from hubscout.ranking.candidate import CandidateJob, Runner
from hubscout.ranking.engines.worker import HEADER
from hubscout.ranking.records import ScoreRecord
from hubscout.ranking.serialise import record_from_dict

_KEPT_OUTPUT = 16_384
_SHOWN_OUTPUT = 4_000
_GRACE_SECONDS = 5.0

# The child gets this process's own import path, so that a candidate's factory beside the user's script is
# found and the current folder, which could hold a stray numpy.py, is searched only if it is searched here.
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from hubscout.ranking.engines.worker import main; main()"
)


class Child:
    """One candidate's process.

    Parameters
    ----------
    job : CandidateJob
        The candidate.
    runner : callable
        What is done with the job.
    environment : mapping
        Its environment variables.
    time_limit : float or None
        Seconds after which it is ended.
    """

    def __init__(
        self, job: CandidateJob, runner: Runner, environment: Mapping[str, str], time_limit: float | None
    ) -> None:
        self.job = job
        self.time_limit = time_limit
        self._payload = pickle_job(job, runner)
        self._start = time.perf_counter()
        self._output = bytearray()
        self._killed_for: str | None = None
        self._is_reaped = False
        # A session of its own: Ctrl-C reaches this process only, which then ends its children in order.
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [_interpreter(), "-P", "-c", _BOOTSTRAP, json.dumps(_import_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )

    def supervise(self, on_message: Callable[[dict[str, Any]], None]) -> ScoreRecord:
        """Wait for the end of the process, whatever it is.

        Parameters
        ----------
        on_message : callable
            Told each message of the child but the last.

        Returns
        -------
        ScoreRecord
            Its result, or a failed record that says how it ended.
        """
        timer = None
        if self.time_limit is not None:
            timer = threading.Timer(self.time_limit, self.kill, args=("time_limit",))
            timer.daemon = True
            timer.start()
        threading.Thread(target=self._feed, daemon=True).start()
        drain = threading.Thread(target=self._drain, daemon=True)
        reap = threading.Thread(target=self._reap, daemon=True)
        drain.start()
        reap.start()
        try:
            result = self._listen(on_message)
        finally:
            if timer is not None:
                timer.cancel()
        self._end(reap, drain)
        seconds = time.perf_counter() - self._start
        if result is None:
            return self._lost(seconds)
        return result

    def kill(self, reason: str = "interrupted") -> None:
        """End the process and all it started; safe to call from any thread, at any time, more than once."""
        if self._killed_for is None:
            self._killed_for = reason
        if not self._is_reaped:
            self._kill_group()

    def interrupt(self) -> None:
        """Ask the process to end after it has kept the rows that are ready."""
        if not self._is_reaped:
            with contextlib.suppress(OSError):
                self.process.send_signal(signal.SIGINT)

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._is_reaped

    def _kill_group(self) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def _reap(self) -> None:
        """Wait for the process and end what it left behind, which could hold our pipes open for ever."""
        if hasattr(os, "waitid"):
            # While the dead leader is not yet reaped, its number cannot be given to a stranger.
            with contextlib.suppress(OSError):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            self._kill_group()
        self._is_reaped = True
        self.process.wait()

    def _feed(self) -> None:
        """Hand the job over; stdin then stays open, since its end tells the child that we are gone."""
        assert self.process.stdin is not None  # noqa: S101
        # A child that died before it read all is seen by the listener.
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(HEADER.pack(len(self._payload)))
            self.process.stdin.write(self._payload)
            self.process.stdin.flush()
        self._payload = b""

    def _drain(self) -> None:
        """Keep the end of what libraries print: it is the only witness of a crash."""
        assert self.process.stderr is not None  # noqa: S101
        descriptor = self.process.stderr.fileno()
        while chunk := os.read(descriptor, 65_536):
            self._output += chunk
            del self._output[:-_KEPT_OUTPUT]

    def _listen(self, on_message: Callable[[dict[str, Any]], None]) -> ScoreRecord | None:
        assert self.process.stdout is not None  # noqa: S101
        for line in self.process.stdout:
            message = _parse(line)
            if message is None:
                self._output += line
            elif message["kind"] == "result":
                return record_from_dict(message["record"])
            elif message["kind"] == "undelivered":
                return self._failed("UsageError", str(message["message"]), 0.0)
            else:
                on_message(message)
        return None

    def _end(self, reap: threading.Thread, drain: threading.Thread) -> None:
        """Wait for the process, and for its last words; kill what lingers after its result."""
        reap.join(timeout=_GRACE_SECONDS)
        if reap.is_alive():
            self.kill("lingered")
            reap.join()
        drain.join(timeout=_GRACE_SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def _lost(self, seconds: float) -> ScoreRecord:
        status = self.process.returncode
        if self._killed_for == "time_limit":
            limit = f"{self.time_limit:g}"
            reason = (
                f"it took longer than the time limit of {limit} s and was stopped; what was extracted is "
                "kept, so run again or raise the time limit"
            )
            return self._failed("time_limit", reason, seconds)
        if status < 0:
            name = _signal_name(-status)
            hint = "; the system may be out of memory, try a smaller batch size" if name == "SIGKILL" else ""
            return self._failed("crash", f"its process crashed (signal {name}){hint}", seconds)
        reason = f"its process ended without a result (exit status {status})"
        return self._failed("crash", reason, seconds)

    def _failed(self, error_type: str, reason: str, seconds: float) -> ScoreRecord:
        text = self._output.decode("utf-8", errors="replace")[-_SHOWN_OUTPUT:].strip()
        if text and error_type == "crash":
            reason += f"; its last words: {text.splitlines()[-1].strip()[-200:]!r}"
        return ScoreRecord(
            candidate=self.job.address,
            status="failed",
            reason=reason,
            error_type=error_type,
            details=text or None,
            seconds=seconds,
        )


def pickle_job(job: CandidateJob, runner: Runner) -> bytes:
    """Pickle a job for its process.

    Raises
    ------
    UsageError
        When the target's samples cannot be handed to another process.
    """
    kind = type(job.probe.samples)
    problem = None
    if kind.__module__ == "__main__":
        problem = "it is defined in __main__"
    else:
        try:
            return pickle.dumps((runner, job), protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
    msg = (
        f"target must hold samples that another process can read, and {kind.__name__!r} cannot be "
        f"handed over ({problem}); define it in an importable module, or use engine='inline'"
    )
    raise UsageError(msg)


def _interpreter() -> str:
    if not sys.executable:
        msg = "engine must be 'inline' in a program that embeds Python, got 'local'"
        raise UsageError(msg)
    return sys.executable


def _import_path() -> list[str]:
    return [entry or str(os.getcwd()) for entry in sys.path]  # noqa: PTH109 - '' means the folder at this moment


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "kind" in message else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
