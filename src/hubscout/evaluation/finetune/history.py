"""The user's own ground truth: what was fine-tuned on this machine, one line each, never rewritten."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubscout.evaluation.finetune.checkpoints import default_home, only_writer
from hubscout.features.durable import canonical_json, open_for_writing, store_errors, sync, write_at

_FAMILY, _MAJOR = "hubscout.history", 1
SCHEMA = f"{_FAMILY}/{_MAJOR}"


@dataclass(frozen=True)
class HistoryEntry:
    """One candidate, fine-tuned on one task.

    Parameters
    ----------
    task, kind, measure : str
        Name of the task (untrusted text), its kind, and what the value is.
    fingerprint : str
        SHA-256 over contents and labels of all parts of the data.
    candidate, identity : str
        Address (untrusted text), and what pins its weights.
    value, low, high : float
        What was reached on the test part, with its interval.
    level : float
        Nominal coverage of the interval.
    n_train, n_test : int
        Samples that were learnt from, and that it was measured on.
    recipe : dict
        As `hubscout.evaluation.finetune.recipe.Recipe.to_dict` writes it; with its seeds.
    setting : float
        The learning rate, or the strength of a probe, that validation chose.
    scores : dict of str to float
        Values of the scores in the ranking that was verified.
    n_parameters : int or None
        Of the encoder.
    date : str
        UTC time, ISO 8601.
    version : str
        Of hubscout.
    """

    task: str
    kind: str
    measure: str
    fingerprint: str
    candidate: str
    identity: str
    value: float
    low: float
    high: float
    level: float
    n_train: int
    n_test: int
    recipe: dict[str, Any]
    setting: float
    scores: dict[str, float] = field(default_factory=dict)
    n_parameters: int | None = None
    date: str = ""
    version: str = ""

    @property
    def key(self) -> str:
        """What makes two fine-tunings the same: data, weights, address and recipe."""
        facts = [self.fingerprint, self.candidate, self.identity, self.recipe]
        return hashlib.sha256(canonical_json(facts).encode()).hexdigest()


@dataclass(frozen=True)
class History:
    """All fine-tunings that the file tells of.

    Parameters
    ----------
    path : Path
        The file, which may be missing.
    entries : tuple of HistoryEntry
        Oldest first; the same fine-tuning once, with the scores of all rankings.
    n_damaged : int
        Lines that could not be read, such as one that a crash cut off.
    n_newer : int
        Lines of a newer hubscout.
    """

    path: Path
    entries: tuple[HistoryEntry, ...] = ()
    n_damaged: int = 0
    n_newer: int = 0


def history_path(home: str | Path | None = None) -> Path:
    """Give the file of the history.

    Parameters
    ----------
    home : str or Path, optional
        Folder of hubscout; ``$HUBSCOUT_HOME``, or the user's cache folder, by default.

    Returns
    -------
    Path
    """
    return (default_home() if home is None else Path(home)) / "history.jsonl"


def append_history(entry: HistoryEntry, home: str | Path | None = None) -> bool:
    """Add one fine-tuning to the history, on the disk when this returns.

    Parameters
    ----------
    entry : HistoryEntry
        What was found.
    home : str or Path, optional
        As for `history_path`.

    Returns
    -------
    bool
        False when the history tells all of it already, and nothing was written.

    Raises
    ------
    StoreError
        When the file cannot be written.
    """
    path = history_path(home)
    with only_writer(path):
        known = {old.key: old for old in read_history(home).entries}.get(entry.key)
        if known is not None and {**known.scores, **entry.scores} == known.scores:
            return False
        values = {"schema": SCHEMA, **dataclasses.asdict(entry)}
        line = canonical_json({**values, "checksum": _checksum(values)}) + "\n"
        descriptor = open_for_writing(path)
        try:
            with store_errors(path):
                end = os.lseek(descriptor, 0, os.SEEK_END)
                os.lseek(descriptor, max(0, end - 1), os.SEEK_SET)
                is_torn = os.read(descriptor, 1) not in (b"", b"\n")
            # A line that a crash has cut off stays as it is: the next one begins anew.
            write_at(descriptor, f"{chr(10) if is_torn else ''}{line}".encode(), end, path)
            sync(descriptor, path)
        finally:
            os.close(descriptor)
    return True


def read_history(home: str | Path | None = None) -> History:
    """Read all fine-tunings of this user.

    Parameters
    ----------
    home : str or Path, optional
        As for `history_path`.

    Returns
    -------
    History
        Empty when there is no file yet.

    Raises
    ------
    StoreError
        When the file is there and cannot be read.
    """
    path = history_path(home)
    if not path.exists():
        return History(path)
    with store_errors(path):
        lines = path.read_bytes().split(b"\n")
    found: dict[str, HistoryEntry] = {}
    n_damaged = n_newer = 0
    for line in filter(None, lines):
        values = _values(line)
        if values is None:
            n_damaged += 1
        elif values["major"] > _MAJOR:
            n_newer += 1
        else:
            entry = _entry(values["line"])
            if entry is None:
                n_damaged += 1
                continue
            old = found.get(entry.key)
            scores = entry.scores if old is None else {**old.scores, **entry.scores}
            found[entry.key] = dataclasses.replace(entry, scores=scores)
    return History(path, tuple(found.values()), n_damaged, n_newer)


def _values(line: bytes) -> dict[str, Any] | None:
    """Return a line with the version it was written in, or None when it cannot be trusted."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    family, _, major = str(values.get("schema")).partition("/")
    if family != _FAMILY or not major.isdigit():
        return None
    checksum = values.pop("checksum", None)
    if int(major) <= _MAJOR and checksum != _checksum(values):
        return None
    return {"major": int(major), "line": values}


def _entry(values: dict[str, Any]) -> HistoryEntry | None:
    names = {each.name for each in dataclasses.fields(HistoryEntry)}
    try:
        return HistoryEntry(**{name: value for name, value in values.items() if name in names})
    except TypeError:  # a field that this version needs is missing
        return None


def _checksum(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]
