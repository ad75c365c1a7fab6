"""What a candidate may cost: limits that a user sets, and whether a candidate keeps them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hubscout.errors import UsageError

_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Limits:
    """What candidates may cost; None for no limit.

    Parameters
    ----------
    max_params : int or None
        Parameters of the encoder.
    max_latency : float or None
        Seconds a sample: one over the extraction rate, which is that of whole batches.
    licences : tuple of str
        Licences that are taken, in small letters; empty for all.
    """

    max_params: int | None = None
    max_latency: float | None = None
    licences: tuple[str, ...] = ()

    def objection(self, n_parameters: int | None, licence: str | None) -> str | None:
        """Say why a candidate is out, from what is known before it runs.

        Parameters
        ----------
        n_parameters : int or None
        licence : str or None

        Returns
        -------
        str or None
            One sentence; None when it keeps the limits.
        """
        if self.max_params is not None:
            if n_parameters is None:
                return f"its parameters are unknown, and at most {self.max_params:,} are asked for"
            if n_parameters > self.max_params:
                return f"it has {n_parameters:,} parameters, more than the {self.max_params:,} that are asked for"
        if self.licences and (licence or "").lower() not in self.licences:
            taken = " or ".join(self.licences)
            return f"its licence is {'unknown' if not licence else repr(licence)}, and {taken} is asked for"
        return None

    def objection_to_rate(self, samples_per_second: float | None) -> str | None:
        """Say why a candidate is too slow, from its measured rate.

        Parameters
        ----------
        samples_per_second : float or None

        Returns
        -------
        str or None
            One sentence; None when it keeps the limit.
        """
        if self.max_latency is None:
            return None
        asked = f"at most {1e3 * self.max_latency:g} ms are asked for"
        if not samples_per_second:
            return f"its time for a sample is unknown, and {asked}"
        if 1 / samples_per_second > self.max_latency:
            return f"it takes {1e3 / samples_per_second:.3g} ms for a sample, and {asked}"
        return None


def read_limits(
    max_params: float | str | None = None,
    max_latency: float | str | None = None,
    licences: str | Sequence[str] | None = None,
) -> Limits:
    """Read limits as users write them.

    Parameters
    ----------
    max_params : int or text such as "30M", optional
    max_latency : seconds, or text such as "20ms", optional
    licences : text such as "apache-2.0,mit", or sequence of str, optional

    Returns
    -------
    Limits

    Raises
    ------
    UsageError
        When one of them is not of its form.

    Examples
    --------
    >>> read_limits("30M", "20ms", "Apache-2.0, mit")
    Limits(max_params=30000000, max_latency=0.02, licences=('apache-2.0', 'mit'))
    """
    names = licences.split(",") if isinstance(licences, str) else licences or ()
    taken = tuple(dict.fromkeys(str(name).strip().lower() for name in names))
    if licences is not None and not all(taken or ("",)):
        msg = f"licences (--license) must name licences such as apache-2.0,mit, got {licences!r}"
        raise UsageError(msg)
    params = None if max_params is None else _quantity("max_params (--max-params)", max_params, _COUNTS, "30M", "")
    latency = None if max_latency is None else seconds("max_latency (--max-latency)", max_latency, "20ms")
    return Limits(None if params is None else round(params), latency, taken)


def seconds(name: str, given: float | str, example: str) -> float:
    """Read a time span: a number of seconds, or text with us, ms, s, m, min or h.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    given : float or str
    example : str
        A good value, for the error.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        When it is not of this form, or not above 0.

    Examples
    --------
    >>> seconds("budget", "10m", "10m"), seconds("budget", "1.5h", "10m"), seconds("budget", 90, "10m")
    (600.0, 5400.0, 90.0)
    """
    return _quantity(name, given, _SECONDS, example, "s")


def _quantity(name: str, given: float | str, units: dict[str, float], example: str, default: str) -> float:
    found = _QUANTITY.fullmatch(str(given))
    unit = (found[2].lower() or default) if found else ""
    if isinstance(given, bool) or found is None or unit not in units or not float(found[1]) > 0:
        known = ", ".join(each for each in units if each)
        msg = f"{name} must be a number above 0, alone or with one of {known}, such as {example}; got {given!r}"
        raise UsageError(msg)
    return float(found[1]) * units[unit]
