"""The errors of hubscout: one sentence each, with the argument, the rule, what was received and what to do.

Every class carries the exit code that the command line ends with, so that the mapping lives in one place.
"""

from __future__ import annotations


class HubscoutError(Exception):
    """Base of all errors a user can mend; anything else that escapes is a bug of ours."""

    exit_code = 1


class UsageError(HubscoutError, ValueError):
    """An argument, option or address is not of the form that is asked for."""

    exit_code = 2


class MissingExtraError(HubscoutError, ImportError):
    """An optional library is needed and is not installed."""

    exit_code = 2


class DataError(HubscoutError, ValueError):
    """The target data, the features or the labels cannot be used as they are."""

    exit_code = 4


class NothingRankedError(HubscoutError):
    """No candidate could be ranked."""

    exit_code = 5


class UnsafeFileError(HubscoutError):
    """A file could execute code when it is loaded, and was refused."""

    exit_code = 6


class CandidateError(HubscoutError):
    """One candidate cannot be used; the others go on without it."""

    exit_code = 3


class StoreError(HubscoutError, OSError):
    """The feature store cannot be read or written."""

    exit_code = 1
