"""How sure an order is, what a smaller model would cost, and what a race left out, in sentences."""

from __future__ import annotations

from hubscout.ranking.racing import ERROR_LEVEL
from hubscout.ranking.records import Ranking, ScoreRecord
from hubscout.ranking.rounds import passes
from hubscout.report.names import short_names
from hubscout.report.numbers import duration

_NAMED = 3
# A tie is worth a word about its size from here on.
_SMALLER = 1.2


def confidence_remarks(ranking: Ranking) -> list[str]:
    """Say how sure the first place is, and which ties are smaller.

    Parameters
    ----------
    ranking : Ranking
        The result.

    Returns
    -------
    list of str
        One sentence; none where there is nothing to compare.
    """
    best = ranking.best
    if best is None or best.standing is None or len(ranking.ranked) < 2:
        return []
    names = short_names([record.candidate for record in ranking.records])
    standing = best.standing
    if standing.probability_best is None:
        return [f"how sure the order is cannot be said: {standing.reason}"]
    share = f"{100 * standing.probability_best:.0f} %"
    ties = [record for record in ranking.ranked[1:] if record.standing is not None and record.standing.is_tie]
    first = f"{names[best.candidate]} is best by {ranking.scores[0]} with {share} probability"
    return [f"{first}; {_ties(best, ties, names)}"]


def _ties(best: ScoreRecord, ties: list[ScoreRecord], names: dict[str, str]) -> str:
    if not ties:
        return "no other is a tie"
    smaller = [record for record in ties if _factor(best, record) >= _SMALLER]
    if smaller:
        choice = max(smaller, key=lambda record: _factor(best, record))
        others = len(ties) - 1
        more = f"; {others} more {'is a tie' if others == 1 else 'are ties'}" if others else ""
        return f"{names[choice.candidate]} is a tie and {_factor(best, choice):.1f} x smaller{more}"
    shown = [names[record.candidate] for record in ties[:_NAMED]]
    if len(ties) > _NAMED:
        shown.append(f"{len(ties) - _NAMED} more")
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{listed} {'is a tie' if len(ties) == 1 else 'are ties'}"


def _factor(best: ScoreRecord, other: ScoreRecord) -> float:
    return best.n_parameters / other.n_parameters if best.n_parameters and other.n_parameters else 0.0


def race_remarks(ranking: Ranking) -> list[str]:
    """Say what a race looked at, and what it dropped when.

    Parameters
    ----------
    ranking : Ranking
        The result.

    Returns
    -------
    list of str
        One line a round, and one for all of them; none without a race.
    """
    if not ranking.rounds:
        return []
    lines = []
    for number, each in enumerate(ranking.rounds, start=1):
        went = f"{len(each.dropped)} dropped" if each.dropped else "none dropped"
        lines.append(
            f"race, round {number}: {len(each.candidates)} candidates on {each.n_samples} samples, {went} "
            f"({duration(each.seconds)})"
        )
    looked, whole = passes(ranking.rounds), len(ranking.rounds[0].candidates) * ranking.probe.n
    lines.append(f"race: {looked:,} of {whole:,} forward passes, {100 * (1 - looked / whole):.0f} % saved")
    if any(record.error_type == "dropped" for record in ranking.records):
        error = f"{100 * ERROR_LEVEL:.0f} %"
        lines.append(f"race: who was dropped is surely not the best; that is wrong in at most {error} of races")
    return lines
