"""Scores as a benchmark runs them: with options, on features that were scaled first, on part of the probe, combined."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from hubscout.errors import UsageError

SCALINGS = ("unit_rms", "standardised")
_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\((.*)\))?")
_OPTION = re.compile(r"([a-z_]+)=(.+)")


@dataclass(frozen=True)
class Variant:
    """One score with all that decides its value on given features.

    Parameters
    ----------
    score : str
        Its name.
    options : tuple of (str, value)
        Options that differ from the defaults, sorted.
    scaling : str or None
        ``unit_rms`` divides all features by one number, so that their mean square is 1; ``standardised`` divides each
        by its own standard deviation, after centring.
    samples : int or None
        Samples of the probe, drawn stratified; all of them by default.
    share : float or None
        The same as a share of each class.

    Examples
    --------
    >>> str(Variant("disco", (("covariance", "identity"), ("n_groups", 4)), scaling="unit_rms"))
    'disco(covariance=identity,n_groups=4)@unit_rms'
    """

    score: str
    options: tuple[tuple[str, Any], ...] = ()
    scaling: str | None = None
    samples: int | None = None
    share: float | None = None

    def __str__(self) -> str:
        text = self.score
        if self.options:
            text += f"({','.join(f'{name}={_written(value)}' for name, value in self.options)})"
        for mark in (
            self.scaling,
            None if self.samples is None else f"n={self.samples}",
            None if self.share is None else f"share={self.share:g}",
        ):
            text += "" if mark is None else f"@{mark}"
        return text


def parse_variant(text: str) -> Variant:
    """Read a variant as `Variant` writes it.

    Parameters
    ----------
    text : str
        Such as ``disco(cross_fit=5,n_components=64)@unit_rms@n=200``.

    Returns
    -------
    Variant

    Raises
    ------
    UsageError
        When it is not of this form.

    Examples
    --------
    >>> parse_variant("disco( n_components=null )@share=0.5")
    Variant(score='disco', options=(('n_components', None),), scaling=None, samples=None, share=0.5)
    """
    head, *marks = (part.strip() for part in text.split("@"))
    match = _NAME.fullmatch(head)
    if match is None:
        raise UsageError(_form(text))
    options = {}
    for word in (match.group(2) or "").split(","):
        if not word.strip():
            continue
        option = _OPTION.fullmatch(word.strip())
        if option is None:
            raise UsageError(_form(text))
        options[option.group(1)] = _read(option.group(2))
    found: dict[str, Any] = {}
    for mark in marks:
        if mark in SCALINGS:
            found["scaling"] = mark
        elif re.fullmatch(r"n=[1-9]\d*", mark):
            found["samples"] = int(mark[2:])
        elif re.fullmatch(r"share=0?\.\d+", mark) and float(mark[6:]) > 0:
            found["share"] = float(mark[6:])
        else:
            raise UsageError(_form(text))
    return Variant(match.group(1), tuple(sorted(options.items())), **found)


def split_list(text: str) -> list[str]:
    """Split a comma list whose parts may hold commas in brackets.

    Examples
    --------
    >>> split_list("knn, disco(n_groups=4,cross_fit=5),logme+knn")
    ['knn', 'disco(n_groups=4,cross_fit=5)', 'logme+knn']
    """
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def parts_of(name: str) -> list[str]:
    """Return what a combination is the rank average of; of a single score, itself.

    Examples
    --------
    >>> parts_of("knn + linear_probe"), parts_of("knn")
    (['knn', 'linear_probe'], ['knn'])
    """
    return [str(parse_variant(part)) for part in name.split("+")]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _form(text: str) -> str:
    return (
        f"a score of a benchmark must have the form name(option=value,...) with @unit_rms, @standardised, @n=200 or "
        f"@share=0.5 behind it, got {text!r}"
    )
