"""What we transfer from: candidates, their addresses, and the adapters that load them."""

from __future__ import annotations

from hubscout._preflight import hub_is_reachable
from hubscout.models.address import Address, parse_address
from hubscout.models.card import EncodedBatch, Encoder, ModelCard
from hubscout.models.listing import expand_candidates, list_models
from hubscout.models.loading import load_encoder

__all__ = [
    "Address",
    "EncodedBatch",
    "Encoder",
    "ModelCard",
    "expand_candidates",
    "hub_is_reachable",
    "list_models",
    "load_encoder",
    "parse_address",
]
