"""One vector a word: a text as overlapping windows of tokens, and the sum over the tokens of each word."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hubscout._typing import IntArray


@dataclass(frozen=True)
class Window:
    """A run of tokens that a model sees at once, and the part of it whose vectors are taken.

    Parameters
    ----------
    begin, end : int
        Tokens of the text that are seen.
    own_begin, own_end : int
        Tokens whose vectors are taken from here.
    """

    begin: int
    end: int
    own_begin: int
    own_end: int


@dataclass(frozen=True)
class WordTokens:
    """A text as windows of tokens, each token with the row of its word.

    Parameters
    ----------
    windows : tuple of tuple of int
        Token lists, with the special tokens around each.
    owners : tuple of ndarray of int
        For each token of each window the row it counts for; -1 for special tokens, for tokens that another window
        answers for, and for words that give no row.
    n_words : int
        Words that give a row.
    """

    windows: tuple[tuple[int, ...], ...]
    owners: tuple[IntArray, ...]
    n_words: int

    def __len__(self) -> int:
        """Count the tokens of all windows, by which the loop batches."""
        return sum(map(len, self.windows))


def cut_windows(n_tokens: int, capacity: int) -> list[Window]:
    """Cut a text into windows that overlap by half.

    Parameters
    ----------
    n_tokens : int
        Of the text.
    capacity : int
        Tokens that a window holds.

    Returns
    -------
    list of Window
        Each token is owned by the window in which it stands deepest, that is farthest from the nearer end; but for the
        ends of the text it then sees at least a quarter of a window on either side.

    Examples
    --------
    >>> [(w.begin, w.end, w.own_begin, w.own_end) for w in cut_windows(9, 4)]
    [(0, 4, 0, 3), (2, 6, 3, 5), (4, 8, 5, 7), (5, 9, 7, 9)]
    """
    step = max(1, capacity // 2)
    last = max(0, n_tokens - capacity)
    begins = [*range(0, last, step), last]
    # Two neighbours share the middle of their overlap; where it has one, the earlier takes it.
    bounds = [0, *((a + b + capacity + 1) // 2 for a, b in itertools.pairwise(begins)), n_tokens]
    return [Window(begin, min(begin + capacity, n_tokens), bounds[i], bounds[i + 1]) for i, begin in enumerate(begins)]


def window_words(
    words: Sequence[Sequence[int]],
    kept: Sequence[int] | None = None,
    *,
    prefix: Sequence[int] = (),
    suffix: Sequence[int] = (),
    max_length: int,
    first_only: bool = False,
) -> WordTokens:
    """Lay the tokens of a text's words into windows, so that each word that is kept has a vector.

    Parameters
    ----------
    words : sequence of sequences of int
        The tokens of each word; a word without any has no vector.
    kept : sequence of int, optional
        Positions of the words that give a row, in its order; all by default.
    prefix, suffix : sequence of int
        Special tokens around each window.
    max_length : int
        Tokens that the model takes, more than the special ones.
    first_only : bool
        Whether a word is read off its first token alone instead of the mean over all.

    Returns
    -------
    WordTokens

    Examples
    --------
    >>> tokens = window_words([[5], [6, 7], [8]], prefix=[1], suffix=[2], max_length=9)
    >>> tokens.windows, tokens.owners[0].tolist()
    (((1, 5, 6, 7, 8, 2),), [-1, 0, 1, 1, 2, -1])
    """
    rows = np.full(len(words), -1)
    positions = range(len(words)) if kept is None else kept
    rows[list(positions)] = np.arange(len(positions))
    ids = [token for word in words for token in word]
    lengths = [len(word) for word in words]
    owners = np.repeat(rows, lengths)
    if first_only:
        firsts = np.cumsum([0, *lengths[:-1]])[np.asarray(lengths) > 0]
        is_first = np.isin(np.arange(len(ids)), firsts)
        owners = np.where(is_first, owners, -1)
    windows, owned = [], []
    for window in cut_windows(len(ids), max_length - len(prefix) - len(suffix)):
        inside = np.full(window.end - window.begin, -1)
        own = slice(window.own_begin - window.begin, window.own_end - window.begin)
        inside[own] = owners[window.own_begin : window.own_end]
        if (inside >= 0).any():  # a window that no row hangs on need not be run
            windows.append((*prefix, *ids[window.begin : window.end], *suffix))
            owned.append(np.pad(inside, (len(prefix), len(suffix)), constant_values=-1))
    return WordTokens(tuple(windows), tuple(owned), len(positions))


def sum_words(vectors: Any, owners: Sequence[IntArray]) -> tuple[IntArray, npt.NDArray[Any]]:
    """Add up the vectors of each word's tokens in one batch of windows.

    Parameters
    ----------
    vectors : Tensor or ndarray of shape (b, tokens, d)
        One vector a token, padding included.
    owners : sequence of b ndarrays of int
        For each token of each window the row it counts for, or -1.

    Returns
    -------
    rows : ndarray of shape (k,), int
        The rows that occur, ascending.
    sums : ndarray of shape (k, d), float32
        On the host.

    Examples
    --------
    >>> rows, sums = sum_words(np.arange(6.0).reshape(1, 3, 2), [np.array([-1, 4, 4])])
    >>> rows.tolist(), sums.tolist()
    ([4], [[6.0, 8.0]])
    """
    width = vectors.shape[1]
    places = np.concatenate([index * width + np.arange(len(row)) for index, row in enumerate(owners)])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    order = order[np.searchsorted(owner[order], 0) :]
    rows, starts, counts = np.unique(owner[order], return_index=True, return_counts=True)
    flat, places = vectors.reshape(-1, vectors.shape[2]), places[order]
    sums = flat[places[starts]]
    # The n-th tokens of all words at a time: the order of the sum is fixed on every device, unlike with atomic adds.
    for nth in range(1, int(counts.max(initial=1))):
        longer = np.flatnonzero(counts > nth)
        sums[longer] = sums[longer] + flat[places[starts[longer] + nth]]
    return rows, sums if isinstance(sums, np.ndarray) else sums.float().cpu().numpy()
