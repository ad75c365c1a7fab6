"""What a ranking run leaves behind: frozen records from which every table and page is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hubscout.data.task import RowProblem, Task
from hubscout.ranking.evidence import Evidence
from hubscout.ranking.layers import LayerChoice
from hubscout.ranking.rounds import Round
from hubscout.ranking.standing import Standing

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["ranked", "unranked", "failed"]
Cost = Literal["parameters", "macs", "time"]


@dataclass(frozen=True)
class ScoreEntry:
    """One score of one candidate.

    Parameters
    ----------
    value : float or None
        Higher is better; None when there is no value, never NaN.
    standard_error : float or None
        Where the score is a mean over samples, or a jackknife was run.
    reason : str or None
        Why there is no value.
    seconds : float
        Time the score took on features that were ready.
    parts : dict of str to float
        What a value is the sum of, where it has parts: those of box classes and of box coordinates. In a ranking each
        is spread over 0 to 1 across the candidates before they are added.
    """

    value: float | None
    standard_error: float | None = None
    reason: str | None = None
    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreRecord:
    """One candidate of a ranking: what was found, what it costs, and how to get it again.

    Parameters
    ----------
    candidate : str
        The address, pinned to a revision where there is one. Untrusted text.
    status : {"ranked", "unranked", "failed"}
        ``unranked`` when the deciding score has no value, or the candidate is beyond a limit; ``failed`` when it could
        not be run.
    rank : int or None
        From 1; candidates of equal value share a rank.
    scores : dict of str to ScoreEntry
        In the order that was asked for.
    reason : str or None
        One sentence: why it is not ranked.
    error_type : str or None
        Class of the error, ``crash``, or ``time_limit``; of who could have been ranked ``dropped`` or ``beyond_limit``.
    details : str or None
        The end of what the candidate's process wrote, when it failed unexpectedly. Untrusted text.
    n_features, n_parameters, source_classes : int or None
        Width of the features, parameters of the encoder, width of the source head.
    n_macs : int or None
        Multiplications with an addition in one forward pass of the first sample; known for torch models.
    peak_memory : int or None
        Bytes of main memory that the candidate's process held at most, its libraries included; None where candidates
        share a process.
    is_efficient : bool
        Whether no other ranked candidate is better at no more cost, for one of the costs at least.
    efficient_in : tuple of str
        Those costs: ``parameters``, ``macs``, ``time`` (one over the rate).
    licence, identity, loader, device : str or None
        As on the `hubscout.models.card.ModelCard`.
    transform : dict
        The complete preprocessing.
    samples_per_second : float or None
        Extraction rate, measured when the rows were computed, now or earlier; None when unknown.
    seconds : float
        Wall time of the candidate, loading and scoring included.
    rows_cached, rows_computed, rows_repaired : int
        Rows of the probe taken from the store, computed, and computed again because they were damaged.
    notes : tuple of str
        Sentences the user should see.
    requested : str or None
        The address before it was pinned to a commit. Untrusted text.
    layers : LayerChoice or None
        The layer the candidate is judged at, where layers were asked for.
    standing : Standing or None
        Of a ranked candidate: its probability of being best, and its distance to the first.
    n_samples : int or None
        In a race, the samples that the candidate was judged on; None where that was the whole probe.
    evidence : Evidence or None
        What the deciding value rests on, one number a sample; in memory only, and not part of the JSON.
    """

    candidate: str
    status: Status
    rank: int | None = None
    scores: dict[str, ScoreEntry] = field(default_factory=dict)
    reason: str | None = None
    error_type: str | None = None
    details: str | None = None
    n_features: int | None = None
    n_parameters: int | None = None
    source_classes: int | None = None
    n_macs: int | None = None
    peak_memory: int | None = None
    is_efficient: bool = False
    efficient_in: tuple[Cost, ...] = ()
    licence: str | None = None
    identity: str | None = None
    loader: str | None = None
    device: str | None = None
    transform: dict[str, Any] = field(default_factory=dict)
    samples_per_second: float | None = None
    seconds: float = 0.0
    rows_cached: int = 0
    rows_computed: int = 0
    rows_repaired: int = 0
    notes: tuple[str, ...] = ()
    requested: str | None = None
    layers: LayerChoice | None = None
    standing: Standing | None = None
    n_samples: int | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def value(self, score: str) -> float | None:
        """Return the value of one score, or None."""
        entry = self.scores.get(score)
        return None if entry is None else entry.value


@dataclass(frozen=True)
class ProbeFacts:
    """The target sample that all candidates looked at.

    Parameters
    ----------
    n, n_target : int
        Samples in the probe, and usable samples it was drawn from.
    seed : int
        Seed of the draw.
    split : str
        Which split was read.
    fingerprint : str
        SHA-256 over the contents of the samples.
    problems : tuple of RowProblem
        Samples left out, with the reason of each.
    notes : tuple of str
        Sentences the user should see, such as which columns were guessed.
    n_units : int or None
        Boxes, words or points in these samples; None where a sample is the unit.
    """

    n: int
    n_target: int
    seed: int
    split: str
    fingerprint: str
    problems: tuple[RowProblem, ...] = ()
    notes: tuple[str, ...] = ()
    n_units: int | None = None


@dataclass(frozen=True, repr=False)
class Ranking:
    """Candidates in the order of the first score, with all that is needed to trust and repeat it.

    Parameters
    ----------
    task : Task
        What the candidates were judged by.
    probe : ProbeFacts
        The sample they looked at.
    scores : tuple of str
        Names of the scores; the first one decides the order.
    records : tuple of ScoreRecord
        Ranked candidates first, best first; then those without a value of the first score; failed ones last.
    options : dict
        The arguments of `hubscout.rank`, as plain JSON values.
    environment : dict
        Versions of hubscout, Python and the libraries, and the platform.
    created : str
        UTC time, ISO 8601.
    rounds : tuple of Round
        The history of a race; empty without one.

    See Also
    --------
    hubscout.rank : makes one.
    """

    task: Task
    probe: ProbeFacts
    scores: tuple[str, ...]
    records: tuple[ScoreRecord, ...]
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    created: str = ""
    rounds: tuple[Round, ...] = ()

    @property
    def ranked(self) -> tuple[ScoreRecord, ...]:
        """Candidates that have a rank, best first."""
        return tuple(record for record in self.records if record.status == "ranked")

    @property
    def not_ranked(self) -> tuple[ScoreRecord, ...]:
        """Candidates that have none, each with its reason."""
        return tuple(record for record in self.records if record.status != "ranked")

    @property
    def best(self) -> ScoreRecord | None:
        """The first candidate, or None when nothing could be ranked."""
        return self.records[0] if self.ranked else None

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the ranking as versioned JSON (schema ``hubscout.ranking/1``).

        Parameters
        ----------
        path : str or Path, optional
            Also write the text to this file, whole or not at all.

        Returns
        -------
        str
            One JSON object in ASCII; missing values are null, never NaN.
        """
        from hubscout.ranking.serialise import ranking_to_json, write_text

        text = ranking_to_json(self)
        if path is not None:
            write_text(Path(path), text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Ranking:
        """Read a ranking back.

        Parameters
        ----------
        source : str or Path
            A file, or the JSON text itself (a string that starts with a brace).

        Returns
        -------
        Ranking
            Equal to the one that was written.

        Raises
        ------
        DataError
            When it is not a ranking of this schema, or one of a newer hubscout.

        Notes
        -----
        Fields this version does not know are ignored, so that a later 1.x may add some.
        """
        from hubscout.ranking.serialise import ranking_from_json

        return ranking_from_json(source)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a candidate as a pandas data frame.

        Returns
        -------
        DataFrame
            Columns rank, candidate, each score, features, parameters, samples_per_second, seconds, reason.

        Raises
        ------
        MissingExtraError
            When pandas is not installed.
        """
        from hubscout.ranking.views import frame

        return frame(self)

    def _repr_html_(self) -> str:
        from hubscout.ranking.views import html_table

        return html_table(self)

    def __repr__(self) -> str:
        best = "none ranked" if self.best is None else f"best {self.best.candidate!r}"
        decides = self.scores[0] if self.scores else "nothing"
        counts = f"{len(self.records)} candidates, {len(self.ranked)} ranked by {decides}"
        return f"<Ranking on {self.task.name!r}: {counts}, {best}>"
