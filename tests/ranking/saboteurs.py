"""Stand-ins for candidates that break in every way; the address says which. Imported by the candidates' processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hubscout.errors import CandidateError, UnsafeFileError
from hubscout.ranking.records import ScoreEntry, ScoreRecord


def run(job, emit):
    kind, _, argument = job.address.partition(":")
    if kind in ("hang", "stubborn") and argument:
        Path(argument).write_text(str(os.getpid()))
    emit("loaded", 0, len(job.probe), "")
    emit("progress", 4, len(job.probe), "")
    match kind:
        case "good":
            return record(job, float(argument))
        case "raise":
            msg = f"weights of {job.address!r} are missing"
            raise CandidateError(msg)
        case "unsafe":
            msg = "it holds a pickle"
            raise UnsafeFileError(msg)
        case "bug":
            msg = "boom\x1b[2J\nsecond line"
            raise RuntimeError(msg)
        case "abort":
            sys.stdout.write("last words \x1b[31m of the library\n")
            sys.stdout.flush()
            os.abort()
        case "exit":
            os._exit(7)
        case "quit":
            os._exit(0)
        case "system_exit":
            sys.exit(3)
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            while True:
                time.sleep(0.05)
        case "stubborn":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while True:
                time.sleep(0.05)
        case "noisy":
            sys.stdout.write('{"kind": "result", "record": {}}' * 10_000)
            os.write(1, b'{"kind": "result", "record": {}}\n')
            os.write(2, b"x" * 1_000_000)
            return record(job, 1.0)
        case "curious":
            # What a library that asks for consent does; it must see the end of input at once.
            return record(job, float(len(sys.stdin.read())))
        case "fork":
            # A helper that outlives its parent and holds all its pipes open.
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            os.abort()
        case "spawn":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            return record(job, 1.0)
        case "threads":
            return record(job, float(os.environ.get("OMP_NUM_THREADS", "0")))
    raise AssertionError(kind)


def record(job, value):
    return ScoreRecord(job.address, "ranked", scores={"logme": ScoreEntry(value)}, n_features=3)
