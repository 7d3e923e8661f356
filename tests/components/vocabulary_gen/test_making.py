"""The passes in their order, without TFX and Beam: subwords, and what all sides share."""

import dataclasses
import hashlib

import pytest
import tensorflow as tf

from components.errors import InputError
from components.vocabulary_gen.counting import Shard
from components.vocabulary_gen.making import Request, make
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies

CATS = ["the cat sat on the mat", "the mat sat"] * 20
DOGS = ["dogs dig"] * 9


@pytest.fixture
def made(tmp_path):
    """`make` on texts of the training split (both sides the same); returns vocabularies and ledger."""
    steps = []

    def each(paths, work, label):
        steps.append(label)
        for path in paths:
            work(path)

    def call(texts, settings, *, base=None, evaluated=(), **changes):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        found = []
        for split, rows in {"train": texts, "eval": evaluated}.items():
            (folder / split).mkdir(parents=True)
            path = str(folder / split / "0.gz")
            with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
                for text in rows:
                    example = tf.train.Example()
                    for column in ("s", "t"):
                        values = example.features.feature[column].bytes_list.value
                        values.append(text.encode())
                    writer.write(example.SerializeToString())
            found += [Shard(split, "", path)] if rows else []
        if base:
            base.write(str(folder / "base"))
        request = {
            "settings": settings,
            "vocab_size": 330,
            "min_frequency": 1,
            "max_lost_tokens": 1.0,
            "max_oov_rate": 1.0,
            "base": str(folder / "base") if base else "",
            "found": found,
            "dropped": {},
            "folder": str(folder / "results"),
        }
        tf.io.gfile.makedirs(request["folder"])
        steps.clear()
        vocabularies, ledger = make(Request(**(request | changes)), each)
        vocabularies.write(str(folder / "vocabulary"))
        assert Vocabularies.read(str(folder / "vocabulary")) == vocabularies
        call.steps = tuple(steps)
        return vocabularies, ledger

    return call


def _settings(tokenizer, **changes):
    return Settings("lm", Side("t", tokenizer, 60, **changes))


@pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece"])
def test_subwords_are_learned_once_and_kept(made, tokenizer):
    settings = _settings(tokenizer)
    first, ledger = made(CATS, settings, evaluated=CATS[:1])
    assert made.steps == ("Words", "Count")
    found = first["target"]
    assert 0 < found.size <= 330
    row = ledger["splits"]["train"]["target"]
    assert row["out_of_vocabulary"] == 0
    assert sum(found.counts) == row["kept"] == row["tokens_read"]
    assert made(CATS, settings)[0] == first
    grown, _ = made(DOGS, settings, base=first)
    assert made.steps == ("Count",)
    assert grown["target"].tokens == found.tokens
    assert grown["target"].subwords == found.subwords
    assert made(DOGS, settings)[0]["target"].subwords != found.subwords


def test_a_given_file_is_taken_as_it_is_and_must_stay_the_same(made, tmp_path):
    pieces, others = tmp_path / "pieces.txt", tmp_path / "others.txt"
    pieces.write_text("[UNK]\nthe\ncat\nmat\ns\n##at\non\nz\n")
    others.write_text("the\ncat\n")
    settings = _settings("wordpiece", subwords=str(pieces))
    first, ledger = made(CATS, settings, evaluated=["the dog"])
    assert made.steps == ("Count",)
    assert first["target"].tokens == (b"the", b"cat", b"mat", b"s", b"##at", b"on", b"z")
    assert first["target"].subwords == pieces.read_bytes()
    assert ledger["splits"]["eval"]["target"]["out_of_vocabulary"] == 1
    again, _ = made(DOGS, _settings("wordpiece"), base=first)  # no file: that of before
    assert again["target"].subwords == pieces.read_bytes()
    assert made(DOGS, settings, base=first)[0] == again
    short = [hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in (others, pieces)]
    with pytest.raises(InputError) as caught:
        made(DOGS, _settings("wordpiece", subwords=str(others)), base=first)
    assert str(caught.value).startswith(
        f"transform.target_subwords: got a file of hash {short[0]}, expected that of earlier runs, "
        f"{short[1]}:"
    )


def _both(source, target, **changes):
    return Settings("seq2seq", target, dataclasses.replace(source, column="s"), **changes)


def test_sides_that_share_are_cut_alike(made, tmp_path):
    side = Side("t", "wordpiece", 60)
    found, _ = made(CATS, _both(side, side, share_vocabulary=True))
    assert found["source"].subwords == found["target"].subwords
    assert found["source"].tokens == found["target"].tokens
    assert found["source"].subword_file != found["target"].subword_file
    pieces = tmp_path / "pieces.txt"
    pieces.write_text("the\ncat\n")
    given = dataclasses.replace(side, subwords=str(pieces))
    with pytest.raises(InputError, match="got different subwords for sources"):
        made(CATS, _both(given, side, share_vocabulary=True))


def test_one_side_may_have_subwords_and_the_other_words(made):
    found, _ = made(CATS, _both(Side("s", "sentencepiece", 60), Side("t", "whitespace", 9)))
    assert made.steps == ("Words", "Count")
    assert found["source"].subwords
    assert found["target"].tokens == (b"the", b"mat", b"sat", b"cat", b"on")
    assert found["target"].subwords == b""


def test_markers_are_never_cut(made):
    settings = dataclasses.replace(
        _settings("sentencepiece"),
        weights=("mask", "region"),
        regions=(("<p>", 0.0), ("<c>", 1.0)),
    )
    found, ledger = made(["<p>the cat<c>sat", "<p>a mat<c>sat on"] * 20, settings)
    assert {b"<p>", b"<c>"} <= set(found["target"].tokens)
    row = ledger["splits"]["train"]["target"]
    assert 0 < row["trained"] < row["kept"]


def test_all_of_a_split_at_weight_0_stops_before_anything_is_made(made):
    settings = dataclasses.replace(
        _settings("whitespace"), weights=("mask", "class"), class_weights=(("cat", 0.0), ("w", 2.0))
    )
    settings = dataclasses.replace(
        settings, target=dataclasses.replace(settings.target, append_eos=False)
    )
    with pytest.raises(InputError) as caught:
        made(CATS, settings, evaluated=["cat cat"])
    assert str(caught.value).splitlines() == [
        "transform.class_weights: got 'w', which is no token of the 't' column in the training split; "
        "expected one of 'the', 'mat', 'sat', 'cat', 'on'",
        "eval split: all 2 target positions have weight 0: nothing to train on",
    ]


def test_a_training_split_without_a_row_is_no_crash(made):
    with pytest.raises(InputError, match="of the target side holds no token"):
        made([], _settings("whitespace"), evaluated=["a"])
