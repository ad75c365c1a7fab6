"""What makes two extractions the same: the key of a store entry."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from hubscout.errors import CandidateError
from hubscout.features.durable import canonical_json
from hubscout.models.card import ModelCard

# Raise when the forward loop changes what it writes, so that older features are computed again.
FEATURE_VERSION = 1


@dataclass(frozen=True)
class EntryKey:
    """The name of a store entry and the facts it was made from.

    Parameters
    ----------
    digest : str
        SHA-256, in hexadecimal, of the facts.
    facts : dict
        Plain JSON values.
    n_rows : int
        Rows of the features: samples of the probe, or their boxes, words or points.
    dtype : {"float32", "float16"}
        Of the features.
    """

    digest: str
    facts: dict[str, Any]
    n_rows: int
    dtype: str


def entry_key(card: ModelCard, fingerprint: str, n_rows: int, dtype: str) -> EntryKey:
    """Name the entry that holds the features of one candidate on one probe.

    Parameters
    ----------
    card : ModelCard
        Of the candidate.
    fingerprint : str
        Of the probe.
    n_rows : int
        Rows of the features: samples of the probe, or their boxes, words or points.
    dtype : {"float32", "float16"}
        Of the features.

    Returns
    -------
    EntryKey
        Equal for equal facts on every machine.

    Raises
    ------
    CandidateError
        When the card's transform holds anything but plain JSON values.

    Notes
    -----
    The device is not part of the key: features of two devices differ by rounding alone. The address is,
    because the same weights may run under another architecture or option.

    Examples
    --------
    >>> card = ModelCard("bundled:a", "sha256:00", "image", {"size": 8}, 4)
    >>> entry_key(card, "f" * 64, 10, "float32").digest[:8]
    '4ab21a89'
    """
    facts = {
        "address": card.address,
        "dtype": dtype,
        "feature_dim": card.feature_dim,
        "feature_version": FEATURE_VERSION,
        "identity": card.identity,
        "loader": card.loader,
        "n_rows": n_rows,
        "probe": fingerprint,
        "source_classes": card.source_classes,
        "transform": card.transform,
    }
    # Left out where they say nothing, so that entries of earlier versions keep their names.
    if card.unit != "sample":
        facts["unit"] = card.unit
    if card.readouts:
        facts["readouts"] = [asdict(readout) for readout in card.readouts]
    try:
        text = canonical_json(facts)
    except (TypeError, ValueError) as exc:
        msg = (
            f"the transform of {card.address!r} must hold plain, finite JSON values, got {card.transform!r}; "
            "mend the adapter's model card"
        )
        raise CandidateError(msg) from exc
    return EntryKey(hashlib.sha256(text.encode()).hexdigest(), facts, n_rows, dtype)
