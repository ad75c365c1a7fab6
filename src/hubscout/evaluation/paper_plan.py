"""What repeating a published benchmark needs: candidates, data sets and truths, and which of them are there."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from hubscout.errors import DataError, UsageError
from hubscout.evaluation.ground_truth import load_ground_truth, parse_ground_truth
from hubscout.evaluation.pools import POOLS, load_pool
from hubscout.evaluation.task_truth import TaskTruth, by_task

DETECTION = "detection"
_SCHEMA = "hubscout.bench.paper.plan/1"
_DEFAULTS = {"measure": "stated by the user", "protocol": "", "source": "", "licence": ""}


@dataclass(frozen=True)
class PlannedModel:
    """One candidate.

    Parameters
    ----------
    name : str
        As the truth calls it.
    address : str or None
        None when neither a file nor a hub has its weights.
    is_here : bool
        Whether nothing has to be fetched.
    fetch : str or None
        What is fetched, or where it is to be had.
    """

    name: str
    address: str | None
    is_here: bool
    fetch: str | None


@dataclass(frozen=True)
class PlannedSet:
    """One data set.

    Parameters
    ----------
    name : str
        As the truth calls it.
    source : str or None
        None when nothing says where it is.
    is_here : bool
        Whether nothing has to be fetched.
    fetch : str or None
        What is fetched, or where it is to be had.
    n_classes : int or None
        Classes that the published benchmark has.
    """

    name: str
    source: str | None
    is_here: bool
    fetch: str | None
    n_classes: int | None = None


@dataclass(frozen=True)
class PaperPlan:
    """All of it.

    Parameters
    ----------
    pool : str
        Its name.
    kind : {"classification", "detection"}
        Of the tasks.
    models : tuple of PlannedModel
    sets : tuple of PlannedSet
    truths : tuple of TaskTruth
    """

    pool: str
    kind: Literal["classification", "detection"]
    models: tuple[PlannedModel, ...]
    sets: tuple[PlannedSet, ...]
    truths: tuple[TaskTruth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"schema": _SCHEMA, **asdict(self)}


def plan_paper(
    pool: str,
    *,
    root: str | Path | None = None,
    data: Sequence[str] = (),
    weights: str | Path | None = None,
    models: Sequence[str] = (),
    truth: str | Path | None = None,
) -> PaperPlan:
    """Settle what a published benchmark would read and fetch; nothing is fetched for it.

    Parameters
    ----------
    pool : {"sfda_supervised", "sfda_selfsup", "detection"}
    root : str or Path, optional
        Folder that holds one folder a data set, by its name.
    data : sequence of str
        ``NAME=SOURCE`` for single data sets, before those of ``root``.
    weights : str or Path, optional
        Folder of files of weights; that of torchvision by default.
    models : sequence of str
        ``NAME=ADDRESS``: candidates of the detection pool, or other addresses for names of the others.
    truth : str or Path, optional
        CSV with columns task, model and value; the published accuracies by default. Needed for detection.

    Returns
    -------
    PaperPlan

    Raises
    ------
    UsageError
        When an argument is not of its form.
    DataError
        When the table of truths is damaged.
    """
    if pool not in (*POOLS, DETECTION):
        msg = f"pool (--pool) must be one of {', '.join((*POOLS, DETECTION))}, got {pool!r}"
        raise UsageError(msg)
    if pool == DETECTION and truth is None:
        msg = "truth (--truth) must be given for the detection pool: a CSV with columns task, model and value"
        raise UsageError(msg)
    rows = load_ground_truth(pool) if truth is None else parse_ground_truth(_completed(Path(truth)), str(truth))
    truths = by_task(rows, pool)
    addresses, sources = _pairs(models, "--model", "ADDRESS"), _pairs(data, "--data", "SOURCE")
    if pool == DETECTION:
        planned = [PlannedModel(name, address, *_fetched(address)) for name, address in addresses.items()]
        if not planned:
            msg = "models (--model NAME=ADDRESS) must name the candidates of the detection pool, got none"
            raise UsageError(msg)
    else:
        planned = _pool_models(pool, default_weights() if weights is None else Path(weights), addresses)
    known = {row["name"]: row for row in _sets()} if pool != DETECTION else {}
    sets = [_set(each.task, sources, root, known.get(each.task)) for each in truths]
    return PaperPlan(pool, "detection" if pool == DETECTION else "classification", tuple(planned), tuple(sets), truths)


def default_weights() -> Path:
    """Return the folder where torchvision keeps its files.

    Returns
    -------
    Path
    """
    home = os.environ.get("TORCH_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "torch") / "hub" / "checkpoints"


def _pool_models(pool: str, folder: Path, addresses: Mapping[str, str]) -> list[PlannedModel]:
    found = []
    for model in load_pool(pool):
        if model.name in addresses:
            found.append(PlannedModel(model.name, addresses[model.name], *_fetched(addresses[model.name])))
            continue
        file = model.find_weights(folder)
        address = model.address(folder)
        fetch = f"timm/{model.timm} from the hub" if model.timm else f"{model.weights[0]} from {model.url}"
        found.append(PlannedModel(model.name, address, file is not None, None if file is not None else fetch))
    return found


def _set(name: str, sources: Mapping[str, str], root: str | Path | None, known: Mapping[str, str] | None) -> PlannedSet:
    n_classes = int(known["classes"]) if known else None
    if name in sources:
        return PlannedSet(name, sources[name], *_fetched(sources[name]), n_classes)
    if root is not None and (Path(root) / Path(name).name).exists():
        return PlannedSet(name, str(Path(root) / Path(name).name), True, None, n_classes)
    if known and known["hub"]:
        return PlannedSet(name, known["hub"], False, known["hub"], n_classes)
    fetch = f"from {known['home']}, then --root or --data {name}=FOLDER" if known else f"--data {name}=SOURCE"
    return PlannedSet(name, None, False, fetch, n_classes)


def _fetched(source: str) -> tuple[bool, str | None]:
    """Tell whether a source is here, and what is fetched when it is not."""
    is_hub = source.startswith(("hf:", "timm:", "st:")) and not source.startswith(("hf:/", "hf:.", "st:/", "st:."))
    return (False, source) if is_hub else (True, None)


def _pairs(words: Sequence[str], option: str, what: str) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            msg = f"{option} must have the form NAME={what}, got {word!r}"
            raise UsageError(msg)
        found[name] = value
    return found


def _completed(path: Path) -> str:
    """Read a user's table and fill in the columns it does not need."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"truth (--truth) must be a CSV file that can be read, got {str(path)!r}: {error}"
        raise DataError(msg) from error
    text = io.StringIO()
    needed = ["task", "model", "value"]
    columns = [*needed, *_DEFAULTS] if rows and set(needed) <= set(rows[0]) else list(rows[0] if rows else needed)
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**_DEFAULTS, **{key: value for key, value in row.items() if value}} for row in rows)
    return text.getvalue()


def _sets() -> list[dict[str, str]]:
    file = resources.files("hubscout.evaluation") / "tables" / "pools" / "sets.csv"
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
