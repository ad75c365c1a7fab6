"""Factories of the shared hub's text encoders, in the form that `torch:` addresses ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def text_encoder(description: str) -> Any:
    """Build an untrained text encoder from its JSON file; the address brings the weights."""
    import hub_text

    facts = json.loads(Path(description).read_text(encoding="utf-8"))
    module = hub_text.KINDS[facts["kind"]](**facts["args"])
    module.forward = lambda ids, mask: module.hidden(ids)[-1]
    return module
