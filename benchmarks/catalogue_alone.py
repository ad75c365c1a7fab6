"""Each score alone: its seconds against the published way, and its memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from peak_memory import peak_above
from problem import Problem, attempt, draw
from published_packages import ESTIMATORS, transformer_ranker
from published_parts import Extrapolated
from published_ways import WAYS
from scores import seconds

TARGETS = {"h_score": 20.0, "logme": 3.0, "parc": 10.0, "nleep": 10.0, "sfda": 3.0, "disco": 10.0}
AT_LEAST = 1.0
MEGABYTES = 300
# Calls shorter than this are repeated, as long as they take no longer than this together.
_SHORT = 2.0


def peak_of(function: Callable[[], object]) -> int:
    """Return the peak memory of a call, with what earlier calls have freed given back to the system first."""
    gc.collect()
    # Another C library has no such call: the figure is then too low where freed memory is used again.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return peak_above(function)


def warm_up(names: list[str]) -> None:
    """Run each score and its published way on a few samples, so that no import is timed."""
    few = draw(400, 70, 3, 8)
    for name in names:
        attempt(f"{name} on few samples", lambda name=name: few.value(name))
        if name in WAYS:
            attempt(f"the published {name} on few samples", lambda name=name: _published(few, name))


def _ours(problem: Problem, name: str) -> tuple[float, int]:
    """Return the median seconds of one score from nothing, and its peak memory."""
    taken: list[float] = []
    peak = peak_of(lambda: taken.append(seconds(lambda: problem.value(name))))
    if taken[0] < _SHORT:
        first, taken = taken[0], []
        while len(taken) < 5 and sum(taken) + first < _SHORT:
            taken.append(seconds(lambda: problem.value(name)))
    return statistics.median(taken) if taken else first, peak


def _published(problem: Problem, name: str) -> tuple[float, str]:
    """Return the seconds of the published way, and what of it was not run."""
    start = time.perf_counter()
    found = WAYS[name](problem.features, problem.labels, problem.source_probs)
    elapsed = time.perf_counter() - start
    if isinstance(found, Extrapolated):
        return elapsed + found.more_seconds, f"extrapolated: {found.note}"
    return elapsed, ""


def alone(problem: Problem, names: list[str], budget: float, *, is_judged: bool) -> dict[str, Any]:
    """Print a line a score: seconds, ratio to the published way, peak memory.

    Parameters
    ----------
    problem : Problem
    names : list of str
    budget : float
        Seconds for the published ways together; those not begun by then are left out.
    is_judged : bool
        Whether to say which ratios are too low: the aims are for the full size.
    """
    print(f"\n(b, c) each score alone, from arrays; memory above the features (under {MEGABYTES} MB)")
    print(f"  {'score':17}{'hubscout s':>11}{'published s':>12}{'ratio':>8}{'at least':>9}{'peak MB':>9}")
    found, spent = {}, 0.0
    for name in [*(name for name in WAYS if name in names), *(name for name in names if name not in WAYS)]:
        ours = attempt(f"hubscout's {name}", lambda name=name: _ours(problem, name))
        if ours is None:
            continue
        line: dict[str, Any] = {"seconds": ours[0], "peak_mb": ours[1] / 2**20}
        target, note = TARGETS.get(name, AT_LEAST), "no published way here"
        if name in WAYS and spent >= budget:
            note = f"out of time; --only b --scores {name}"
        elif name in WAYS:
            start = time.perf_counter()
            theirs = attempt(f"the published {name}", lambda name=name: _published(problem, name))
            spent += time.perf_counter() - start
            note = "the published way failed"
            if theirs is not None:
                note = theirs[1]
                line |= {"published_seconds": theirs[0], "ratio": theirs[0] / ours[0], "target": target, "note": note}
        ratio, published = line.get("ratio"), line.get("published_seconds")
        shown = f"{published:12.3f}{ratio:8.1f}" if ratio else f"{'-':>12}{'-':>8}"
        missed = ["MISSED"] if is_judged and ratio is not None and ratio < target else []
        missed += ["TOO MUCH MEMORY"] if line["peak_mb"] > MEGABYTES else []
        remark = "; ".join([*missed, *([note] if note else [])])
        print(f"  {name:17}{ours[0]:11.4f}{shown}{target:9.0f}{line['peak_mb']:9.0f}  {remark}", flush=True)
        found[name] = line
    return found


def packages(problem: Problem, names: list[str], ours: dict[str, Any]) -> dict[str, Any]:
    """Print the seconds of transformer-ranker's estimators beside those measured before."""
    estimators = transformer_ranker()
    if not estimators:
        print("  transformer-ranker is not installed, so its estimators are not timed")
        return {}
    found = {}
    for name in (name for name in ESTIMATORS if name in names):
        run = estimators[name]
        if isinstance(run, str):
            print(f"  transformer-ranker's {ESTIMATORS[name][1]}: {run}", flush=True)
            continue
        # Its framework sets up its threads on the first call.
        attempt(f"transformer-ranker's {name}", lambda run=run: run(problem.features[:500], problem.labels[:500]))
        taken = attempt(
            f"transformer-ranker's {name}",
            lambda run=run: seconds(lambda: run(problem.features, problem.labels)),
        )
        if taken is None or name not in ours:
            continue
        ratio = taken / ours[name]["seconds"]
        found[name] = {"seconds": taken, "ratio": ratio}
        print(f"  transformer-ranker's {ESTIMATORS[name][1]}: {taken:.3f} s = {ratio:.1f} x {name}", flush=True)
    return found
