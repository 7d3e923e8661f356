"""Raw columns to the contract of transform/features.py: literal rows in, literal ids and weights out."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from transform import features, preprocessing
from transform.settings import Settings, Side, SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

TEXT = Side("text", "whitespace", 6)
LM = Settings("lm", TEXT)
WEIGHTED = Settings("lm", TEXT, weights=("mask", "token", "example"), token_weights="token_weight")
BOTH = dataclasses.replace(WEIGHTED, example_weights="example_weight")
PAIR = Settings("seq2seq", Side("target", "whitespace", 4), Side("source", "whitespace", 3))
TAGGED = Settings(
    "tagging",
    Side("tags", "pretokenized", 4),
    Side("tokens", "pretokenized", 4),
    weights=("mask", "token"),
    token_weights="token_weight",
)
FLOATS = ("token_weight", "example_weight")


def _sized(settings, max_length, *, append_eos=True):
    side = dataclasses.replace(settings.target, max_length=max_length, append_eos=append_eos)
    return dataclasses.replace(settings, target=side)


def _split_by(tokenizer, *, lowercase=False):
    side = dataclasses.replace(TEXT, tokenizer=tokenizer, lowercase=lowercase)
    return dataclasses.replace(LM, target=side)


def _with_ids(settings, **special):
    return dataclasses.replace(settings, special=SpecialIds(**special))


def _vocabularies(settings, tokens):
    sides = {
        side: Vocabulary(
            tuple(token.encode() if isinstance(token, str) else token for token in found),
            settings.special,
            settings.oov_buckets,
        )
        for side, found in tokens.items()
    }
    return Vocabularies(sides, settings.token_identity())


def _ragged(name, rows):
    dtype = tf.float32 if name in FLOATS else tf.string
    return tf.ragged.constant(rows, dtype=dtype, ragged_rank=1)


def _transform(settings, tokens, columns, *, present=tf.RaggedTensor.to_sparse):
    vocabularies = _vocabularies(settings, tokens)
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    inputs = {name: present(_ragged(name, rows)) for name, rows in columns.items()}
    return preprocessing.transform(inputs, settings, vocabularies, tables)


@dataclass(frozen=True)
class Case:
    """`tokens` by side are the vocabulary, `columns` the raw rows."""

    settings: Settings
    tokens: dict
    columns: dict
    expected: dict


# With the default reserved ids the first token of a vocabulary has id 4, and 3 is eos.
CASES = {
    "the example of features.py and of the design": Case(
        WEIGHTED,
        {"target": ["x", "y", "z", "a", "b", "c"]},
        {"text": [["a b c"]], "token_weight": [[0.5, 2, 1]]},
        {
            "targets": [[7, 8, 9, 3, 0, 0]],
            "target_lengths": [4],
            "loss_weights": [[0.5, 2, 1, 1, 0, 0]],
        },
    ),
    "lm: ids, eos, padding; unknown words; no text": Case(
        LM,
        {"target": ["a", "b"]},
        {"text": [["a b b"], ["zz a"], [""], []]},
        {
            "targets": [
                [4, 5, 5, 3, 0, 0],
                [1, 4, 3, 0, 0, 0],
                [3, 0, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0],
            ],
            "target_lengths": [4, 3, 1, 1],
            "loss_weights": [
                [1, 1, 1, 1, 0, 0],
                [1, 1, 1, 0, 0, 0],
                [1, 0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0, 0],
            ],
        },
    ),
    "seq2seq: each side has its vocabulary and its length": Case(
        PAIR,
        {"source": ["x", "y"], "target": ["a", "b", "x"]},
        {"source": [["y x y x"], ["x"]], "target": [["b a"], ["x"]]},
        {
            "inputs": [[5, 4, 3], [4, 3, 0]],
            "input_lengths": [3, 2],
            "targets": [[5, 4, 3, 0], [6, 3, 0, 0]],
            "target_lengths": [3, 2],
            "loss_weights": [[1, 1, 1, 0], [1, 1, 0, 0]],
        },
    ),
    "tagging with token weights: tokens and tags stay aligned": Case(
        TAGGED,
        {"source": ["a b", "c"], "target": ["N", "V"]},
        {
            "tokens": [["a b", "c"], ["c", "c", "c", "c", "c"]],
            "tags": [["V", "N"], ["N", "N", "V", "V", "V"]],
            "token_weight": [[0.25, 3], [0, 1, 2, 4, 8]],
        },
        {
            "inputs": [[4, 5, 3, 0], [5, 5, 5, 3]],
            "input_lengths": [3, 4],
            "targets": [[5, 4, 3, 0], [4, 4, 5, 3]],
            "target_lengths": [3, 4],
            "loss_weights": [[0.25, 3, 1, 0], [0, 1, 2, 1]],
        },
    ),
    "input_chars: the first two characters of each kept token": Case(
        dataclasses.replace(TAGGED, weights=("mask",), token_weights=None, input_chars=2),
        {"source": ["ab"], "target": ["N"], "characters": ["a", "b", "é"]},
        {"tokens": [["abb", "é", "", "b", "a"]], "tags": [["N", "N", "N", "N", "N"]]},
        {
            "inputs": [[1, 1, 1, 3]],
            "input_lengths": [4],
            "input_chars": [[[4, 5], [6, 0], [0, 0], [0, 0]]],
            "targets": [[4, 4, 4, 3]],
            "target_lengths": [4],
            "loss_weights": [[1, 1, 1, 1]],
        },
    ),
    "example weights multiply the token weights; an absent one is 1": Case(
        BOTH,
        {"target": ["a", "b"]},
        {
            "text": [["a b"], ["a b"], ["a"]],
            "token_weight": [[0.5, 2], [], [4]],
            "example_weight": [[3], [0], []],
        },
        {
            "targets": [[4, 5, 3, 0, 0, 0], [4, 5, 3, 0, 0, 0], [4, 3, 0, 0, 0, 0]],
            "target_lengths": [3, 3, 2],
            "loss_weights": [[1.5, 6, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0], [4, 1, 0, 0, 0, 0]],
        },
    ),
    "a weight column whose factor is not named is not read": Case(
        dataclasses.replace(BOTH, weights=("mask",)),
        {"target": ["a"]},
        {"text": [["a"]], "token_weight": [[5]], "example_weight": [[5]]},
        {
            "targets": [[4, 3, 0, 0, 0, 0]],
            "target_lengths": [2],
            "loss_weights": [[1, 1, 0, 0, 0, 0]],
        },
    ),
    "pad_id other than 0: ids start after the largest reserved one": Case(
        _with_ids(LM, pad=9),
        {"target": ["a", "b"]},
        {"text": [["a b q"]]},
        {
            "targets": [[10, 11, 1, 3, 9, 9]],
            "target_lengths": [4],
            "loss_weights": [[1, 1, 1, 1, 0, 0]],
        },
    ),
    "pad_id equal to eos_id: the first one counts, the padding does not": Case(
        _with_ids(LM, pad=3),
        {"target": ["a", "b"]},
        {"text": [["a b"]]},
        {
            "targets": [[4, 5, 3, 3, 3, 3]],
            "target_lengths": [3],
            "loss_weights": [[1, 1, 1, 0, 0, 0]],
        },
    ),
    "pad_id equal to unk_id: unknown words are real positions": Case(
        _with_ids(LM, pad=1),
        {"target": ["a"]},
        {"text": [["q a q"]]},
        {
            "targets": [[1, 4, 1, 3, 1, 1]],
            "target_lengths": [4],
            "loss_weights": [[1, 1, 1, 1, 0, 0]],
        },
    ),
    "trimming keeps eos, and eos does not take a cut token's weight": Case(
        _sized(WEIGHTED, 3),
        {"target": ["a", "b", "c"]},
        {"text": [["a b c"], ["a b"]], "token_weight": [[0.5, 2, 7], [0.5, 2]]},
        {
            "targets": [[4, 5, 3], [4, 5, 3]],
            "target_lengths": [3, 3],
            "loss_weights": [[0.5, 2, 1], [0.5, 2, 1]],
        },
    ),
    "without eos every position is a token": Case(
        _sized(WEIGHTED, 3, append_eos=False),
        {"target": ["a", "b", "c"]},
        {"text": [["a b c a"], ["a"], []], "token_weight": [[0.5, 2, 7, 9], [3], []]},
        {
            "targets": [[4, 5, 6], [4, 0, 0], [0, 0, 0]],
            "target_lengths": [3, 1, 0],
            "loss_weights": [[0.5, 2, 7], [3, 0, 0], [0, 0, 0]],
        },
    ),
    "a length of 1 leaves eos alone": Case(
        _sized(WEIGHTED, 1),
        {"target": ["a"]},
        {"text": [["a a"]], "token_weight": [[5, 7]]},
        {"targets": [[3]], "target_lengths": [1], "loss_weights": [[1]]},
    ),
    # FarmHash64(word) mod 3: fig 0, apple 1, kiwi 2. Bucket 0 is unk; 1 and 2 are ids 4 and 5.
    "oov_buckets 3: unknown words spread over unk and two ids before the tokens": Case(
        dataclasses.replace(LM, oov_buckets=3),
        {"target": ["a", "b"]},
        {"text": [["kiwi fig apple a b"]]},
        {
            "targets": [[5, 1, 4, 6, 7, 3]],
            "target_lengths": [6],
            "loss_weights": [[1, 1, 1, 1, 1, 1]],
        },
    ),
    "lower case is Unicode's": Case(
        _split_by("whitespace", lowercase=True),
        {"target": ["äpfel", "ça", "σας"]},
        {"text": [["ÄPFEL Ça ΣΑΣ"]]},
        {
            "targets": [[4, 5, 6, 3, 0, 0]],
            "target_lengths": [4],
            "loss_weights": [[1, 1, 1, 1, 0, 0]],
        },
    ),
    "bytes need not be UTF-8": Case(
        _split_by("byte"),
        {"target": [b"a", b"\xff", b"\x00"]},
        {"text": [[b"\xffa\x00\xfe"]]},
        {
            "targets": [[5, 4, 6, 1, 3, 0]],
            "target_lengths": [5],
            "loss_weights": [[1, 1, 1, 1, 1, 0]],
        },
    ),
    "characters: code points; a byte that is none becomes U+FFFD": Case(
        _split_by("character"),
        {"target": ["n", "é", "🙂", "\ufffd", " "]},
        {"text": [["né 🙂".encode() + b"\xff"]]},
        {
            "targets": [[4, 5, 8, 6, 7, 3]],
            "target_lengths": [6],
            "loss_weights": [[1, 1, 1, 1, 1, 1]],
        },
    ),
    "names of reserved ids are ordinary words": Case(
        LM,
        {"target": ["<pad>", "<eos>"]},
        {"text": [["<eos> <pad> <unk> <bos>"]]},
        {
            "targets": [[5, 4, 1, 1, 3, 0]],
            "target_lengths": [5],
            "loss_weights": [[1, 1, 1, 1, 1, 0]],
        },
    ),
    "tokens may hold any byte": Case(
        _split_by("pretokenized"),
        {"target": ["a\nb", "\0", "a", "a\0", ""]},
        {"text": [["a\0", "", "a", "\0", "a\nb"]]},
        {
            "targets": [[7, 8, 6, 5, 4, 3]],
            "target_lengths": [6],
            "loss_weights": [[1, 1, 1, 1, 1, 1]],
        },
    ),
    "an empty vocabulary knows no word, not even the empty one": Case(
        _split_by("pretokenized"),
        {"target": []},
        {"text": [["", "a"]]},
        {
            "targets": [[1, 1, 3, 0, 0, 0]],
            "target_lengths": [3],
            "loss_weights": [[1, 1, 1, 0, 0, 0]],
        },
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_rows_to_contract(case):
    found = _transform(case.settings, case.tokens, case.columns)
    assert {name: value.numpy().tolist() for name, value in found.items()} == case.expected


@pytest.mark.parametrize(
    "name",
    [
        "lm: ids, eos, padding; unknown words; no text",
        "input_chars: the first two characters of each kept token",
    ],
)
def test_shapes_and_types_are_those_of_the_feature_spec(name):
    settings = CASES[name].settings
    source = settings.source.max_length if settings.source else 0
    lengths = features.Lengths(settings.target.max_length, source, settings.input_chars)
    found = _transform(settings, CASES[name].tokens, CASES[name].columns)
    rows = len(next(iter(CASES[name].columns.values())))
    assert {key: (value.shape.as_list(), value.dtype) for key, value in found.items()} == {
        key: ([rows, *spec.shape], spec.dtype)
        for key, spec in features.feature_spec(lengths).items()
    }


def test_static_shapes_are_known_while_tracing():
    case = CASES["input_chars: the first two characters of each kept token"]
    inputs = {name: tf.SparseTensorSpec([None, None], tf.string) for name in case.columns}
    vocabularies = _vocabularies(case.settings, case.tokens)
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    traced = tf.function(
        lambda batch: preprocessing.transform(batch, case.settings, vocabularies, tables)
    ).get_concrete_function(inputs)
    assert {name: shape.as_list() for name, shape in traced.output_shapes.items()} == {
        "targets": [None, 4],
        "target_lengths": [None],
        "loss_weights": [None, 4],
        "inputs": [None, 4],
        "input_lengths": [None],
        "input_chars": [None, 4, 2],
    }


DENSE = {
    "ragged": lambda rows: rows,
    "dense [B, 1]": lambda rows: rows.to_tensor(shape=[None, 1]),
    "dense [B]": lambda rows: tf.reshape(rows.to_tensor(shape=[None, 1]), [-1]),
    "dense [B, 1, 1]": lambda rows: rows.to_tensor(shape=[None, 1])[:, :, tf.newaxis],
}


@pytest.mark.parametrize("present", DENSE.values(), ids=DENSE.keys())
@pytest.mark.parametrize("rows", [[["a b"], ["b"]], []], ids=["two rows", "no row"])
def test_however_the_schema_presents_a_column(present, rows):
    settings = dataclasses.replace(BOTH, token_weights=None)
    columns = {"text": rows, "example_weight": [[2]] * len(rows)}
    found = _transform(settings, {"target": ["a", "b"]}, columns, present=present)
    expected = _transform(settings, {"target": ["a", "b"]}, columns)
    assert found["targets"].shape == [len(rows), 6]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"column 'text' is not in the raw features: .*'words'"):
        preprocessing.column({"words": tf.constant(["a"])}, "text")


@pytest.mark.parametrize("numbers", [[1.0], [1.0, 1.0, 1.0]], ids=["too few", "too many"])
def test_another_number_of_weights_than_of_tokens_is_an_error(numbers):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected one for each token"):
        _transform(WEIGHTED, {"target": ["a"]}, {"text": [["a a"]], "token_weight": [numbers]})


def test_trimmed_tokens_still_need_their_weights():
    columns = {"text": [["a a a a"]], "token_weight": [[1.0, 1.0]]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected one for each token"):
        _transform(_sized(WEIGHTED, 3), {"target": ["a"]}, columns)
