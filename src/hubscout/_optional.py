"""Optional libraries: imported when they are needed, with one sentence when they are not there."""

from __future__ import annotations

import importlib
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
        msg = f"{purpose} need {missing}, which is not installed; run: pip install 'hubscout[{extra}]'"
        raise MissingExtraError(msg) from error
