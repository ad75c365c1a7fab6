"""What the whole catalogue costs: all scores in one pass, each alone, memory, and samples added to moments.

Run `python benchmarks/catalogue.py` (about ten minutes; `--size small` for a quick look). Four parts, of which
`--only a,b` chooses some: (a) all supervised scores of features against one float64 `F.T @ F` and one
`scipy.linalg.eigh` of it; (b) each score alone against the published way of computing it; (c) peak memory, of all and
of each; (d) adding samples to existing `Moments`. Ratios are of medians over alternating rounds of one run, but for
(b), where the published way runs once, right after ours. Each line is printed as it is measured; what fails is said
and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hubscout
from catalogue_alone import MEGABYTES, alone, packages, peak_of, warm_up
from hubscout.errors import UsageError
from hubscout.scores import evaluate, get_spec, list_scores
from hubscout.stats import Moments, Statistics
from problem import SIZES, Problem, attempt, make_problem
from scores import seconds

# Searches for neighbours and iterative fits are no part of the one pass; label embeddings come in a line of their own.
APART = ("nleep", "tmi", "pactran")
AT_MOST = 3.0


def supervised(names: list[str], *, baselines: bool) -> list[str]:
    """Return the scores of the one pass among some: of features and labels, without what stands apart."""
    specs = [get_spec(name) for name in names if name not in APART]
    return [
        spec.name
        for spec in specs
        if spec.needs == {"features", "labels"}
        and "classification" in spec.tasks
        and not spec.required_options
        and (baselines or not spec.is_baseline)
    ]


def gram_and_eigh(features: np.ndarray) -> object:
    """Do the unit of the claim: one float64 F^T F of the float32 features, and its eigendecomposition."""
    from scipy.linalg import eigh

    rows = features.astype(np.float64)
    return eigh(rows.T @ rows)


def alternating(functions: dict[str, Callable[[], object]], rounds: int, *, is_quiet: bool = False) -> dict[str, float]:
    """Return median seconds from rounds in which each function runs once."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds):
        for name, function in functions.items():
            taken[name].append(seconds(function))
            if not is_quiet:
                print(f"    round {number + 1}, {name}: {taken[name][-1]:.3f} s", flush=True)
    return {name: statistics.median(values) for name, values in taken.items()}


def one_pass(problem: Problem, names: list[str], rounds: int) -> dict[str, Any]:
    """Part a."""
    print("\n(a) one pass", flush=True)
    apart = breakdown(problem, [*supervised(names, baselines=True), *embedded(names)])
    # A score that has failed by itself, which was said, would stop the others.
    without = [name for name in supervised(names, baselines=False) if name in apart]
    with_baselines = [name for name in supervised(names, baselines=True) if name in apart]
    print(f"  all: {', '.join(without)}", flush=True)
    functions: dict[str, Callable[[], object]] = {"F.T @ F and eigh": lambda: gram_and_eigh(problem.features)}
    sets = {"all": without, "all and baselines": with_baselines}
    for label, chosen in sets.items():
        functions[label] = lambda chosen=chosen: hubscout.score(problem.features, problem.labels, scores=chosen)
    median = alternating(functions, rounds)
    base = median["F.T @ F and eigh"]
    found: dict[str, Any] = {"scores": sets, "seconds": median, "breakdown": apart}
    for label in sets:
        found[f"{label} / base"] = median[label] / base
        print(f"  {label:20}{median[label]:8.3f} s = {median[label] / base:.2f} x (at most {AT_MOST:.0f})", flush=True)
    more = sum(apart.get(name, 0.0) for name in embedded(names))
    if more:
        ratio = (median["all"] + more) / base
        found["all and label embeddings / base"] = ratio
        print(f"  all and {', '.join(embedded(names))}: {ratio:.2f} x, by the seconds above", flush=True)
    return found


def embedded(names: list[str]) -> list[str]:
    """Return the scores that need label embeddings beside features and labels."""
    return [name for name in names if "label_embeddings" in get_spec(name).required_options]


def breakdown(problem: Problem, names: list[str]) -> dict[str, float]:
    """Print the seconds of each score on shared statistics, in the registry's order; those that fail are left out."""
    shared = Statistics(problem.features, problem.labels)
    found = {"spectrum": seconds(shared.spectrum)}
    print(f"  seconds on shared statistics, one after the other: spectrum {found['spectrum']:.3f}", flush=True)

    def evaluated(name: str) -> float:
        options = {name: problem.options(name)}
        result = evaluate(shared, scores=[name], options=options, standard_errors=False)[name]
        if result.value is None:
            raise UsageError(result.reason)
        return result.seconds

    for name in sorted(names, key=list_scores().index):
        taken = attempt(name, lambda name=name: evaluated(name))
        if taken is not None:
            found[name] = taken
            print(f"    {name:17}{taken:9.4f}", flush=True)
    return found


def memory(problem: Problem, names: list[str]) -> dict[str, Any]:
    """Part c, of all scores in one pass."""
    chosen = supervised(names, baselines=True)
    peak = peak_of(lambda: hubscout.score(problem.features, problem.labels, scores=chosen)) / 2**20
    print(f"\n(c) peak memory of the one pass above the features: {peak:.0f} MB (under {MEGABYTES})", flush=True)
    return {"one_pass_mb": peak}


def added_samples(problem: Problem, rounds: int = 5) -> dict[str, Any]:
    """Part d: the same samples added to moments of few and of many."""
    n, n_classes = len(problem.labels), len(problem.label_embeddings[0])
    print(f"\n(d) {n} samples more on existing Moments", flush=True)
    found: dict[str, Any] = {}
    for dtype in ("float32", "float64"):
        median = _added(problem.features.astype(dtype), problem.labels, n_classes, rounds)
        found[dtype] = median
        base = median["F.T @ F"]
        shown = ", ".join(f"{name} {value:.3f} s = {value / base:.2f} x" for name, value in median.items())
        print(f"  {dtype}: {shown}", flush=True)
    return found


def _added(features: np.ndarray, labels: np.ndarray, n_classes: int, rounds: int) -> dict[str, float]:
    few, same = Moments(n_classes), Moments(n_classes)
    few.update(features, labels)
    same.update(features, labels)
    many = few
    for _ in range(19):
        many = many.merge(same)
    steps: dict[str, Callable[[], object]] = {
        "F.T @ F": lambda: features.T @ features,
        f"on {few.n_samples}": lambda: few.update(features, labels),
        f"on {many.n_samples}": lambda: many.update(features, labels),
    }
    return alternating(steps, rounds, is_quiet=True)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--rounds", type=int, default=3, help="of part a")
    parser.add_argument("--only", default="a,b,c,d", help="parts with commas between")
    parser.add_argument("--scores", help="names with commas between; all registered ones by default")
    parser.add_argument("--budget", type=float, default=400.0, help="seconds for the published ways together")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def main() -> None:
    """Run the parts that were asked for."""
    options = parsed()
    parts = options.only.split(",")
    names = [name for name in list_scores("classification") if not options.scores or name in options.scores.split(",")]
    problem = make_problem(options.size)
    n, d = problem.features.shape
    size = {"samples": n, "features": d, "classes": len(problem.label_embeddings[0]), "cores": os.cpu_count()}
    print(", ".join(f"{value} {name}" for name, value in size.items()), "- float32 features", flush=True)
    found: dict[str, Any] = {"size": size}
    warm_up(names)

    def run(part: str, function: Callable[[], dict[str, Any]]) -> None:
        if part in parts:
            found[part] = attempt(f"part {part}", function)
            if options.json:
                options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")

    run("c", lambda: memory(problem, names))  # first, while nothing has been freed that could be used again
    run("a", lambda: one_pass(problem, names, options.rounds))
    run("d", lambda: added_samples(problem))
    run("b", lambda: alone(problem, names, options.budget, is_judged=options.size == "full"))
    if "b" in parts and found["b"]:
        run("b", lambda: {**found["b"], "transformer-ranker": packages(problem, names, found["b"])})


if __name__ == "__main__":
    main()
