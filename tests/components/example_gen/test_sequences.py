"""Rows that are too long, from file to shard: windows, drops, and the column of spans."""

import gzip
import io
import json
import re
import tempfile

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.example_gen import excess, ingest, outcome
from components.example_gen.files import input_files
from components.example_gen.preflight import preflight
from components.example_gen.records import frames
from components.example_gen.request import parse_request
from transform import tokenizers
from transform.settings import Settings, Side

TRAIN = {"train": 1}


def parameters(folder, side, *, policy="window", columns=None, source=None, **more):
    """Parameters of ExampleGen for JSONL; the target's column is `text`."""
    kinds = {"pretokenized": "text_list", "ids": "id_list"}
    columns = columns or {"text": kinds.get(side.tokenizer, "text")}
    window = {"stride": more.pop("stride", 0), "over": more.pop("over", "row")}
    window["separator"] = more.pop("separator", "")
    declared = {"policy": policy, "span_column": more.pop("span_column", False)}
    declared["settings"] = Settings("lm", side, source).to_json()
    if policy == "window":
        declared["window"] = window
    values = {"input_base": str(folder), "format": "jsonl", "columns": columns, "split": TRAIN}
    values |= {"sequences": declared} | more
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in values.items()}


def ingested(request, *, unit_bytes=ingest.UNIT_BYTES, shard_bytes=1 << 20):
    """Ingest without Beam; return ({split: records of all shards, in order}, report)."""
    listing = input_files(request.input_base, request.spans, request.format, split=request.split)
    records = {}
    with tempfile.TemporaryDirectory() as folder:
        for unit in ingest.plan_units(listing.files, unit_bytes=unit_bytes):
            ingest.run_unit(unit, request=request, folder=folder, shard_bytes=shard_bytes)
        results = ingest.collect(folder)
        parts = [part for result in results for part in result.parts]
        for part in parts:
            with gzip.open(f"{folder}/{part.name}") as stream:
                found = list(frames(stream))
            assert len(found) == part.rows
            records.setdefault(part.split, []).extend(found)
    files = [file for result in results for file in result.files]
    outcome.raise_bad_rows(files, request)
    return records, outcome.make_report(files, parts=parts, unread=[], request=request)


def feature(record, name):
    """A feature's values; None where it has no value."""
    found = tf.train.Example.FromString(record).features.feature[name]
    kind = found.WhichOneof("kind")
    return list(getattr(found, kind).value) if kind else None


def windows_in(records):
    """[(the text or list, context, continues)] of raw records."""
    found = [
        (feature(r, "text"), *feature(r, "_context_length"), *feature(r, "_continues"))
        for r in records
    ]
    return [
        (text[0] if len(text) == 1 and isinstance(text[0], bytes) else text, context, continues)
        for text, context, continues in found
    ]


def write(folder, texts, name="a.jsonl", **columns):
    rows = [
        {"text": text} | {column: values[n] for column, values in columns.items()}
        for n, text in enumerate(texts)
    ]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def side_of(tokenizer, room, **options):
    return Side("text", tokenizer, max_length=room + 1, **options)


# name: (tokenizer, options, room, stride, text, [(window, context, continues)])
WINDOWS = {
    "whitespace": (
        "whitespace", {}, 3, 2, "a  b\tc d e",
        [(b"a b c", 0, 1), (b"c d e", 1, 0)],
    ),
    "fits, and stays as it is": ("whitespace", {}, 3, 2, " a  b ", [(b" a  b ", 0, 0)]),
    "lower case": (
        "whitespace", {"lowercase": True}, 2, 2, "A B \u00c9",
        [(b"a b", 0, 1), ("\u00e9".encode(), 0, 0)],
    ),
    "NUL and newline": ("whitespace", {}, 1, 1, "a\0\n\0b", [(b"a\0", 0, 1), (b"\0b", 0, 0)]),
    "byte": ("byte", {}, 2, 2, "a\u00e9b", [(b"a\xc3", 0, 1), (b"\xa9b", 0, 0)]),
    "character": (
        "character", {}, 3, 2, "a\u00e9\U0001f600\0\n",
        [("a\u00e9\U0001f600".encode(), 0, 1), ("\U0001f600\0\n".encode(), 1, 0)],
    ),
    "graphemes stay whole": (
        "character", {}, 1, 1, "e\u0301\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
        [("e\u0301".encode(), 0, 1), ("\U0001f1e9\U0001f1ea".encode(), 0, 1),
         ("\U0001f1eb\U0001f1f7".encode(), 0, 0)],
    ),
    "regex, one space": (
        "regex", {"pattern": r"\w+|[^\w\s]"}, 2, 1, "a, b!",
        [(b"a ,", 0, 1), (b", b", 1, 1), (b"b !", 1, 0)],
    ),
    "regex, nothing": (
        "regex", {"pattern": r"\S+|\s+"}, 2, 2, "ab  c d",
        [(b"ab  ", 0, 1), (b"c ", 0, 1), (b"d", 0, 0)],
    ),
    "pretokenized": (
        "pretokenized", {}, 2, 1, ["a b", "c", "d"],
        [([b"a b", b"c"], 0, 1), ([b"c", b"d"], 1, 0)],
    ),
    "ids": ("ids", {}, 2, 1, [5, 6, 7], [([5, 6], 0, 1), ([6, 7], 1, 0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_literal_windows(name, tmp_path):
    tokenizer, options, room, stride, text, expected = WINDOWS[name]
    write(tmp_path, [text])
    side = side_of(tokenizer, room, **options)
    records, report = ingested(parse_request(parameters(tmp_path, side, stride=stride)))
    assert windows_in(records["train"]) == expected
    context = sum(window[1] for window in expected)
    counts = {"documents": 1, "windows": len(expected), "context_tokens": context}
    assert report["windows"] == {"train": counts}
    assert (report["rows"], report["splits"]) == (1, {"train": 1})
    assert [shard["rows"] for shard in report["shards"]] == [len(expected)]


WORDS = ["play", "##ing", "##ed", "the", "game", "s", "##s", ",", "un", "##seen"]


@pytest.fixture
def wordpiece(tmp_path_factory):
    path = tmp_path_factory.mktemp("wordpiece") / "words.txt"
    path.write_text("\n".join(["[UNK]", *WORDS]) + "\n")
    return str(path)


def sentencepiece_model(folder, size=28, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["playing the games", "played the game", "the plays"] * 20),
        model_writer=model, vocab_size=size, model_type="unigram", num_threads=1,
        hard_vocab_limit=False, **options,
    )  # fmt: skip
    path = folder / "pieces.model"
    path.write_bytes(model.getvalue())
    return str(path)


def test_wordpieces_are_cut_between_words(tmp_path, wordpiece):
    write(tmp_path, ["playing the  games, \u03b1\u03b2 unseen"])
    side = side_of("wordpiece", 4, subwords=wordpiece)
    # play ##ing | the | game ##s , | [UNK] | un ##seen
    records, _ = ingested(parse_request(parameters(tmp_path, side, stride=3)))
    assert windows_in(records["train"]) == [
        (b"playing the", 0, 1),
        ("games, \u03b1\u03b2".encode(), 0, 1),
        ("\u03b1\u03b2 unseen".encode(), 1, 0),
    ]


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepieces_are_those_of_the_whole_text(prefix, tmp_path, tmp_path_factory):
    path = sentencepiece_model(
        tmp_path_factory.mktemp("model"),
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=prefix,
        normalization_rule_name="identity",
    )
    text = "playing the games the played plays " * 3 + "xyz the game"
    side = side_of("sentencepiece", 9, subwords=path)
    whole = sentencepiece.SentencePieceProcessor(model_file=path).encode(text, out_type=str)
    write(tmp_path, [text])
    records, _ = ingested(parse_request(parameters(tmp_path, side, stride=6)))
    found = windows_in(records["train"])
    assert len(found) > 4
    assert scored_tokens(found, side) == [piece.encode() for piece in whole]
    write(tmp_path, text.split("the"))
    files = parameters(
        tmp_path, side, stride=6, over="file", separator="game", split={"train": "*"}
    )
    joined = [" ".join(part.split()) for part in text.split("the")]
    joined = (" " * (not prefix)) + " game ".join(joined)
    whole = sentencepiece.SentencePieceProcessor(model_file=path).encode(joined, out_type=str)
    if not prefix:  # a space that stood before the separator stays: the text is not changed
        whole = None
    records, _ = ingested(parse_request(files))
    found = scored_tokens(windows_in(records["train"]), side)
    assert whole is None or found == [piece.encode() for piece in whole]
    assert b"".join(found).count("\u2581game".encode()) >= 4


@pytest.mark.parametrize("over", ["row", "file"])
def test_a_word_longer_than_a_window_is_cut_between_its_pieces(over, tmp_path, tmp_path_factory):
    """Text without spaces, and characters that are bytes: no more than a window, none cut in two."""
    path = sentencepiece_model(
        tmp_path_factory.mktemp("model"),
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        byte_fallback=True,
        user_defined_symbols=["<sep>"],
        size=300,
    )
    texts = ["the playingthegames\u6f22\u5b57\U0001f600playedthe<sep>plays the " * 2, "games" * 5]
    side = side_of("sentencepiece", 5, subwords=path)
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    write(tmp_path, texts)
    split = {"train": "*"}
    request = parse_request(parameters(tmp_path, side, stride=3, over=over, split=split))
    records, _ = ingested(request)
    found = windows_in(records["train"])
    joined = texts if over == "row" else ["".join(f" {text}" for text in texts)]
    whole = [piece.encode() for text in joined for piece in model.encode(text, out_type=str)]
    assert scored_tokens(found, side) == whole
    assert all(len(tokens_of(text, side)) <= 5 for text, _, _ in found)
    assert all(text.decode() for text, _, _ in found)


def tokens_of(value, side):
    if isinstance(value, list):
        return value
    column = tf.RaggedTensor.from_uniform_row_length(tf.constant([value]), 1)
    return tokenizers.tokenize(column, side).flat_values.numpy().tolist()


def scored_tokens(windows, side):
    return [token for text, context, _ in windows for token in tokens_of(text, side)[context:]]


NASTY = st.text(
    st.sampled_from(
        "ab \0\n\r\t\u0301\u200d\U0001f468\U0001f1e9\u05d0\u00e9\u1100\u1161\U0001f600"
    ),
    min_size=1,
    max_size=20,
).filter(str.strip)


@pytest.mark.parametrize("tokenizer", ["whitespace", "character", "byte"])
@settings(max_examples=15, deadline=None)
@given(texts=st.lists(NASTY, min_size=1, max_size=4), data=st.data())
def test_windows_have_the_tokens_of_the_document(tokenizer, texts, data):
    room = data.draw(st.integers(1, 6))
    stride = data.draw(st.integers(1, room))
    side = side_of(tokenizer, room)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/a.jsonl", "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        request = parse_request(parameters(folder, side, stride=stride))
        records, report = ingested(request)
        same, _ = ingested(request, shard_bytes=100, unit_bytes=1)
    assert same == records
    found = windows_in(records["train"])
    whole = [token for text in texts for token in tokens_of(text.encode(), side)]
    assert scored_tokens(found, side) == whole
    assert sum(1 - continues for _, _, continues in found) == len(texts)
    assert all(len(tokens_of(text, side)) <= room for text, _, _ in found)
    assert report["windows"]["train"] == {
        "documents": len(texts),
        "windows": len(found),
        "context_tokens": sum(context for _, context, _ in found),
    }


def over_files(folder, side, **more):
    values = {"over": "file", "split": {"train": "a*", "eval": "b*"}} | more
    return parse_request(parameters(folder, side, **values))


def test_over_file_the_rows_of_a_file_are_one_text(tmp_path):
    columns = {"text": "text", "n": "integer?"}
    write(tmp_path, ["a b", "c", "d e f", "g"], n=[1, 2, 3, None])
    write(tmp_path, ["x", "y"], name="b.jsonl", n=[8, 9])
    side = side_of("whitespace", 4)
    request = over_files(tmp_path, side, stride=3, separator="<s>", columns=columns)
    records, report = ingested(request)
    assert windows_in(records["train"]) == [
        (b"a b <s> c", 0, 1),
        (b"c <s> d e", 1, 1),
        (b"e f <s> g", 1, 0),
    ]
    # Of the row that the first scored token is from; a separator belongs to the row before it.
    assert [feature(record, "n") for record in records["train"]] == [[1], [2], [3]]
    assert windows_in(records["eval"]) == [(b"x <s> y", 0, 0)]
    assert report["windows"] == {
        "train": {"documents": 1, "windows": 3, "context_tokens": 2},
        "eval": {"documents": 1, "windows": 1, "context_tokens": 0},
    }
    assert (report["rows"], report["splits"]) == (6, {"train": 4, "eval": 2})


@pytest.mark.parametrize(
    ("tokenizer", "rows", "separator", "expected"),
    [
        ("pretokenized", [["a", "b"], ["c"]], "|", [([b"a", b"b"], 0), ([b"|", b"c"], 0)]),
        ("ids", [[1, 2], [3]], "9", [([1, 2], 0), ([9, 3], 0)]),
        ("character", ["ab", "c"], "\n", [(b"ab", 0), (b"\nc", 0)]),
        ("byte", ["ab", "c"], "", [(b"ab", 0), (b"c", 0)]),
    ],
)
def test_over_file_for_each_tokenizer(tokenizer, rows, separator, expected, tmp_path):
    write(tmp_path, rows)
    side = side_of(tokenizer, 2)
    request = over_files(tmp_path, side, stride=2, separator=separator, split={"train": "*"})
    records, _ = ingested(request)
    assert [window[:2] for window in windows_in(records["train"])] == expected


def test_over_file_a_file_without_a_token_has_no_window(tmp_path):
    write(tmp_path, ["ab cd"])
    write(tmp_path, ["!!!"], name="b.jsonl")
    side = Side("text", "regex", 5, pattern="[a-z]+")
    request = over_files(tmp_path, side, stride=2, split={"train": "*"})
    records, _ = ingested(request)
    assert windows_in(records["train"]) == [(b"ab cd", 0, 0)]


def test_over_file_batches_do_not_show(tmp_path, monkeypatch):
    write(tmp_path, [" ".join(f"{n}.{m}" for m in range(n % 7 + 1)) for n in range(50)])
    request = over_files(tmp_path, side_of("whitespace", 5), stride=2, split={"train": "*"})
    whole, _ = ingested(request)
    monkeypatch.setattr(excess, "BATCH_ROWS", 3)
    assert ingested(request)[0] == whole
    monkeypatch.setattr(excess, "BATCH_BYTES", 1)
    assert ingested(request)[0] == whole


def test_windows_of_a_row_share_its_split_and_its_other_columns(tmp_path):
    texts = [f"{n} a b c d e" for n in range(40)]
    write(tmp_path, texts, n=list(range(40)))
    side = side_of("whitespace", 3)
    columns = {"text": "text", "n": "integer"}
    split = {"train": 2, "eval": 1}
    request = parse_request(
        parameters(tmp_path, side, stride=3, columns=columns, split=split, split_by=["text"])
    )
    records, report = ingested(request)
    of_split = {name: [feature(r, "n")[0] for r in found] for name, found in records.items()}
    assert not set(of_split["train"]) & set(of_split["eval"])
    assert all(found[::2] == found[1::2] for found in of_split.values())
    assert sum(report["splits"].values()) == 40
    plain, _ = ingested(
        parse_request(parameters(tmp_path, side, policy="", columns=columns, split=split, split_by=["text"]))
    )  # fmt: skip
    assert [feature(record, "n")[0] for record in plain["eval"]] == of_split["eval"][::2]


def test_a_text_of_a_megabyte(tmp_path):
    text = "ab\u00e9\0\n \U0001f600" * 90_000
    write(tmp_path, ["short", text, "short"])
    side = side_of("character", 1000)
    records, _ = ingested(parse_request(parameters(tmp_path, side, stride=900)))
    found = windows_in(records["train"])
    assert found[0] == found[-1] == (b"short", 0, 0)
    assert len(found) == 2 + 1 + -(-(7 * 90_000 - 1000) // 900)
    kept = [text.decode()[context:] for text, context, _ in found[1:-1]]
    assert "".join(kept) == text


def test_drop_counts_what_it_leaves_out(tmp_path):
    (tmp_path / "span-3").mkdir()
    (tmp_path / "span-4").mkdir()
    columns = {"source": "text", "text": "text"}
    write(tmp_path / "span-3", ["a b", "a b c", "a"], source=["x y", "x", "x y z"])
    write(tmp_path / "span-4", ["a b c d", "b"], source=["x y z", "x"])
    source = Side("source", "whitespace", max_length=2, append_eos=False)
    side = Side("text", "whitespace", max_length=4, prepend_bos=True)
    values = parameters(
        f"{tmp_path}/span-{{SPAN}}", side, policy="drop", source=source, columns=columns,
        spans=[3, 4], span_column=True,
    )  # fmt: skip
    records, report = ingested(parse_request(values))
    assert [(feature(r, "text"), feature(r, "_span")) for r in records["train"]] == [
        ([b"a b"], [3]),
        ([b"b"], [4]),
    ]
    assert report["dropped"] == {
        "train": {
            # tokens and bos and eos of the target; the source has neither
            "3": {"too_long": {"sequences": 2, "tokens": {"source": 1 + 3, "target": 5 + 3}}},
            "4": {"too_long": {"sequences": 1, "tokens": {"source": 3, "target": 6}}},
        }
    }
    assert (report["rows"], report["spans"]) == (2, {"3": 1, "4": 1})
    assert report["windows"] == {}


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.just("a"), min_size=1, max_size=8), min_size=1), data=st.data())
def test_dropped_and_kept_are_all(rows, data):
    room = data.draw(st.integers(1, 8))
    tokenizer = data.draw(st.sampled_from(["whitespace", "pretokenized"]))
    side = side_of(tokenizer, room)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/a.jsonl", "w") as stream:
            for row in rows:
                text = row if tokenizer == "pretokenized" else " ".join(row)
                stream.write(json.dumps({"text": text}) + "\n")
        records, report = ingested(parse_request(parameters(folder, side, policy="drop")))
    kept = [row for row in rows if len(row) <= room]
    assert len(records.get("train", [])) == report["rows"] == len(kept)
    dropped = report["dropped"].get("train", {}).get("0", {}).get("too_long")
    gone = [len(row) + 1 for row in rows if len(row) > room]
    assert dropped == ({"sequences": len(gone), "tokens": {"target": sum(gone)}} if gone else None)


def test_without_rules_a_row_gets_no_column(tmp_path, make_request):
    write(tmp_path, ["a"])
    records, report = ingested(make_request(split=TRAIN))
    assert set(tf.train.Example.FromString(records["train"][0]).features.feature) == {"text"}
    assert (report["dropped"], report["windows"]) == ({}, {})


def test_a_split_whose_rows_are_all_dropped_is_refused(tmp_path):
    write(tmp_path, ["a b c", "a b c"])
    request = parse_request(parameters(tmp_path, side_of("whitespace", 2), policy="drop"))
    _, report = ingested(request)
    files = [outcome.FileResult("a", 0, 1, dropped={"train": report["dropped"]["train"]["0"]})]
    expected = "got no row for split 'train' (of 2: train 0; too long 2), expected rows in each"
    with pytest.raises(InputError, match=re.escape(expected)):
        outcome.raise_empty_splits(files, request)


# name: (tokenizer, options, texts, further parameters, message)
FAULTS = {
    "a byte within a character, lower-cased": (
        "byte", {"lowercase": True}, ["a", "ab\u00e9"], {},
        "a.jsonl:2: column 'text': got a window, text 'b\ufffd', that has other tokens by itself",
    ),
    "a grapheme over two rows": (
        "character", {}, ["ab", "\u0301c"], {"over": "file", "split": {"train": "*"}},
        "a.jsonl:2: column 'text': got a window, text 'b\u0301', that has other tokens by itself",
    ),
    "regex without a way to join": (
        "regex", {"pattern": "ab|[a-z]| "}, ["x a-b"], {},
        "a.jsonl:1: column 'text': got a window, text 'ab', that has other tokens by itself",
    ),
    "separator without a token": (
        "whitespace", {}, ["a", "b"],
        {"over": "file", "separator": "\n", "split": {"train": "*"}},
        "a.jsonl: data.window.separator: got '\\n', in which the tokenizer whitespace sees nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_cut_names_file_and_row(name, tmp_path):
    tokenizer, options, texts, more, message = FAULTS[name]
    write(tmp_path, texts)
    request = parse_request(
        parameters(tmp_path, side_of(tokenizer, 2, **options), stride=1, **more)
    )
    with pytest.raises(InputError, match=re.escape(message)):
        ingested(request)


def test_a_word_of_too_many_pieces_names_file_and_row(tmp_path, wordpiece):
    write(tmp_path, ["the", "the playinging game"])
    side = side_of("wordpiece", 2, subwords=wordpiece)
    with pytest.raises(
        InputError, match=r"a\.jsonl:2: column 'text': got a word of 3 tokens, text"
    ):
        ingested(parse_request(parameters(tmp_path, side, stride=2)))


WORDS_SIDE = side_of("whitespace", 8)
ERRORS = {
    "no JSON": ({"sequences": "x"}, "sequences: got 'x', expected a JSON object"),
    "unknown key": ({"sequences": {"polcy": 1}}, "sequences: got key 'polcy', expected policy,"),
    "policy": ({"policy": "cut"}, "data.excess_length: got 'cut', expected drop, window or ''"),
    "settings": (
        {"sequences": {"policy": "drop", "settings": "{}"}},
        "sequences: got settings '{}', expected Settings JSON",
    ),
    "span column": (
        {"sequences": {"span_column": 1}},
        "sequences: got span_column 1, expected true or false",
    ),
    "column": ({"columns": {"a": "text"}}, "got column 'text', expected one of ['a']"),
    "kind": (
        {"columns": {"text": "text_list"}},
        "column 'text': got kind text_list, expected text for the tokenizer whitespace",
    ),
    "no stride": ({"stride": 0}, "data.window.stride: got 0, expected 1 to 8"),
    "stride": ({"stride": 9}, "data.window.stride: got 9, expected 1 to 8"),
    "over": ({"over": "folder"}, "data.window.over: got 'folder', expected row or file"),
    "separator": ({"separator": "x"}, "data.window.separator: got 'x', expected text, over: file"),
    "shares": ({"over": "file"}, "data.split: got shares, expected a file pattern for each"),
    "two sides": (
        {"source": WORDS_SIDE},
        "data.excess_length: got window, expected another policy: windows cut one side",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_parameters_that_are_refused(name, tmp_path):
    more, message = ERRORS[name]
    with pytest.raises(InputError, match=re.escape(message)):
        parse_request(parameters(tmp_path, WORDS_SIDE, **{"stride": 8} | more))


def test_more_parameters_that_are_refused(tmp_path):
    ids = side_of("ids", 8)
    values = {"stride": 8, "over": "file", "separator": "x", "split": {"train": "*"}}
    with pytest.raises(InputError, match=r"separator: got 'x', expected an id \(digits\)"):
        parse_request(parameters(tmp_path, ids, **values))
    with pytest.raises(InputError, match=r"data\.max_target_length: got 1, expected room for a to"):
        parse_request(parameters(tmp_path, side_of("whitespace", 0), stride=1))


def test_the_quick_look_needs_no_tokenizer(tmp_path):
    write(tmp_path, ["a b c"])
    side = side_of("sentencepiece", 2, subwords="nowhere")
    assert preflight(parse_request(parameters(tmp_path, side, policy="drop"))).files
