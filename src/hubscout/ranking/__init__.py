"""From candidates and scores to an ordered, reproducible answer."""

from hubscout.ranking.events import Event
from hubscout.ranking.failure import EmptyRankingError
from hubscout.ranking.rank import rank
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreEntry, ScoreRecord

__all__ = ["EmptyRankingError", "Event", "ProbeFacts", "Ranking", "ScoreEntry", "ScoreRecord", "rank"]
