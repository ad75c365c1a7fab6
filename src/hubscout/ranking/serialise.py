"""Rankings to and from versioned JSON."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from hubscout.data.task import RowProblem, Task
from hubscout.errors import DataError
from hubscout.ranking.evidence import Evidence
from hubscout.ranking.layers import LayerChoice, LayerValue
from hubscout.ranking.records import ProbeFacts, Ranking, ScoreEntry, ScoreRecord
from hubscout.ranking.rounds import Round
from hubscout.ranking.standing import Standing

SCHEMA = "hubscout.ranking/1"
_FAMILY, _MAJOR = "hubscout.ranking", 1

T = TypeVar("T")


def ranking_to_json(ranking: Ranking) -> str:
    """Write a ranking as one JSON object; see `hubscout.ranking.records.Ranking.to_json`."""
    # A number a sample for each candidate is more than a result should weigh; what follows from them is in it.
    light = replace(ranking, records=tuple(replace(record, evidence=None) for record in ranking.records))
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(light)}
    for record in document["records"]:
        del record["evidence"]
    # ASCII only: names with control characters or lone surrogates stay harmless and can always be encoded.
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def ranking_from_json(source: str | Path) -> Ranking:
    """Read a ranking from a file or text; see `hubscout.ranking.records.Ranking.from_json`."""
    text, origin = _read(source)
    try:
        document = json.loads(text)
    except ValueError as error:
        msg = f"source must hold a ranking as JSON, and {origin} is not JSON ({error}); use to_json()"
        raise DataError(msg) from error
    _check_schema(document, origin)
    try:
        return _ranking(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        msg = (
            f"source must hold a whole ranking of schema {SCHEMA}, and {origin} does not "
            f"({type(error).__name__}: {error}); make it again with `hubscout rank ... --json`"
        )
        raise DataError(msg) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; an existing file is replaced.
    text : str
        What to write, in UTF-8.

    Raises
    ------
    OSError
        When the folder is missing or not writable.
    """
    if path.exists() and not path.is_file():  # a pipe or /dev/stdout cannot be replaced, only written to
        path.write_text(text, encoding="utf-8")
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        mask = os.umask(0)
        os.umask(mask)
        # mkstemp makes private files; results are ordinary files.
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def record_to_dict(record: ScoreRecord) -> dict[str, Any]:
    """Return one record as plain JSON values, with what its value rests on."""
    evidence = None if record.evidence is None else record.evidence.to_dict()
    return {**asdict(replace(record, evidence=None)), "evidence": evidence}


def record_from_dict(document: dict[str, Any]) -> ScoreRecord:
    """Build one record from plain JSON values; fields this version does not know are ignored."""
    known = _known(ScoreRecord, document)
    known["scores"] = {name: ScoreEntry(**_known(ScoreEntry, entry)) for name, entry in known["scores"].items()}
    for names in ("notes", "efficient_in"):
        known[names] = tuple(known.get(names, ()))
    if known.get("layers") is not None:
        choice = _known(LayerChoice, known["layers"])
        choice["layers"] = tuple(LayerValue(**_known(LayerValue, each)) for each in choice["layers"])
        known["layers"] = LayerChoice(**choice)
    if known.get("standing") is not None:
        known["standing"] = Standing(**_known(Standing, known["standing"]))
    if known.get("evidence") is not None:
        known["evidence"] = Evidence.from_dict(known["evidence"])
    return ScoreRecord(**known)


def _read(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return source, "the text"
    try:
        return Path(source).read_text(encoding="utf-8"), repr(str(source))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        msg = f"source must be a readable file or JSON text, and {str(source)!r} cannot be read: {reason}"
        raise DataError(msg) from error


def _check_schema(document: Any, origin: str) -> None:
    schema = document.get("schema") if isinstance(document, dict) else None
    family, _, major = str(schema).partition("/")
    if family != _FAMILY or not major.isdigit():
        msg = f"source must hold a ranking of schema {SCHEMA}, and {origin} has schema {schema!r}"
        raise DataError(msg)
    if int(major) > _MAJOR:
        msg = (
            f"source must be of schema {SCHEMA} or older, and {origin} has {schema!r}, written by a newer "
            "hubscout; upgrade with `pip install -U hubscout`"
        )
        raise DataError(msg)


def _ranking(document: dict[str, Any]) -> Ranking:
    task = _known(Task, document["task"])
    for names in ("label_names", "target_names"):
        task[names] = tuple(task.get(names, ()))
    probe = _known(ProbeFacts, document["probe"])
    probe["problems"] = tuple(RowProblem(**_known(RowProblem, each)) for each in probe.get("problems", ()))
    probe["notes"] = tuple(probe.get("notes", ()))
    return Ranking(
        task=Task(**task),
        probe=ProbeFacts(**probe),
        scores=tuple(document["scores"]),
        records=tuple(record_from_dict(record) for record in document["records"]),
        options=dict(document.get("options", {})),
        environment=dict(document.get("environment", {})),
        created=str(document.get("created", "")),
        rounds=tuple(_round(each) for each in document.get("rounds", ())),
    )


def _round(document: dict[str, Any]) -> Round:
    known = _known(Round, document)
    return Round(**{**known, **{name: tuple(known.get(name, ())) for name in ("candidates", "dropped")}})


def _known(kind: type[T], document: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return {name: value for name, value in document.items() if name in names}
