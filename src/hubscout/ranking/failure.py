"""The error of a run in which no candidate could be ranked."""

from __future__ import annotations

from hubscout.errors import NothingRankedError, UnsafeFileError
from hubscout.ranking.records import Ranking


class EmptyRankingError(NothingRankedError):
    """No candidate could be ranked; the reasons are in the ranking it carries.

    Parameters
    ----------
    ranking : Ranking
        With every candidate and its reason.
    """

    def __init__(self, ranking: Ranking) -> None:
        self.ranking = ranking
        if any(record.error_type == UnsafeFileError.__name__ for record in ranking.records):
            # A refused file is the graver news, also for the scripts that read exit codes.
            self.exit_code = UnsafeFileError.exit_code
        first = ranking.records[0]
        others = f" ({len(ranking.records) - 1} more failed)" if len(ranking.records) > 1 else ""
        super().__init__(f"no candidate could be ranked: {first.candidate!r} failed because {first.reason}{others}")
