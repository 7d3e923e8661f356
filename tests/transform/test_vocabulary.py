"""Vocabularies: the files come back whole or not at all, and ids are where they should be."""

import json
import pathlib

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from transform.settings import SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

TOKENS = st.lists(st.binary(max_size=6), unique=True, max_size=8).map(tuple)
SPECIAL = st.builds(SpecialIds, *[st.integers(0, 9)] * 4)
SIDES = st.dictionaries(
    st.sampled_from(["source", "target", "characters"]),
    st.builds(Vocabulary, TOKENS, SPECIAL, st.integers(1, 4)),
    min_size=1,
)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(sides=SIDES, identity=st.text(max_size=5))
def test_write_and_read_round_trip(tmp_path_factory, sides, identity):
    folder = str(tmp_path_factory.mktemp("vocabulary"))
    written = Vocabularies(sides, identity)
    written.write(folder)
    assert Vocabularies.read(folder) == written
    assert Vocabularies.read(folder).digest == written.digest


@hypothesis.given(tokens=TOKENS.filter(lambda found: len(found) > 1), data=st.data())
def test_digest_changes_when_ids_do(tokens, data):
    digest = Vocabulary(tokens).digest
    other = tuple(data.draw(st.permutations(tokens)))
    assert (Vocabulary(other).digest == digest) == (other == tokens)
    assert Vocabulary(tokens[:-1]).digest != digest
    assert Vocabulary(tokens, oov_buckets=2).digest != digest
    assert Vocabulary(tokens, SpecialIds(pad=3)).digest != digest


def test_digest_knows_where_a_token_ends():
    assert Vocabulary((b"ab", b"c")).digest != Vocabulary((b"a", b"bc")).digest
    assert Vocabulary((b"1:a",)).digest != Vocabulary((b"", b"a")).digest


def test_digest_of_vocabularies_knows_the_sides_and_the_identity():
    one, two = Vocabulary((b"a",)), Vocabulary((b"b",))
    digests = {
        Vocabularies({"source": one, "target": two}, "i").digest,
        Vocabularies({"source": two, "target": one}, "i").digest,
        Vocabularies({"source": one, "target": two}, "j").digest,
        Vocabularies({"target": two}, "i").digest,
    }
    assert len(digests) == 4


def _swap_lines(lines):
    return [lines[1], lines[0], *lines[2:]]


def _swap_ids(lines):
    rows = [json.loads(line) for line in lines]
    rows[0]["id"], rows[1]["id"] = rows[1]["id"], rows[0]["id"]
    return [json.dumps(row) for row in rows]


TAMPERINGS = {
    "permuted": _swap_lines,
    "truncated": lambda lines: lines[:-1],
    "edited": lambda lines: [lines[0].replace("alpha", "alpHa"), *lines[1:]],
    "one added": lambda lines: [*lines, '{"id": 7, "token": "delta"}'],
    "ids permuted": _swap_ids,
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_a_changed_file_is_refused(tmp_path, tamper):
    Vocabularies({"target": Vocabulary((b"alpha", b"beta", b"gamma"))}, "i").write(str(tmp_path))
    file = tmp_path / "target.jsonl"
    file.write_text("\n".join(tamper(file.read_text().splitlines())) + "\n")
    with pytest.raises(ValueError, match="the vocabulary was permuted, truncated or edited since"):
        Vocabularies.read(str(tmp_path))


def test_files_say_ids_and_sizes(tmp_path):
    side = Vocabulary((b"a\n", b"\xff"), SpecialIds(pad=5), oov_buckets=2)
    Vocabularies({"target": side}, "i").write(str(tmp_path))
    lines = pathlib.Path(tmp_path, "target.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": 7, "token": "a\n"},
        {"id": 8, "token": "\udcff"},
    ]
    facts = json.loads(pathlib.Path(tmp_path, "vocabulary.json").read_text())
    assert facts["sides"]["target"]["size"] == 9
    assert facts["sides"]["target"]["first_id"] == 7


@pytest.mark.parametrize(
    ("special", "oov_buckets", "first_id"),
    [
        (SpecialIds(), 1, 4),
        (SpecialIds(), 3, 6),
        (SpecialIds(pad=9), 1, 10),
        (SpecialIds(pad=3), 1, 4),
    ],
)
def test_first_id_and_size(special, oov_buckets, first_id):
    side = Vocabulary((b"a", b"b"), special, oov_buckets)
    assert (side.first_id, side.size) == (first_id, first_id + 2)


@pytest.mark.parametrize(
    ("newer", "extends"),
    [
        (Vocabulary((b"a", b"b")), True),
        (Vocabulary((b"a", b"b", b"c")), True),
        (Vocabulary((b"b", b"a", b"c")), False),
        (Vocabulary((b"a",)), False),
        (Vocabulary((b"a", b"b"), oov_buckets=2), False),
    ],
    ids=["equal", "one more", "permuted", "truncated", "shifted"],
)
def test_extends(newer, extends):
    assert newer.extends(Vocabulary((b"a", b"b"))) is extends


def _ids(side, row):
    return side.ids(tf.ragged.constant([row], tf.string, ragged_rank=1), side.token_table())


def test_text_of_undoes_ids_and_says_unk_for_what_is_no_token():
    side = Vocabulary((b"a", b"\xff\0", b"\0", b"b\nc"), SpecialIds(pad=3), oov_buckets=2)
    assert side.text_of(_ids(side, list(side.tokens))).to_list() == [list(side.tokens)]
    reserved = tf.RaggedTensor.from_tensor(tf.constant([[0, 1, 2, 3, 4, 5]], tf.int64))
    assert side.text_of(reserved).to_list() == [[b"<unk>"] * 5 + [b"a"]]


def test_tokens_with_nul_keep_apart_in_a_traced_graph():
    side = Vocabulary((b"a", b"a\0", b"\0a"))
    rows = tf.ragged.constant([[b"\0a", b"a\0", b"a"]], tf.string)
    table = side.token_table()

    @tf.function
    def there_and_back(tokens):
        found = side.ids(tokens, table)
        return found, side.text_of(found)

    found, text = there_and_back(rows)
    assert found.to_list() == [[6, 5, 4]]
    assert text.to_list() == rows.to_list()


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(tokens=TOKENS, words=st.lists(st.binary(max_size=6)), buckets=st.integers(1, 4))
def test_every_word_has_an_id_and_only_tokens_have_a_token_id(tokens, words, buckets):
    side = Vocabulary(tokens, SpecialIds(), buckets)
    (found,) = _ids(side, [*tokens, *words]).to_list()
    assert found[: len(tokens)] == list(range(side.first_id, side.size))
    unknown = {1, *range(4, 4 + buckets - 1)}
    for word, number in zip(words, found[len(tokens) :], strict=True):
        assert (number in unknown) == (word not in tokens)
        assert 0 <= number < side.size


def _with_file(subwords, counts=()):
    return Vocabulary(
        (b"a", b"##b"), subword_file="target.wordpiece.txt", subwords=subwords, counts=counts
    )


def test_the_subword_file_is_part_of_the_vocabulary(tmp_path):
    side = _with_file(b"a\n##b\n")
    written = Vocabularies({"target": side}, "i")
    written.write(str(tmp_path))
    assert (tmp_path / "target.wordpiece.txt").read_bytes() == b"a\n##b\n"
    assert Vocabularies.read(str(tmp_path)) == written
    assert side.digest != _with_file(b"a\n##b").digest
    assert side.digest != Vocabulary(side.tokens).digest
    assert not side.extends(_with_file(b"a\n##b"))
    assert side.extends(_with_file(b"a\n##b\n"))


def test_a_changed_subword_file_is_refused(tmp_path):
    Vocabularies({"target": _with_file(b"a\n##b\n")}, "i").write(str(tmp_path))
    (tmp_path / "target.wordpiece.txt").write_bytes(b"a\n##c\n")
    with pytest.raises(ValueError, match="the vocabulary was permuted, truncated or edited since"):
        Vocabularies.read(str(tmp_path))


def test_counts_are_kept_beside_the_tokens_and_change_no_id(tmp_path):
    side = Vocabulary((b"a", b"b"), counts=(0, 3, 0, 2, 9, 4))
    written = Vocabularies({"target": side}, "i")
    written.write(str(tmp_path))
    assert Vocabularies.read(str(tmp_path))["target"].counts == (0, 3, 0, 2, 9, 4)
    assert written.digest == Vocabularies({"target": Vocabulary((b"a", b"b"))}, "i").digest


def test_counts_are_one_for_each_id(tmp_path):
    with pytest.raises(ValueError, match="counts: got 2, expected one for each of 6 ids"):
        Vocabulary((b"a", b"b"), counts=(1, 2))
    Vocabularies({"target": Vocabulary((b"a",), counts=(1,) * 5)}, "i").write(str(tmp_path))
    (tmp_path / "target.counts.json").write_text("[1, 1]")
    with pytest.raises(ValueError, match="got 2 counts, expected one for each of 5 ids"):
        Vocabularies.read(str(tmp_path))


def test_without_subwords_the_hash_is_what_it_was():
    # Models that were pushed before there were subwords are still recognised.
    digest = "ed14686bc385ec2f456205f943c54f1b"
    assert Vocabulary((b"a", b"\xff"), SpecialIds(pad=5), 2).digest.startswith(digest)


def test_ids_are_their_own_tokens(tmp_path):
    side = Vocabulary.of_ids(5, SpecialIds())
    assert (side.first_id, side.size) == (0, 5)
    assert _ids(side, [b"0", b"4", b"1"]).to_list() == [[0, 4, 1]]
    assert side.text_of(tf.ragged.constant([[4, 0]], tf.int64)).to_list() == [[b"4", b"0"]]
    assert not side.is_unknown(tf.range(5, dtype=tf.int64)).numpy().any()
    written = Vocabularies({"target": side}, "i")
    written.write(str(tmp_path))
    assert Vocabularies.read(str(tmp_path)) == written
    assert side.digest != Vocabulary(side.tokens).digest


def test_an_id_outside_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected numbers from 0 to 4, got"):
        _ids(Vocabulary.of_ids(5, SpecialIds()), [b"1", b"5"])


def test_reserved_ids_must_be_among_the_ids():
    message = "data.vocab_size: got 3 ids, expected more than the largest reserved one, 3"
    with pytest.raises(ValueError, match=message):
        Vocabulary.of_ids(3, SpecialIds())
    assert Vocabulary.of_ids(4, SpecialIds()).size == 4
