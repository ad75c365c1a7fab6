"""One small entry of a store, and how the tests write it."""

from __future__ import annotations

from pathlib import Path

from feature_fakes import FakeEncoder, features_of

from hubscout.features.keys import EntryKey, entry_key
from hubscout.features.partial import PartialEntry

N = 2500
CARD = FakeEncoder().card
FEATURES = features_of(range(N), 3)
LOGITS = features_of(range(N), 2)
CARD_DICT = CARD.to_dict()


def make_key(n_rows: int = N) -> EntryKey:
    return entry_key(CARD, "f" * 64, n_rows, "float32")


def write_rows(entry: PartialEntry, end: int, step: int = 300) -> None:
    while entry.rows < end:
        rows = slice(entry.rows, min(entry.rows + step, end))
        entry.append(FEATURES[rows], LOGITS[rows])
        entry.commit()


def write_all(directory: Path) -> None:
    with PartialEntry(directory, make_key()) as entry:
        write_rows(entry, N)
        entry.finish(CARD_DICT)
