"""Optional libraries: imported when they are needed, with one sentence when they are not there."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from hubscout.errors import MissingExtraError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional library.

    Parameters
    ----------
    module : str
        Dotted name of the module, such as ``timm``.
    extra : str
        The extra of hubscout that installs it, such as ``timm`` for ``pip install 'hubscout[timm]'``.
    purpose : str
        What needs it, in words that start the sentence: ``timm: addresses``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        When it is not installed.

    Examples
    --------
    >>> require("json", "none", "this example").__name__
    'json'
    >>> require("no_such_library", "timm", "timm: addresses")
    Traceback (most recent call last):
    ...
    hubscout.errors.MissingExtraError: timm: addresses need no_such_library, which is not installed; run: pip
    install 'hubscout[timm]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        missing = error.name or top
        # A library that is there and lacks one of its own parts is named by that part: it is what to install.
        raise MissingExtraError(_missing(missing, extra, purpose)) from error


def check_installed(module: str, extra: str, purpose: str) -> None:
    """Find out that an optional library is there without importing it, before something is fetched for it.

    Parameters
    ----------
    module, extra, purpose : str
        As for `require`; ``module`` is a top-level name.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(_missing(module, extra, purpose))


def _missing(module: str, extra: str, purpose: str) -> str:
    return f"{purpose} need {module}, which is not installed; run: pip install 'hubscout[{extra}]'"
