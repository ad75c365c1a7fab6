"""Find the pre-trained model to fine-tune on your data.

hubscout looks at labelled target data once through each candidate, scores what it sees, and says which
candidate to take, without fine-tuning anything.

    >>> import hubscout
    >>> hubscout.rank("photos/", ["timm:resnet50.a1_in1k", "hf:facebook/dinov2-small"])  # doctest: +SKIP

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubscout import scores
    from hubscout.data import load_target
    from hubscout.evaluation import load_ground_truth
    from hubscout.models import list_models
    from hubscout.ranking.rank import rank
    from hubscout.ranking.records import Ranking
    from hubscout.scores import RECOMMENDED_SCORE, list_scores, score

    __version__: str

__all__ = [
    "RECOMMENDED_SCORE",
    "Ranking",
    "__version__",
    "list_models",
    "list_scores",
    "load_ground_truth",
    "load_target",
    "rank",
    "score",
    "scores",
]

# Where each name lives; modules stand for themselves.
_HOME = {
    "RECOMMENDED_SCORE": "hubscout.scores",
    "Ranking": "hubscout.ranking",
    "list_models": "hubscout.models",
    "list_scores": "hubscout.scores",
    "load_ground_truth": "hubscout.evaluation",
    "load_target": "hubscout.data",
    "rank": "hubscout.ranking",
    "score": "hubscout.scores",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("hubscout")
    if name == "scores":
        return import_module("hubscout.scores")
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    msg = f"module 'hubscout' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
