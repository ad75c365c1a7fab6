"""What a run is asked for, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubscout._typing import TaskKind
from hubscout.errors import UsageError

if TYPE_CHECKING:
    from hubscout.scores import ScoreSpec

# Cheap, and of other families than the recommended one: where they disagree, the answer is less sure.
_COMPANIONS = ("logme", "disco", "knn")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


def choose_scores(
    scores: str | Sequence[str] | None, kind: TaskKind, options: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[str, ...]:
    """Resolve the scores of a run.

    Parameters
    ----------
    scores : str, sequence of str, or None
        Names in order; the first one ranks. None takes the recommended score and two or three cheap
        companions; ``"all"`` takes every score of the task, the recommended one first, but for those that require
        an option which is not given.
    kind : str
        Kind of the task.
    options : mapping, optional
        Options by score.

    Returns
    -------
    tuple of str
        Without repetitions.

    Raises
    ------
    UsageError
        When a name is unknown, does not apply to the task, lacks an option that it requires, or there is none.
    """
    from hubscout.scores import RECOMMENDED_SCORE, get_spec, list_scores

    applicable = list_scores(kind)
    given = {name: set(own) for name, own in (options or {}).items()}
    if scores is None or scores == "all":
        wanted = (RECOMMENDED_SCORE, *(_COMPANIONS if scores is None else applicable))
        ready = [name for name in applicable if set(get_spec(name).required_options) <= given.get(name, set())]
        chosen = tuple(dict.fromkeys(name for name in wanted if name in ready))
    else:
        names = (scores,) if isinstance(scores, str) else tuple(scores)
        chosen = tuple(dict.fromkeys(names))
        for name in chosen:
            spec = get_spec(name)
            if not spec.applies_to(kind):
                msg = (
                    f"scores must apply to the task, which is {kind}, and {name!r} is for "
                    f"{' and '.join(spec.kinds)}; choose from {', '.join(applicable)}"
                )
                raise UsageError(msg)
            missing = sorted(set(get_spec(name).required_options) - given.get(name, set()))
            if missing:
                msg = (
                    f"score_options of {name!r} must hold {' and '.join(missing)}, which it has no default for, got "
                    "none; give it, or leave that score out"
                )
                raise UsageError(msg)
    if not chosen:
        msg = f"scores must name at least one score, got {scores!r}; choose from {', '.join(applicable)}"
        raise UsageError(msg)
    return chosen


def check_score_options(
    options: Mapping[str, Mapping[str, Any]] | None, scores: Sequence[str], kind: TaskKind = "classification"
) -> dict[str, dict[str, Any]]:
    """Return a plain copy of the options of single scores.

    Parameters
    ----------
    options : mapping of str to mapping, or None
        Options by score.
    scores : sequence of str
        The scores of the run.
    kind : str
        Kind of the task, some of which have options of their own.

    Returns
    -------
    dict of str to dict

    Raises
    ------
    UsageError
        When options are given for a score that is not computed, or a score has no such option or does not take
        its value.
    """
    from hubscout.scores import get_spec

    copy = {name: dict(each) for name, each in (options or {}).items()}
    for name in copy:
        if name not in scores:
            msg = f"score_options must be for scores that are computed ({', '.join(scores)}), got {name!r}"
            raise UsageError(msg)
        known = get_spec(name).options
        for option in copy[name]:
            if option not in known:
                has = f"has {', '.join(known)}" if known else "has none"
                msg = f"score_options must name options of their score, and {name!r} {has}, got {option!r}"
                raise UsageError(msg)
        if copy[name]:
            _try_options(get_spec(name), copy[name], kind)
    return copy


def _try_options(spec: ScoreSpec, options: Mapping[str, Any], kind: TaskKind) -> None:
    """Have the score itself refuse a value, on a dozen made-up samples and not after hours of extraction."""
    from hubscout.stats import Statistics

    codes, rng = np.repeat([0, 1], 6), np.random.default_rng(0)
    features = rng.standard_normal((len(codes), 4)) + codes[:, None]
    labels: dict[TaskKind, Any] = {
        "regression": features[:, :2],
        "multilabel": np.stack([codes, rng.permutation(codes)], axis=1),
        "detection": (codes, rng.random((len(codes), 4))),
    }
    probs = np.full((len(codes), 3), 1 / 3)
    try:
        statistics = Statistics(features, labels.get(kind, codes), task=kind, source_probs=probs)
        spec.estimate(statistics, **options)
    except UsageError as error:
        msg = f"score_options of {spec.name!r} must be values that it takes: {error}"
        raise UsageError(msg) from None
    except Exception:  # noqa: S110 - these samples do not suit the score or its options; the user's may
        pass


def check_store(store: str | Path | None) -> None:
    """Refuse a feature store that is a file, which no candidate could use.

    Parameters
    ----------
    store : str, Path or None
        Its folder, which need not exist.

    Raises
    ------
    UsageError
        When something else stands there.
    """
    if store is not None and Path(store).exists() and not Path(store).is_dir():
        msg = f"store (--store) must be a folder, or the name of a new one, got the file {str(store)!r}"
        raise UsageError(msg)


def check_extraction(dtype: str, batch_size: int | None, device: str = "auto") -> None:
    """Refuse options that would make every candidate fail.

    Parameters
    ----------
    dtype : str
        How features are kept.
    batch_size : int or None
        Samples in one forward pass.
    device : str
        Where models run; whether this machine has it is known to each model's library only.

    Raises
    ------
    UsageError
        When one of them is not of its form.
    """
    if dtype not in ("float32", "float16"):
        msg = f"dtype must be float32 or float16, got {dtype!r}"
        raise UsageError(msg)
    if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
        msg = f"batch_size must be at least 1, or None for the default, got {batch_size!r}"
        raise UsageError(msg)
    if not _DEVICE.fullmatch(device):
        msg = f"device must be auto, cpu, cuda, cuda:N or mps, got {device!r}"
        raise UsageError(msg)
