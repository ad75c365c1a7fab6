"""Versions of what made a result."""

from __future__ import annotations

import platform
from importlib import metadata

# Distributions whose version can change a feature or a score.
_LIBRARIES = (
    "hubscout",
    "numpy",
    "scipy",
    "scikit-learn",
    "onnxruntime",
    "pillow",
    "torch",
    "timm",
    "transformers",
    "sentence-transformers",
    "datasets",
)


def environment() -> dict[str, str]:
    """Return the versions of hubscout, Python and the installed libraries, and the platform.

    Nothing is imported for it, so that a library that was not needed stays unloaded.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> {"hubscout", "numpy", "platform", "python"} <= set(environment())
    True
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
