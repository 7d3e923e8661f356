"""Subwords: the same pieces and ids as the libraries' own tokenisers, and text that comes back."""

import re
import unicodedata

import hypothesis
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import strategies as st
from subword_files import WORDPIECE_FILE, WORDPIECES, content, sentencepiece_file

from transform import subwords, tokenizers
from transform.settings import SENTENCEPIECE, SUBWORDS, WORDPIECE, Settings, Side
from transform.vocabulary import Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORDS = st.lists(
    st.sampled_from(["the", "fox", "unwanted", "running", "a\u0301b", "漢字", "של", "[SEP]", "[PAD]", ",.!",
                     "unknown", "\n", "\0", "\u200d", "quick", "brown", "  ", "[UNK]", "##ed"])
    | TEXTS
).map(" ".join)  # fmt: skip
NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "fox\nthe fox\r\n",
    "\U0001f468\u200d\U0001f469 fox",
    "e\u0301 ש\u05c1לום",
    "a" * 300,
]


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """A side of each kind, with its file."""
    found = {}
    for tokenizer in SUBWORDS:
        path = tmp_path_factory.mktemp("pieces") / "file"
        path.write_bytes(content(tokenizer))
        found[tokenizer] = Side("text", tokenizer, 9, subwords=str(path))
    return found


def _tokens(side, texts):
    rows = tf.ragged.constant([[each] for each in texts], tf.string, ragged_rank=1)
    return tokenizers.tokenize(rows, side)


def _text(side, texts):
    return tokenizers.detokenize(_tokens(side, texts), side).numpy().tolist()


def _between(character):
    category = unicodedata.category(character)
    return category[0] == "Z" or category in ("Cc", "Cf")


def _alone(character):
    code = ord(character)
    if code < 128:
        return not character.isalnum() and not _between(character)
    ideographs = [
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF),
        (0x2F800, 0x2FA1F),
    ]  # fmt: skip
    if any(first <= code <= last for first, last in ideographs):
        return True
    return unicodedata.category(character)[0] == "P"


def _reference_words(text):
    """BERT's words, character by character."""
    words, word = [], ""
    for character in text:
        if _between(character) or _alone(character):
            words += [word] if word else []
            word = ""
            words += [character] if _alone(character) else []
        else:
            word += character
    return [*words, *([word] if word else [])]


def _reference_pieces(word):
    """The longest piece first, then the longest that continues it; all of the word or nothing."""
    found, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in WORDPIECES:
                found.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return found


def _reference(text):
    pieces = []
    for part in re.split(r"(\[SEP\]|\[PAD\])", text):
        words = [part] if part in ("[SEP]", "[PAD]") else _reference_words(part)
        pieces += [piece for word in words for piece in _reference_pieces(word)]
    return [piece.encode() for piece in pieces]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unwanted, running fox!", ["un", "##want", "##ed", ",", "run", "##ning", "fox", "!"]),
        ("the[SEP]fox [UNK]", ["the", "[SEP]", "fox", "[", "[UNK]", "]"]),
        ("The the", ["[UNK]", "the"]),
        ("漢字ab", ["漢", "字", "a", "##b"]),
        ("a\u0301\u00a0\u200b\0a", ["a", "##\u0301", "a"]),
        ("של", ["ש", "##ל"]),
        ("", []),
    ],
)
def test_wordpiece(sides, text, expected):
    assert _tokens(sides[WORDPIECE], [text]).to_list() == [[each.encode() for each in expected]]


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(text=WORDS)
def test_wordpiece_is_what_bert_does(sides, text):
    # Unicode grows: of characters that are new to one library the other does not know the kind.
    hypothesis.assume(not any(unicodedata.category(each) in ("Cn", "Co") for each in text))
    assert _tokens(sides[WORDPIECE], [text]).to_list() == [_reference(text)]


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(texts=st.lists(WORDS, max_size=4))
def test_wordpiece_is_what_the_library_does(sides, texts):
    import tensorflow_text

    plain = [
        re.sub(r"[\[\]]", "", "".join(" " if _between(each) else each for each in text))
        for text in texts
    ]
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(WORDPIECES, tf.range(len(WORDPIECES), dtype=tf.int64)),
        1,
    )
    bert = tensorflow_text.BertTokenizer(table, token_out_type=tf.string, max_bytes_per_word=10**6)
    expected = bert.tokenize(tf.constant(plain, tf.string)).merge_dims(1, 2)
    assert _tokens(sides[WORDPIECE], plain).to_list() == expected.to_list()


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(texts=st.lists(WORDS, max_size=4))
def test_sentencepiece_is_what_the_library_does(sides, texts):
    model = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_file())
    expected = [[piece.encode() for piece in model.encode(each, out_type=str)] for each in texts]
    assert _tokens(sides[SENTENCEPIECE], texts).to_list() == expected


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(texts=st.lists(WORDS, max_size=4))
def test_sentencepiece_gives_the_text_back(sides, texts):
    encoded = [text.replace("\u2581", " ").encode() for text in texts]
    assert _text(sides[SENTENCEPIECE], texts) == encoded


def test_sentencepiece_gives_nasty_text_back(sides):
    assert _text(sides[SENTENCEPIECE], NASTY) == [each.encode() for each in NASTY]


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(text=WORDS, start=st.integers(0, 8))
def test_a_part_of_a_text_that_begins_with_a_piece_is_cut_as_within_it(sides, text, start):
    side = sides[SENTENCEPIECE]
    rest = _tokens(side, [text])[:, start:]
    hypothesis.assume(not any(piece.startswith(b"<0x") for piece in rest.to_list()[0]))
    assert _tokens(side, tokenizers.detokenize(rest, side).numpy()).to_list() == rest.to_list()


def test_wordpiece_gives_words_back_with_one_space_between_them(sides):
    assert _text(sides[WORDPIECE], ["  unwanted,  fox\n", "", "漢字 unknown"]) == [
        b"unwanted , fox",
        b"",
        "漢 字 [UNK]".encode(),
    ]


def test_normalising_and_lower_case_come_before_cutting(sides):
    import dataclasses

    side = dataclasses.replace(sides[WORDPIECE], normalize="NFKC", lowercase=True)
    assert _tokens(side, ["THE \uff26\uff2f\uff38"]).to_list() == [[b"the", b"fox"]]


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_ids_of_pieces_are_their_places_in_the_file(sides, tokenizer):
    side = sides[tokenizer]
    if tokenizer == WORDPIECE:
        pieces = [each.encode() for each in WORDPIECES if each != "[UNK]"]
        expected = [pieces.index(each) + 4 for each in (b"the", b"un", b"##want", b"##ed")] + [1]
        text = "the unwanted unknown"
    else:
        model = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_file())
        pieces = [model.id_to_piece(each).encode() for each in range(1, model.get_piece_size())]
        text = "the fox\U0001f468"
        expected = [each + 3 for each in model.encode(text)]
    vocabulary = Vocabulary(tuple(pieces))
    assert vocabulary.ids(_tokens(side, [text]), vocabulary.token_table()).to_list() == [expected]


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_a_graph_cuts_as_eager_code_does(sides, tokenizer):
    side = sides[tokenizer]
    graph = tf.function(
        lambda texts: tokenizers.tokenize(tf.RaggedTensor.from_tensor(texts[:, tf.newaxis]), side),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    assert graph(tf.constant(NASTY)).to_list() == _tokens(side, NASTY).to_list()
    assert graph(tf.constant([], tf.string)).to_list() == []


@pytest.mark.parametrize("tokenizer", SUBWORDS)
def test_a_line_of_a_megabyte_is_cut(sides, tokenizer):
    words = 250_000
    found = _tokens(sides[tokenizer], ["the " * words, "a" * 4 * words])
    # A word of a megabyte is one that the pieces cannot spell: there is no "##a".
    assert found.to_list()[0][:1] == [b"the"]
    if tokenizer == WORDPIECE:
        assert found.row_lengths().numpy().tolist() == [words, 1]
    else:
        assert _text(sides[tokenizer], ["the " * words]) == [b"the " * words]


@pytest.mark.parametrize(
    ("tokenizer", "text", "expected"),
    [
        (WORDPIECE, "Don't  stop\n", [b"Don", b"'", b"t", b"stop"]),
        (
            SENTENCEPIECE,
            "Don't  stop\nnow",
            [b"Don't", b" stop", b"now"],
        ),
        (SENTENCEPIECE, "", []),
    ],
)
def test_words_that_pieces_are_learned_from(tokenizer, text, expected):
    values = tf.ragged.constant([[text]], tf.string, ragged_rank=1)
    assert tokenizers.words(values, Side("text", tokenizer, 9)).to_list() == [expected]


def test_a_changed_file_is_read_again(tmp_path):
    file = tmp_path / "pieces.txt"
    side = Side("text", WORDPIECE, 9, subwords=str(file))
    file.write_text("the\n")
    assert _tokens(side, ["the fox"]).to_list() == [[b"the", b"[UNK]"]]
    file.write_text("the\nfox\n")
    assert _tokens(side, ["the fox"]).to_list() == [[b"the", b"fox"]]


def test_a_side_without_a_file_says_what_is_missing():
    with pytest.raises(ValueError, match="column 'text': wordpiece has no file of pieces yet"):
        _tokens(Side("text", WORDPIECE, 9), ["a"])


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "line 1: got nothing, expected a piece"),
        (b"a\n\nb\n", "line 2: got nothing, expected a piece"),
        (b"a\nb\na\n", "line 3: got 'a' again, which is on line 1"),
        (b"[UNK]\n", r"got only \[UNK\], expected pieces"),
        (b"a\n\xff\n", "can't decode byte 0xff"),
    ],
)
def test_a_wordpiece_file_that_is_none(file, message):
    with pytest.raises(ValueError, match=message):
        subwords.wordpieces(file)


def test_pieces_of_a_wordpiece_file_are_its_lines_in_order():
    assert subwords.wordpieces(WORDPIECE_FILE) == [each for each in WORDPIECES if each != "[UNK]"]
    assert subwords.wordpieces(b"b\r\na\r\n") == ["b", "a"]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (Side("t", "whitespace", 9, lowercase=True), []),
        (Side("t", "regex", 9, pattern="a"), []),
        (Side("t", "character", 9), []),
        (Side("t", "byte", 9, normalize="NFC"), ["tensorflow_text"]),
        (Side("t", WORDPIECE, 9), ["tensorflow_text"]),
        (Side("t", SENTENCEPIECE, 9), ["tensorflow_text"]),
    ],
)
def test_which_graphs_need_the_text_operations(side, expected):
    assert tokenizers.needs(Settings("lm", side)) == expected


def test_only_known_packages_are_loaded_for_a_model():
    tokenizers.load_operations(["tensorflow_text"])
    with pytest.raises(
        ValueError, match="the model needs 'os', expected 'tensorflow_text' or nothing"
    ):
        tokenizers.load_operations(["os"])
