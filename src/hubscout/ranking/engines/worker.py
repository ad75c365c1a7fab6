"""The child's side of the local engine: one job in on stdin, JSON lines out, nothing else between them.

The job is a pickle made by the parent process a moment ago and handed over on a private pipe; nothing is read
from disk. What comes back is JSON, so that a candidate's library cannot run code in the parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

# Length of the job's pickle, before it on the pipe.
HEADER = struct.Struct("<Q")
_DETAILS = 4000
_SECONDS_BETWEEN_PROGRESS = 0.1


def main() -> None:
    """Run the one job that stands on stdin, and end the process."""
    inbox, outbox = _private_pipes()
    # A shell that starts a job in the background has SIGINT ignored, and that would be inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        runner, job = pickle.loads(_read_job(inbox))  # noqa: S301 - from the parent process itself, over its own pipe
    except Exception as error:
        reason = (
            "the target cannot be handed to a process of its own: "
            f"{type(error).__name__}: {error}; define it in an importable module, or use engine='inline'"
        )
        _send(outbox, {"kind": "undelivered", "message": reason})
        _leave(outbox)
    threading.Thread(target=_die_with_parent, args=(inbox,), daemon=True).start()
    _send(outbox, {"kind": "result", "record": _run(runner, job, outbox)})
    _leave(outbox)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for ourselves, so that a library that prints or asks cannot disturb the talk."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inbox, outbox


def _read_job(inbox: BinaryIO) -> bytes:
    (length,) = HEADER.unpack(inbox.read(HEADER.size))
    return inbox.read(int(length))


def _die_with_parent(inbox: BinaryIO) -> None:
    """Wait for the end of stdin, which comes when the parent ends in whatever way, and end with it."""
    inbox.read()
    os._exit(1)


def _run(runner: Any, job: Any, outbox: BinaryIO) -> dict[str, Any]:
    from hubscout.ranking.candidate import failed_record
    from hubscout.ranking.serialise import record_to_dict

    sent = float("-inf")
    lock = threading.Lock()

    def emit(kind: str, done: int, total: int, message: str) -> None:
        nonlocal sent
        now = time.monotonic()
        with lock:
            if kind == "progress":
                if done < total and now - sent < _SECONDS_BETWEEN_PROGRESS:
                    return
                sent = now
            _send(outbox, {"kind": kind, "done": done, "total": total, "message": message})

    start = time.perf_counter()
    try:
        return {**record_to_dict(runner(job, emit)), "peak_memory": _peak_memory()}
    except Exception as error:
        details = traceback.format_exc()[-_DETAILS:]
        return record_to_dict(failed_record(job, error, time.perf_counter() - start, details))


def _peak_memory() -> int | None:
    """Return the most main memory that this process has held, in bytes; None where the system does not say."""
    # Not `getrusage`, whose peak on Linux begins with that of the process that started this one.
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return None


def _send(outbox: BinaryIO, message: dict[str, Any]) -> None:
    outbox.write(json.dumps(message, allow_nan=False).encode("ascii") + b"\n")
    outbox.flush()


def _leave(outbox: BinaryIO) -> None:
    """End at once: the teardown of native libraries can crash or hang after the result is out."""
    outbox.close()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
