"""Cutting a document into windows: literal windows, and what holds for any of them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.windows import PieceTooLong, WindowCutter

# name: (room, stride, pieces, tokens of each, [(pieces, context, continues)])
LITERAL = {
    "fits": (4, 3, "abcd", None, [("abcd", 0, False)]),
    "nothing": (4, 3, "", None, []),
    "one too many": (4, 3, "abcde", None, [("abcd", 0, True), ("de", 1, False)]),
    "the last is full": (4, 3, "abcdefg", None, [("abcd", 0, True), ("defg", 1, False)]),
    "no overlap": (2, 2, "abcde", None, [("ab", 0, True), ("cd", 0, True), ("e", 0, False)]),
    "most overlap": (
        3,
        1,
        "abcde",
        None,
        [("abc", 0, True), ("bcd", 2, True), ("cde", 2, False)],
    ),
    "room for one": (1, 1, "ab", None, [("a", 0, True), ("b", 0, False)]),
    "words: fewer tokens rather than half a word": (
        4,
        4,
        "abc",
        [3, 2, 2],
        [("a", 0, True), ("bc", 0, False)],
    ),
    "words: the start moves back to a word's": (
        4,
        3,
        "abcd",
        [1, 1, 2, 1],
        [("abc", 0, True), ("cd", 2, False)],
    ),
    "words: less context where the next word is long": (
        4,
        1,
        "abc",
        [1, 3, 3],
        [("ab", 0, True), ("c", 0, False)],
    ),
    "words: a long one moves on all the same": (
        4,
        1,
        "abc",
        [2, 2, 1],
        [("ab", 0, True), ("bc", 2, False)],
    ),
    "words without tokens go along": (
        2,
        2,
        "abcd",
        [2, 0, 1, 0],
        [("ab", 0, True), ("cd", 0, False)],
    ),
}


def windows_of(pieces, counts, *, room, stride, parts=1):
    """[(pieces, context, continues)] of a document that is added in so many parts."""
    cutter = WindowCutter(room=room, stride=stride)
    found = []
    size = -(-len(pieces) // parts) or 1
    for at in range(0, len(pieces), size):
        found += cutter.add(list(pieces[at : at + size]), counts[at : at + size], at)
    found += cutter.finish()
    return [(window.pieces, window.context, window.continues) for window in found]


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("name", LITERAL)
def test_literal_windows(name, parts):
    room, stride, pieces, counts, expected = LITERAL[name]
    counts = counts or [1] * len(pieces)
    found = windows_of(pieces, counts, room=room, stride=stride, parts=parts)
    assert [("".join(window), context, more) for window, context, more in found] == expected


@given(st.data())
def test_every_token_is_scored_once_and_context_is_the_overlap(data):
    length = data.draw(st.integers(0, 60))
    room = data.draw(st.integers(1, 12))
    stride = data.draw(st.integers(1, room))
    found = windows_of(
        list(range(length)),
        [1] * length,
        room=room,
        stride=stride,
        parts=data.draw(st.integers(1, 5)),
    )
    scored = [token for window, context, _ in found for token in window[context:]]
    assert scored == list(range(length))
    assert [window[0] for window, _, _ in found] == [n * stride for n in range(len(found))]
    assert all(len(window) == room for window, _, more in found if more)
    assert [more for _, _, more in found] == [True] * (len(found) - 1) + [False] * bool(found)
    for (before, _, _), (window, context, _) in itertools.pairwise(found):
        assert window[:context] == before[len(before) - context :]
        assert context == room - stride
        assert len(window) > context


@given(st.data())
def test_words_are_whole_scored_once_and_fit(data):
    room = data.draw(st.integers(1, 10))
    counts = data.draw(st.lists(st.integers(0, room), max_size=30))
    words = list(range(len(counts)))
    stride = data.draw(st.integers(1, room))
    found = windows_of(words, counts, room=room, stride=stride)
    parts = data.draw(st.integers(2, 4))
    assert windows_of(words, counts, room=room, stride=stride, parts=parts) == found

    def tokens(window):
        return [(word, token) for word in window for token in range(counts[word])]

    assert [token for window, n, _ in found for token in tokens(window)[n:]] == tokens(words)
    assert all(len(tokens(window)) <= room for window, _, _ in found)
    assert all(window == words[window[0] : window[-1] + 1] for window, _, _ in found)


def test_the_owner_is_that_of_the_first_scored_piece():
    cutter = WindowCutter(room=3, stride=2)
    found = [*cutter.add("ab", [1, 1], "first"), *cutter.add("cdef", [1] * 4, "second")]
    found += cutter.finish()
    assert ["".join(window.pieces) for window in found] == ["abc", "cde", "ef"]
    assert [window.owner for window in found] == ["first", "second", "second"]


def test_a_word_that_never_fits_is_named():
    cutter = WindowCutter(room=3, stride=2)
    with pytest.raises(PieceTooLong) as caught:
        list(cutter.add(["a", "bbbb", "c"], [1, 4, 1], "row"))
    assert (caught.value.piece, caught.value.tokens, caught.value.owner) == ("bbbb", 4, "row")


def test_a_long_document_is_not_held():
    cutter = WindowCutter(room=4, stride=2)
    windows = 0
    for _ in range(1000):
        windows += sum(1 for _ in cutter.add("abcdef", [1] * 6, None))
        assert len(cutter._pieces) <= 4
    assert windows + sum(1 for _ in cutter.finish()) == 2999
