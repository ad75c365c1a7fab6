"""What a verification leaves behind: frozen records with versioned JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hubscout.data.task import Task
from hubscout.errors import DataError
from hubscout.evaluation.finetune.recipe import Recipe
from hubscout.evaluation.finetune.result import Estimate

_FAMILY, _MAJOR = "hubscout.verification", 1
SCHEMA = f"{_FAMILY}/{_MAJOR}"

T = TypeVar("T")


@dataclass(frozen=True)
class VerifiedCandidate:
    """One candidate of the shortlist, fine-tuned.

    Parameters
    ----------
    candidate : str
        Address, as the ranking pins it. Untrusted text.
    rank : int
        In the ranking.
    score : float or None
        Value of the score that ranks.
    status : {"verified", "failed"}
        Whether it was fine-tuned.
    reached : Estimate or None
        On the test part, with its interval.
    validation : float or None
        On the validation part, under the first seed.
    setting : float or None
        The learning rate that validation chose; the inverse strength of the penalty for a linear probe.
    n_epochs : int
        Epochs of all runs together; 0 for a linear probe.
    seconds : float
        Time of all runs, whenever they were run.
    n_parameters : int or None
        Of the encoder.
    device : str or None
        Where it ran.
    reason, error_type : str or None
        Why it failed.
    notes : tuple of str
        Sentences the user should see.
    """

    candidate: str
    rank: int
    score: float | None
    status: Literal["verified", "failed"]
    reached: Estimate | None = None
    validation: float | None = None
    setting: float | None = None
    n_epochs: int = 0
    seconds: float = 0.0
    n_parameters: int | None = None
    device: str | None = None
    reason: str | None = None
    error_type: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    """Was the ranking right? Its first candidates, really fine-tuned.

    Parameters
    ----------
    task : Task
        What is asked.
    measure : {"accuracy", "R2"}
        What was measured on the test part.
    score : str
        The score that ranks.
    recipe : Recipe
        How candidates were fine-tuned.
    candidates : tuple of VerifiedCandidate
        In the order of the ranking.
    n_train, n_validation, n_test : int
        Samples of each part.
    test_origin : str
        Where the test part comes from.
    fingerprint : str
        SHA-256 over contents and labels of all parts.
    regret : Estimate or None
        The best of the verified candidates minus the ranking's first, on the same samples; at least 0 for accuracies.
        None when the first failed. The best is chosen on the same test part, so the regret is rather too large.
    n_others : int
        Candidates of the ranking that were not fine-tuned.
    seconds_saved : float or None
        What fine-tuning these would have taken, estimated by their parameters; None when unknown.
    notes : tuple of str
        Sentences the user should see.
    environment : dict
        Versions and platform.
    created, ranking_created : str
        UTC time, ISO 8601.
    """

    task: Task
    measure: str
    score: str
    recipe: Recipe
    candidates: tuple[VerifiedCandidate, ...]
    n_train: int
    n_validation: int
    n_test: int
    test_origin: str
    fingerprint: str
    regret: Estimate | None = None
    n_others: int = 0
    seconds_saved: float | None = None
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    created: str = ""
    ranking_created: str = ""

    @property
    def verified(self) -> tuple[VerifiedCandidate, ...]:
        """Candidates that have a value."""
        return tuple(each for each in self.candidates if each.reached is not None)

    @property
    def failed(self) -> tuple[VerifiedCandidate, ...]:
        """Candidates that have none, each with its reason."""
        return tuple(each for each in self.candidates if each.reached is None)

    @property
    def best(self) -> VerifiedCandidate | None:
        """The candidate that reached most; of equal ones the first of the ranking."""
        return max(self.verified, key=_value, default=None)

    @property
    def is_first_right(self) -> bool | None:
        """Whether none of the others reached more than the ranking's first; None when that one failed."""
        return None if self.regret is None else self.regret.value <= 0

    @property
    def is_first_tied(self) -> bool | None:
        """Whether the best is no better than the ranking's first beyond chance; None when that one failed."""
        return None if self.regret is None else self.regret.low <= 0

    @property
    def seconds_spent(self) -> float:
        """Time of all runs."""
        return sum(each.seconds for each in self.candidates)

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the verification as versioned JSON (schema ``hubscout.verification/1``).

        Parameters
        ----------
        path : str or Path, optional
            Also write the text to this file, whole or not at all.

        Returns
        -------
        str
            One JSON object in ASCII. What follows from the rest (``best``, ``is_first_right``, ``is_first_tied``,
            ``seconds_spent``) is written too, for readers without hubscout.
        """
        from hubscout.ranking.serialise import write_text

        derived = {
            "best": None if self.best is None else self.best.candidate,
            "is_first_right": self.is_first_right,
            "is_first_tied": self.is_first_tied,
            "seconds_spent": self.seconds_spent,
        }
        document = {"schema": SCHEMA, **dataclasses.asdict(self), **derived}
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        if path is not None:
            write_text(Path(path), text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Verification:
        """Read a verification back.

        Parameters
        ----------
        source : str or Path
            A file, or the JSON text itself (a string that starts with a brace).

        Returns
        -------
        Verification
            Equal to the one that was written.

        Raises
        ------
        DataError
            When it is not a verification of this schema, or one of a newer hubscout.
        """
        is_text = isinstance(source, str) and source.lstrip().startswith("{")
        origin = "the text" if is_text else repr(str(source))
        try:
            document = json.loads(str(source) if is_text else Path(source).read_text(encoding="utf-8"))
            family, _, major = str(document["schema"]).partition("/")
            if family != _FAMILY or int(major) > _MAJOR:
                msg = f"source must be of schema {SCHEMA} or older, and {origin} has {document['schema']!r}"
                raise DataError(msg)
            return _verification(document)
        except DataError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            msg = f"source must hold a whole verification of schema {SCHEMA}, and {origin} does not ({reason})"
            raise DataError(msg) from error


def _value(candidate: VerifiedCandidate) -> float:
    return -float("inf") if candidate.reached is None else candidate.reached.value


def _verification(document: dict[str, Any]) -> Verification:
    known = _known(Verification, document)
    known["task"] = _tuples(_build(Task, known["task"]), "label_names", "target_names")
    known["recipe"] = Recipe.from_dict(known["recipe"])
    known["candidates"] = tuple(_candidate(each) for each in known["candidates"])
    known["regret"] = None if known["regret"] is None else _build(Estimate, known["regret"])
    return _tuples(Verification(**known), "notes")


def _candidate(document: dict[str, Any]) -> VerifiedCandidate:
    known = _known(VerifiedCandidate, document)
    if known.get("reached") is not None:
        known["reached"] = _build(Estimate, known["reached"])
    return _tuples(VerifiedCandidate(**known), "notes")


def _tuples(record: T, *names: str) -> T:
    """Turn lists, which is what JSON knows, back into tuples."""
    return dataclasses.replace(record, **{name: tuple(getattr(record, name)) for name in names})  # type: ignore[type-var]


def _build(kind: type[T], document: dict[str, Any]) -> T:
    return kind(**_known(kind, document))


def _known(kind: type[T], document: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return {name: value for name, value in document.items() if name in names}
