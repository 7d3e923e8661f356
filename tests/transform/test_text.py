"""What a reader counts as one character, and matches, in strings that hold anything."""

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from transform import text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What clusters are made of, more often than chance finds it.
PARTS = st.sampled_from(
    ["a", "e\u0301", "\u0301", "\u200d", "\U0001f468", "\U0001f3fd", "\U0001f1e9", "\U0001f1ea", "\u1100",
     "\u1161", "\u11a8", "각", "가", "\r", "\n", "\0", "\u0600", "ש", "\u05c1", "\u200b", " "]
)  # fmt: skip
CLUSTERED = st.lists(PARTS, max_size=10).map("".join)

MAN, WOMAN, GIRL, JOINER = "\U0001f468", "\U0001f469", "\U0001f467", "\u200d"
FAMILY = JOINER.join([MAN, WOMAN, GIRL])
GERMANY, FRANCE = "\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"
SCOTLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(each)) for each in "gbsct") + "\U000e007f"


def _graphemes(texts):
    found = text.graphemes(tf.constant(texts, tf.string))
    return [[each.decode() for each in row] for row in found.to_list()]


@pytest.mark.parametrize(
    "characters",
    [
        ["a", "b", " ", "c"],
        ["e\u0301", "x"],
        ["\u0301", "\n", "\u0301"],
        ["o\u0323\u0302"],
        [FAMILY, "x", FAMILY],
        ["\U0001f44d\U0001f3fd", "\U0001f44d"],
        ["\u2764\ufe0f\u200d\U0001f525"],
        [GERMANY, FRANCE, "\U0001f1ea"],
        [SCOTLAND, "a"],
        ["각", "가\u11a8", "\u1100\u1161\u11a8"],
        ["\uac01", "\u1161"],
        ["ש\u05c1", "ל"],
        ["\u0600\u0661"],
        ["न\u093f"],
        ["\r\n", "\n", "\r", "a"],
        ["a", "\0", "b", "\0"],
        ["a", "\u200b", "\u0301"],
        ["a\u200d", "b"],
        [],
    ],
)
def test_what_a_reader_counts_as_one_stays_together(characters):
    assert _graphemes(["".join(characters)]) == [characters]


def test_bytes_that_are_not_utf8_become_the_replacement_character():
    assert _graphemes([b"a\xff\xc3b"]) == [["a", "\ufffd", "\ufffd", "b"]]


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(texts=st.lists(TEXTS | CLUSTERED, max_size=4))
def test_characters_are_the_text_and_none_is_empty(texts):
    found = _graphemes(texts)
    assert ["".join(row) for row in found] == texts
    assert all(each for row in found for each in row)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(found=CLUSTERED.map(lambda each: _graphemes([each])[0]))
def test_a_character_alone_is_one_character(found):
    assert _graphemes(found) == [[each] for each in found]


def _matches(row, pattern):
    return text.matches(tf.constant([row], tf.string), pattern).to_list()[0]


@pytest.mark.parametrize(
    ("row", "pattern", "expected"),
    [
        ("hi there, 12!", "[a-z]+", [b"hi", b"there"]),
        ("hi there, 12!", r"\pL+|\pN", [b"hi", b"there", b"1", b"2"]),
        ("don't", r"\w+('\w+)?", [b"don't"]),
        ("b aa", "a*", [b"aa"]),
        ("12", "[a-z]", []),
        ("", "a", []),
        ("\0a\0b\0", "[a-z]", [b"a", b"b"]),
        ("\0a\0", r"(?s)\x00.", [b"\0a"]),
        ("a\nb", "(?s)a.b", [b"a\nb"]),
        (b"a\xffb\xfe", "[^a]+", ["\ufffdb\ufffd".encode()]),
        ("שלום עולם", r"\S+", ["שלום".encode(), "עולם".encode()]),
    ],
)
def test_matches(row, pattern, expected):
    assert _matches(row, pattern) == expected


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(row=TEXTS | CLUSTERED)
def test_a_pattern_and_its_opposite_lose_nothing(row):
    assert b"".join(_matches(row, r"[a-e\s]+|[^a-e\s]+")) == row.encode()


@pytest.mark.parametrize(
    ("form", "row", "expected"),
    [
        ("NFC", "e\u0301\0e\u0301", "\u00e9\0\u00e9"),
        ("NFD", "\u00e9", "e\u0301"),
        ("NFKC", "\ufb01\u1100\u1161", "fi가"),
        ("NFKD", "\ufb01\u00e9", "fie\u0301"),
        ("NFC", b"\xffe\xcc\x81", "\ufffd\u00e9"),
        ("NFC", "", ""),
    ],
)
def test_normal_forms(form, row, expected):
    assert text.normal(tf.constant([row], tf.string), form).numpy() == [expected.encode()]


def test_lower_case_keeps_nuls():
    rows = tf.constant(["À\0B", "\0", "", b"A\xff"], tf.string)
    assert text.lower(rows).numpy().tolist() == ["à\0b".encode(), b"\0", b"", "a\ufffd".encode()]
