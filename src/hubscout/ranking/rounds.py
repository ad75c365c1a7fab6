"""The history of a race."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """One round of a race: what all that were left have seen, and who went.

    Parameters
    ----------
    n_samples : int
        Samples of the probe that each candidate of the round was judged on.
    n_new : int
        Those of them that no round before had looked at: forward passes of each candidate.
    candidates : tuple of str
        Who ran. Untrusted text.
    dropped : tuple of str
        Who went after it: surely not the best, or failed. Untrusted text.
    leader : str or None
        Of the highest value; None where none had one. Untrusted text.
    level : float
        Error level of each comparison, two-sided intervals at one minus twice this.
    seconds : float
        Wall time of the round.
    """

    n_samples: int
    n_new: int
    candidates: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    leader: str | None = None
    level: float = 0.0
    seconds: float = 0.0


def passes(rounds: tuple[Round, ...]) -> int:
    """Count the forward passes of a race: samples looked at, over all candidates.

    Examples
    --------
    >>> passes((Round(100, 100, ("a", "b")), Round(200, 100, ("a",))))
    300
    """
    return sum(each.n_new * len(each.candidates) for each in rounds)
