"""Tokens and ids: the append-only vocabulary, its files and its lookup tables in the graph.

The ids: reserved ones first (`SpecialIds`), then `oov_buckets - 1` further out-of-vocabulary ids,
then the tokens in the order in which they were first admitted. A reserved id is not a token, so the
text "<pad>" is an ordinary word and can never turn into padding.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass

import tensorflow as tf

from transform.settings import SpecialIds

_FACTS = "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one side, in id order, and the ids before them."""

    tokens: tuple[bytes, ...]
    special: SpecialIds = dataclasses.field(default_factory=SpecialIds)
    oov_buckets: int = 1

    @property
    def first_id(self) -> int:
        """The id of the first token."""
        return self.special.reserved + self.oov_buckets - 1

    @property
    def size(self) -> int:
        """Number of ids: what the model's embedding and projection need."""
        return self.first_id + len(self.tokens)

    @property
    def digest(self) -> str:
        """Hash over every token and its id: equal only for equal token-to-id maps."""
        state = hashlib.sha256(repr((self.special, self.oov_buckets)).encode())
        for token in self.tokens:
            state.update(b"%d:" % len(token) + token)
        return state.hexdigest()

    def is_unknown(self, ids: tf.Tensor) -> tf.Tensor:
        """bool, like `ids`: whether an id is one that unknown tokens get."""
        return (ids == self.special.unk) | ((ids >= self.special.reserved) & (ids < self.first_id))

    def extends(self, older: "Vocabulary") -> bool:
        """Whether every token of `older` keeps its id here."""
        return self.first_id == older.first_id and self.tokens[: len(older.tokens)] == older.tokens

    def ids(self, tokens: tf.RaggedTensor, table: tf.lookup.StaticHashTable) -> tf.RaggedTensor:
        """Ids of string tokens [B, (N)]; unknown tokens go to the out-of-vocabulary ids.

        `table` is what `token_table` made; the caller keeps it, as graph code must not make it twice.
        """
        return tf.ragged.map_flat_values(lambda flat: self._known_or_bucket(table, flat), tokens)

    def text_of(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Tokens of ids [B, (N)]; reserved and out-of-vocabulary ids give the word `<unk>`."""
        names = tf.constant([b"<unk>"] * self.first_id + list(self.tokens))
        return tf.ragged.map_flat_values(lambda flat: tf.gather(names, flat), ids)

    def _known_or_bucket(self, table: tf.lookup.StaticHashTable, tokens: tf.Tensor) -> tf.Tensor:
        known = table.lookup(tokens)
        if self.oov_buckets == 1:
            unknown = tf.fill(tf.shape(tokens), tf.constant(self.special.unk, tf.int64))
        else:
            bucket = tf.strings.to_hash_bucket_fast(tokens, self.oov_buckets)
            unknown = tf.where(
                bucket == 0,
                tf.constant(self.special.unk, tf.int64),
                self.special.reserved - 1 + bucket,
            )
        return tf.where(known >= 0, known, unknown)

    def token_table(self) -> tf.lookup.StaticHashTable:
        """Token to id, -1 for tokens that are not in the vocabulary."""
        # From constants, not from a text file: a token may hold any byte, a newline too.
        keys = tf.constant(list(self.tokens) or [b""], tf.string)
        first = self.first_id if self.tokens else -1
        values = tf.range(first, first + tf.size(keys, tf.int64), dtype=tf.int64)
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), default_value=-1
        )


@dataclass(frozen=True)
class Vocabularies:
    """The vocabularies of a run by side name (`source`, `target`, `characters`)."""

    sides: dict[str, Vocabulary]
    token_identity: str

    def __getitem__(self, side: str) -> Vocabulary:
        return self.sides[side]

    @property
    def digest(self) -> str:
        parts = [
            self.token_identity,
            *(f"{name}={self.sides[name].digest}" for name in sorted(self.sides)),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def write(self, folder: str) -> None:
        """Write `<side>.jsonl` (id, token) a side and `vocabulary.json` (hash, sizes, reserved ids)."""
        tf.io.gfile.makedirs(folder)
        for name, side in self.sides.items():
            with tf.io.gfile.GFile(os.path.join(folder, f"{name}.jsonl"), "w") as file:
                file.write("")  # without a write there is no file, and a side may have no token
                for offset, token in enumerate(side.tokens):
                    text = token.decode("utf-8", "surrogateescape")
                    file.write(json.dumps({"id": side.first_id + offset, "token": text}) + "\n")
        facts = {
            "hash": self.digest,
            "token_identity": self.token_identity,
            "sides": {
                name: {
                    "size": side.size,
                    "first_id": side.first_id,
                    "oov_buckets": side.oov_buckets,
                    "special": dataclasses.asdict(side.special),
                }
                for name, side in self.sides.items()
            },
        }
        with tf.io.gfile.GFile(os.path.join(folder, _FACTS), "w") as file:
            file.write(json.dumps(facts, indent=1, sort_keys=True))

    @classmethod
    def read(cls, folder: str) -> "Vocabularies":
        """Read what `write` wrote.

        Raises:
          ValueError: the files do not hash to what `vocabulary.json` says: tokens were permuted,
            removed or changed after the vocabulary was made.
        """
        with tf.io.gfile.GFile(os.path.join(folder, _FACTS)) as file:
            facts = json.loads(file.read())
        sides = {
            name: _read_side(os.path.join(folder, f"{name}.jsonl"), side)
            for name, side in facts["sides"].items()
        }
        vocabularies = cls(sides, facts["token_identity"])
        if vocabularies.digest != facts["hash"]:
            raise ValueError(
                f"{folder}: the tokens hash to {vocabularies.digest[:12]}, expected "
                f"{facts['hash'][:12]}: the vocabulary was permuted, truncated or edited since"
            )
        return vocabularies


def _read_side(path: str, facts: dict) -> Vocabulary:
    with tf.io.gfile.GFile(path) as file:
        rows = [json.loads(line) for line in file]
    tokens = tuple(row["token"].encode("utf-8", "surrogateescape") for row in rows)
    side = Vocabulary(tokens, SpecialIds(**facts["special"]), facts["oov_buckets"])
    for expected, row in enumerate(rows, side.first_id):
        if row["id"] != expected:
            raise ValueError(
                f"{path}: token {row['token']!r} has id {row['id']}, expected {expected}: "
                "the vocabulary was permuted, truncated or edited since"
            )
    return side
