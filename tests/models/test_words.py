"""Words as windows of tokens, without any model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hubscout.data.parts import Words
from hubscout.errors import UsageError
from hubscout.models.word_tokens import PlainTokenizer, WordTokenizer
from hubscout.models.words import cut_windows, sum_words, window_words


class TestWindows:
    @given(n_tokens=st.integers(1, 60), capacity=st.integers(1, 20))
    def test_each_token_is_owned_once_where_it_stands_deepest(self, n_tokens, capacity):
        windows = cut_windows(n_tokens, capacity)
        owned = [token for w in windows for token in range(w.own_begin, w.own_end)]
        assert owned == list(range(n_tokens))
        assert all(w.end - w.begin <= capacity for w in windows)

        def depth(window, token):
            return min(token - window.begin, window.end - 1 - token)

        for window in windows:
            for token in range(window.own_begin, window.own_end):
                others = [depth(w, token) for w in windows if w.begin <= token < w.end]
                reached = depth(window, token)
                # At an end of the text there is nothing to see beyond it, so depth is counted towards the other end.
                at_end = window.begin == 0 or window.end == n_tokens
                assert reached == max(others) or at_end
                if not at_end:
                    assert reached >= (capacity - 1) // 4

    def test_what_fits_is_one_window(self):
        assert len(cut_windows(8, 8)) == 1
        assert len(cut_windows(9, 8)) == 2

    def test_special_tokens_stand_around_each_window(self):
        tokens = window_words([[i] for i in range(10, 17)], prefix=[1], suffix=[2, 3], max_length=7)
        assert tokens.windows == ((1, 10, 11, 12, 13, 2, 3), (1, 12, 13, 14, 15, 2, 3), (1, 13, 14, 15, 16, 2, 3))
        assert [owner.tolist() for owner in tokens.owners] == [
            [-1, 0, 1, 2, -1, -1, -1],
            [-1, -1, 3, 4, -1, -1, -1],
            [-1, -1, -1, 5, 6, -1, -1],
        ]
        assert (tokens.n_words, len(tokens)) == (7, 21)

    def test_words_that_give_no_row_are_context(self):
        tokens = window_words([[5], [6, 7], [8]], [0, 2], max_length=9)
        assert tokens.windows == ((5, 6, 7, 8),)
        assert tokens.owners[0].tolist() == [0, -1, -1, 1]
        assert tokens.n_words == 2

    def test_windows_without_a_row_are_left_out(self):
        tokens = window_words([[i] for i in range(40)], [39], max_length=8)
        assert tokens.windows == (tuple(range(32, 40)),)

    def test_first_tokens_only(self):
        tokens = window_words([[5, 6], [], [7, 8, 9], []], max_length=9, first_only=True)
        assert tokens.owners[0].tolist() == [0, -1, 2, -1, -1]


class TestSums:
    @pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
    def test_against_a_loop(self, kind):
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(3, 11, 4)).astype(np.float32)
        owners = [rng.integers(-1, 6, length) for length in (11, 7, 3)]  # the rest is padding
        rows, sums = sum_words(kind(vectors), owners)
        expected = np.zeros((6, 4))
        for text, owner in enumerate(owners):
            for token, row in enumerate(owner):
                if row >= 0:
                    expected[row] += vectors[text, token]
        assert rows.tolist() == sorted(set(np.concatenate(owners)) - {-1})
        np.testing.assert_allclose(sums, expected[rows], atol=1e-5)


class TestPlainTokenizer:
    """A function that turns letters into numbers, and puts something around."""

    @pytest.mark.parametrize(("before", "behind"), [([], []), ([1], []), ([], [2]), ([1, 9], [2])])
    def test_what_stands_around_is_told_apart(self, before, behind):
        tokenizer = PlainTokenizer(lambda text: [*before, *map(ord, text), *behind], 20)
        assert tokenizer.frame() == (tuple(before), tuple(behind))
        assert tokenizer.bare("abc") == [97, 98, 99]

    def test_one_token_for_everything_is_no_frame(self):
        assert PlainTokenizer(lambda text: [7] * len(text.split()), 20).frame() == ((), ())

    def test_words_bring_the_space_where_the_tokenizer_sees_it(self):
        letters = WordTokenizer(PlainTokenizer(lambda text: list(map(ord, text)), 20), "torch:a:b")
        assert letters(Words(("ab", "c"))).windows == ((97, 98, 32, 99),)
        assert letters(Words(("ab", "c"))).owners[0].tolist() == [0, 0, 1, 1]
        whole = WordTokenizer(PlainTokenizer(lambda text: [len(word) for word in text.split()], 20), "torch:a:b")
        assert whole(Words(("ab", "c"))).windows == ((2, 1),)
        assert (letters.leading_space, whole.leading_space) == (True, False)

    def test_a_word_without_tokens_has_none(self):
        split = WordTokenizer(PlainTokenizer(lambda text: [len(w) for w in text.split() if w != "#"], 20), "a")
        tokens = split(Words(("#", "a", "#", "bb")))
        assert (tokens.windows, tokens.n_words) == (((1, 2),), 4)
        assert tokens.owners[0].tolist() == [1, 3]
        assert len(split(Words(("#",)))) == 0

    @pytest.mark.parametrize(
        ("subword", "length", "message"),
        [
            ("last", 20, "subword must be mean or first, got 'last'"),
            ("mean", 2, "max_length of 'a' must leave room for words beside 2 special tokens, got 2"),
        ],
    )
    def test_refusals(self, subword, length, message):
        tokenizer = PlainTokenizer(lambda text: [1, *map(ord, text), 2], length)
        with pytest.raises(UsageError) as caught:
            WordTokenizer(tokenizer, "a", subword)
        assert str(caught.value) == message
