"""Lists with a value for each token go into windows with their tokens, from file to shard."""

import gzip
import json
import pathlib
import re
import tempfile

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.example_gen import ingest, outcome, tokens
from components.example_gen.files import input_files
from components.example_gen.records import frames
from components.example_gen.request import parse_request
from components.subwords import learning, words
from transform.settings import Settings, Side

KINDS = {"pretokenized": "text_list", "ids": "id_list"}


def request_for(folder, side, *, stride, over="row", separator="", weights="w", **more):
    """A request for JSONL with windows; the columns are `text` and `w`."""
    columns = {"text": KINDS.get(side.tokenizer, "text"), "w": "weight_list?"}
    window = {"stride": stride, "over": over, "separator": separator}
    text = Settings("lm", side, token_weights=weights).to_json()
    values = {"input_base": str(folder), "format": "jsonl", "columns": columns}
    values |= {"split": {"train": "*"}, "max_bad_rows": 0}
    values["sequences"] = {"policy": "window", "settings": text, "window": window}
    values |= more
    return parse_request(
        {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in values.items()}
    )


def write(folder, rows):
    """Rows of (text, weights); None leaves the weights out."""
    found = [{"text": text} | ({} if w is None else {"w": w}) for text, w in rows]
    lines = "".join(json.dumps(row) + "\n" for row in found)
    pathlib.Path(folder, "a.jsonl").write_text(lines, encoding="utf-8")


def windows_of(request, columns=("text", "w", "_context_length")):
    """By window the values of some columns, None where there is none; and the report."""
    listing = input_files(request.input_base, request.spans, request.format, split=request.split)
    with tempfile.TemporaryDirectory() as folder:
        for unit in ingest.plan_units(listing.files):
            ingest.run_unit(unit, request=request, folder=folder)
        results = ingest.collect(folder)
        parts = [part for result in results for part in result.parts]
        records = []
        for part in parts:
            with gzip.open(f"{folder}/{part.name}") as stream:
                records += [tf.train.Example.FromString(each) for each in frames(stream)]
    files = [file for result in results for file in result.files]
    outcome.raise_bad_rows(files, request)
    report = outcome.make_report(files, parts=parts, unread=[], request=request)
    return [tuple(_values(record, name) for name in columns) for record in records], report


def _values(record, name):
    found = record.features.feature[name]
    kind = found.WhichOneof("kind")
    return list(getattr(found, kind).value) if kind else None


def side_of(tokenizer, room, **options):
    return Side("text", tokenizer, max_length=room + 1, **options)


# name: (tokenizer, room, stride, further parameters, rows, [(text, weights, context)])
WINDOWS = {
    "words": (
        "whitespace", 3, 2, {}, [("a b c d e", [1, 2, 3, 4, 5])],
        [([b"a b c"], [1, 2, 3], [0]), ([b"c d e"], [3, 4, 5], [1])],
    ),
    "what fits keeps its own": (
        "whitespace", 3, 2, {}, [("a b", [0.5, 2]), ("c", None)],
        [([b"a b"], [0.5, 2], [0]), ([b"c"], None, [0])],
    ),
    "a row without weights has none in any window": (
        "whitespace", 1, 1, {}, [("a b", None)], [([b"a"], None, [0]), ([b"b"], None, [0])],
    ),
    "bytes": ("byte", 2, 2, {}, [("a\u00e9", [1, 2, 3])], [([b"a\xc3"], [1, 2], [0]), ([b"\xa9"], [3], [0])]),
    "ids": ("ids", 2, 1, {}, [([7, 8, 9], [1, 0, 2])], [([7, 8], [1, 0], [0]), ([8, 9], [0, 2], [1])]),
    "pretokenized": (
        "pretokenized", 2, 2, {}, [(["a b", "c", "d"], [1, 2, 3])],
        [([b"a b", b"c"], [1, 2], [0]), ([b"d"], [3], [0])],
    ),
    "over file: 1 for separators, and for rows without any beside rows with some": (
        "whitespace", 4, 3, {"over": "file", "separator": "|"},
        [("a b", None), ("c", [0.5]), ("d e", [2, 3]), ("f g h", None)],
        [
            ([b"a b | c"], [1, 1, 1, 0.5], [0]),
            ([b"c | d e"], [0.5, 1, 2, 3], [1]),
            ([b"e | f g"], [3, 1, 1, 1], [1]),
            ([b"g h"], None, [1]),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_literal_windows(name, tmp_path):
    tokenizer, room, stride, more, rows, expected = WINDOWS[name]
    write(tmp_path, rows)
    found, _ = windows_of(request_for(tmp_path, side_of(tokenizer, room), stride=stride, **more))
    assert found == expected


def test_a_word_of_several_pieces_has_a_weight_for_each(tmp_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces") / "pieces.txt"
    path.write_text("[UNK]\nplay\n##ing\nthe\ngame\n##s\n")
    write(tmp_path, [("playing the games", [1, 2, 3, 4, 5])])
    side = side_of("wordpiece", 3, subwords=str(path))
    found, _ = windows_of(request_for(tmp_path, side, stride=2))
    assert found == [([b"playing the"], [1, 2, 3], [0]), ([b"the games"], [3, 4, 5], [1])]


@pytest.fixture
def learned(tmp_path_factory):
    """Learns a sentencepiece model from texts; gives its path and the library's own processor."""

    def learn(texts):
        side = Side("text", "sentencepiece", 9)
        counts = words.count(tokens.texts([[text.encode()] for text in texts]), side)
        content = learning.learn(counts, side, 400)
        path = tmp_path_factory.mktemp("learned") / "sentencepiece.model"
        path.write_bytes(content)
        return str(path), sentencepiece.SentencePieceProcessor(model_proto=content)

    return learn


def test_over_a_file_a_row_has_a_weight_for_each_piece_that_it_has_there(tmp_path, learned):
    texts = ["a cat sat on the mat", "the cat is on a mat"]
    path, library = learned(texts)
    pieces = [library.encode(" " + text, out_type=str) for text in texts]
    weights = [[float(n) for n in range(len(of_row))] for of_row in pieces]
    write(tmp_path, zip(texts, weights, strict=True))
    side = side_of("sentencepiece", 7, subwords=path)
    found, _ = windows_of(request_for(tmp_path, side, stride=7, over="file"))
    scored = [w for _, of_window, (context,) in found for w in of_window[context:]]
    assert scored == [w for of_row in weights for w in of_row]


def test_a_piece_that_spans_a_vertical_tab_is_no_space(tmp_path, learned):
    texts = ["Agenda:\x0bWelcome and coffee", "Minutes:\x0bWelcome and thanks"] * 20
    path, library = learned(texts)
    weights = [[1.0] * len(library.encode(text)) for text in texts]
    write(tmp_path, zip(texts, weights, strict=True))
    side = side_of("sentencepiece", 6, subwords=path)
    found, _ = windows_of(request_for(tmp_path, side, stride=5))
    assert sum(len(of_window) - context for _, of_window, (context,) in found) == sum(
        map(len, weights)
    )


def test_another_number_of_weights_names_the_row(tmp_path):
    write(tmp_path, [("a b", [1, 1]), ("a b c", [1, 2]), ("a", [1, 2])])
    request = request_for(tmp_path, side_of("whitespace", 2), stride=1)
    with pytest.raises(InputError) as caught:
        windows_of(request)
    first, second, total = str(caught.value).splitlines()
    assert first == (
        f"{tmp_path}/a.jsonl:2: column 'w': got 2 weights for 3 tokens, expected one for each"
    )
    assert second.endswith(
        "a.jsonl:3: column 'w': got 2 weights for 1 tokens, expected one for each"
    )
    assert "got 2 bad rows and 0 unusable files" in total


def test_a_row_with_a_wrong_number_may_be_left_out_like_any_bad_row(tmp_path):
    write(tmp_path, [("a b", [1, 1]), ("a b c", [1, 2])])
    request = request_for(tmp_path, side_of("whitespace", 2), stride=1, max_bad_rows=1)
    found, report = windows_of(request)
    assert found == [([b"a b"], [1, 1], [0])]
    assert (report["rows"], report["bad_rows"]) == (1, 1)


def test_lists_that_are_aligned_with_the_tokens_are_cut_with_them(tmp_path):
    rows = [{"text": ["a", "b", "c"], "n": [4, 5, 6], "w": [1, 2, 3]}]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]))
    columns = {"text": "text_list", "n": "id_list", "w": "weight_list"}
    more = {"columns": columns, "aligned": [["text", "n"]]}
    side = side_of("pretokenized", 2)
    found, _ = windows_of(
        request_for(tmp_path, side, stride=1, **more), ("text", "n", "w", "_context_length")
    )
    assert found == [
        ([b"a", b"b"], [4, 5], [1, 2], [0]),
        ([b"b", b"c"], [5, 6], [2, 3], [1]),
    ]
    with pytest.raises(InputError, match=r"over: got file, expected row: the column 'n' has a val"):
        request_for(tmp_path, side, stride=1, over="file", **more)


def test_weights_that_are_no_column_are_refused(tmp_path):
    expected = "sequences: got token weights 'x', expected one of ['text', 'w']"
    with pytest.raises(InputError, match=re.escape(expected)):
        request_for(tmp_path, side_of("whitespace", 2), stride=1, weights="x")


WEIGHT = st.sampled_from([0.0, 0.25, 1.0, 2.0, 3.5])


@pytest.mark.parametrize("over", ["row", "file"])
@pytest.mark.parametrize("tokenizer", ["whitespace", "pretokenized", "byte"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_parts_that_are_no_context_are_the_tokens_and_their_weights(tokenizer, over, data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    rows, expected = [], []
    for length in lengths:
        tokens = data.draw(
            st.lists(st.sampled_from("abc"), min_size=length, max_size=length), label="tokens"
        )
        one_each = st.lists(WEIGHT, min_size=length, max_size=length)
        weights = data.draw(st.none() | one_each, label="weights")
        texts = {"pretokenized": tokens, "whitespace": " ".join(tokens), "byte": "".join(tokens)}
        rows.append((texts[tokenizer], weights))
        expected += zip(tokens, weights or [1.0] * length, strict=True)
    room = data.draw(st.integers(1, 5))
    stride = data.draw(st.integers(1, room))
    with tempfile.TemporaryDirectory() as folder:
        write(folder, rows)
        request = request_for(folder, side_of(tokenizer, room), stride=stride, over=over)
        found, _ = windows_of(request)
    scored = []
    for text, weights, (context,) in found:
        tokens = text if tokenizer == "pretokenized" else text[0].split()
        tokens = list(text[0]) if tokenizer == "byte" else [ord(token) for token in tokens]
        tokens = [chr(token) for token in tokens]
        weights = weights or [1.0] * len(tokens)
        assert len(weights) == len(tokens)
        scored += [*zip(tokens, weights, strict=True)][context:]
    assert scored == expected
