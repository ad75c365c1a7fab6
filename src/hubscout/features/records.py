"""The records of a store entry: ``progress.json`` while it is written, ``meta.json`` once it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hubscout.errors import StoreError
from hubscout.features.durable import STORE_FORMAT, is_newer, read_record, write_record
from hubscout.features.keys import FEATURE_VERSION, EntryKey
from hubscout.features.layout import ArrayLayout

PROGRESS = "progress.json"
META = "meta.json"
ARRAY_NAMES = ("features", "logits")


@dataclass
class RunFacts:
    """What the runs that worked on an entry have to say.

    Parameters
    ----------
    seconds : float
        Wall time of the forward loops.
    rows : int
        Rows those seconds were spent on.
    batch_size : int or None
        Batch size of the last run, after any halving.
    safe_batch_size : int or None
        Size that fits on the device, once a larger one did not.
    device : str
        Where the model ran.
    notes : list of str
        Sentences the user should see whenever the entry is used.
    """

    seconds: float = 0.0
    rows: int = 0
    batch_size: int | None = None
    safe_batch_size: int | None = None
    device: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def samples_per_second(self) -> float | None:
        """Measured rate, None before anything was measured."""
        return self.rows / self.seconds if self.rows and self.seconds > 0 else None


@dataclass(frozen=True)
class EntryRecord:
    """What is known of an entry's files.

    Parameters
    ----------
    rows : int
        Rows that are on the disk.
    layouts : dict of str to ArrayLayout
        Of the arrays, by name.
    checksums : dict of str to tuple of int
        CRC-32 of each block of rows, by array.
    facts : RunFacts
        Of the runs so far.
    card : dict or None
        The candidate's card, in the record of a complete entry.
    """

    rows: int
    layouts: dict[str, ArrayLayout]
    checksums: dict[str, tuple[int, ...]]
    facts: RunFacts
    card: dict[str, Any] | None = None

    def write(self, path: Path, key: EntryKey) -> None:
        """Replace the record at ``path`` as a whole.

        Parameters
        ----------
        path : Path
            ``meta.json`` or ``progress.json`` of the entry.
        key : EntryKey
            Of the entry.
        """
        arrays = {
            name: {"dtype": layout.dtype, "width": layout.width, "crc32": list(self.checksums[name])}
            for name, layout in self.layouts.items()
        }
        value = {
            **_header(key),
            "facts_of_key": key.facts,
            "rows": self.rows,
            "arrays": arrays,
            "facts": asdict(self.facts),
            "card": self.card,
        }
        write_record(path, value)


def read_entry_record(path: Path, key: EntryKey) -> EntryRecord | None:
    """Read a record of an entry.

    Parameters
    ----------
    path : Path
        ``meta.json`` or ``progress.json`` of the entry.
    key : EntryKey
        Of the entry.

    Returns
    -------
    EntryRecord or None
        None when there is none, or when it is damaged or of another key or feature version.

    Raises
    ------
    StoreError
        When a newer hubscout wrote it.
    """
    value = read_record(path)
    if not value:
        return None
    if is_newer(value):
        msg = (
            f"the stored features in {str(path.parent)!r} have format {value['format']} of a newer hubscout "
            "and "
            f"this one reads format {STORE_FORMAT}; upgrade hubscout, or prune with `hubscout cache`"
        )
        raise StoreError(msg)
    if any(value.get(name) != wanted for name, wanted in _header(key).items()):
        return None
    arrays: Mapping[str, Any] = value["arrays"]
    names = [name for name in ARRAY_NAMES if name in arrays]
    return EntryRecord(
        rows=value["rows"],
        layouts={n: ArrayLayout(n, arrays[n]["dtype"], key.n_rows, arrays[n]["width"]) for n in names},
        checksums={n: tuple(arrays[n]["crc32"]) for n in names},
        facts=RunFacts(**value["facts"]),
        card=value["card"],
    )


def _header(key: EntryKey) -> dict[str, Any]:
    return {
        "format": STORE_FORMAT,
        "feature_version": FEATURE_VERSION,
        "key": key.digest,
        "address": key.facts["address"],
        "n_rows": key.n_rows,
    }
