"""Tokens and ids: the append-only vocabulary, its files and its lookup tables in the graph.

The ids: reserved ones first (`SpecialIds`), then `oov_buckets - 1` further out-of-vocabulary ids,
then the tokens in the order in which they were first admitted. A reserved id is not a token, so the
text "<pad>" is an ordinary word and can never turn into padding.

Two sides are different. The tokens of a `wordpiece` or `sentencepiece` side are the pieces of its file,
all of them, in the file's order; the file is part of the vocabulary. A side of ids (`of_ids`) has
tokens "0", "1", …, which are their own ids: the reserved ids are then ids like any other.
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
    """The tokens of one side, in id order, and the ids before them.

    Attributes:
      tokens: the token of each id from `first_id` on.
      special: the reserved ids.
      oov_buckets: how many ids the unknown tokens share.
      identity: tokens are the numbers from 0 and are their own ids; nothing is unknown.
      subword_file, subwords: name and content of the file that cuts text into these tokens, if one
        does.
      counts: how often each id occurs in the training split, or (). Not part of the token-to-id map.
    """

    tokens: tuple[bytes, ...]
    special: SpecialIds = dataclasses.field(default_factory=SpecialIds)
    oov_buckets: int = 1
    identity: bool = False
    subword_file: str = ""
    subwords: bytes = b""
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.counts and len(self.counts) != self.size:
            raise ValueError(
                f"counts: got {len(self.counts)}, expected one for each of {self.size} ids"
            )

    @classmethod
    def of_ids(cls, size: int, special: SpecialIds, counts: tuple[int, ...] = ()) -> "Vocabulary":
        """The vocabulary of a side whose column holds the ids 0 to `size` - 1 themselves.

        Raises:
          ValueError: a reserved id is not one of them.
        """
        if special.reserved > size:
            raise ValueError(
                f"data.vocab_size: got {size} ids, expected more than the largest reserved one, "
                f"{special.reserved - 1}"
            )
        tokens = tuple(b"%d" % number for number in range(size))
        return cls(tokens, special, identity=True, counts=counts)

    @property
    def first_id(self) -> int:
        """The id of the first token."""
        return 0 if self.identity else self.special.reserved + self.oov_buckets - 1

    @property
    def size(self) -> int:
        """Number of ids: what the model's embedding and projection need."""
        return self.first_id + len(self.tokens)

    @property
    def digest(self) -> str:
        """Hash over every token and its id, and what cuts text into tokens: equal only for equal maps."""
        state = hashlib.sha256(repr((self.special, self.oov_buckets)).encode())
        for token in self.tokens:
            state.update(b"%d:" % len(token) + token)
        if self.identity:
            state.update(b"identity")
        if self.subwords:
            state.update(b"subwords" + self.subword_digest.encode())
        return state.hexdigest()

    @property
    def subword_digest(self) -> str:
        """Hash of the subword file."""
        return hashlib.sha256(self.subwords).hexdigest()

    def is_unknown(self, ids: tf.Tensor) -> tf.Tensor:
        """bool, like `ids`: whether an id is one that unknown tokens get."""
        if self.identity:
            return tf.zeros_like(ids, tf.bool)
        return (ids == self.special.unk) | ((ids >= self.special.reserved) & (ids < self.first_id))

    def extends(self, older: "Vocabulary") -> bool:
        """Whether every token of `older` keeps its id here."""
        same_cut = (self.identity, self.subwords) == (older.identity, older.subwords)
        same_ids = self.first_id == older.first_id
        return same_cut and same_ids and self.tokens[: len(older.tokens)] == older.tokens

    def ids(self, tokens: tf.RaggedTensor, table: tf.lookup.StaticHashTable) -> tf.RaggedTensor:
        """Ids of string tokens [B, (N)]; unknown tokens go to the out-of-vocabulary ids.

        `table` is what `token_table` made; the caller keeps it, as graph code must not make it twice.

        Raises:
          InvalidArgumentError: (when run) the side is one of ids, and a token is none of them.
        """
        return tf.ragged.map_flat_values(lambda flat: self._known_or_bucket(table, flat), tokens)

    def text_of(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Tokens of ids [B, (N)]; reserved and out-of-vocabulary ids give the word `<unk>`."""
        names = tf.constant([b"<unk>"] * self.first_id + list(self.tokens))
        return tf.ragged.map_flat_values(lambda flat: tf.gather(names, flat), ids)

    def _known_or_bucket(self, table: tf.lookup.StaticHashTable, tokens: tf.Tensor) -> tf.Tensor:
        known = table.lookup(tokens)
        if self.identity:
            expected = f"ids: expected numbers from 0 to {self.size - 1}, got"
            all_known = tf.debugging.Assert(
                tf.reduce_all(known >= 0), [expected, tf.boolean_mask(tokens, known < 0)]
            )
            with tf.control_dependencies([all_known]):
                return tf.identity(known)
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
        """Write `vocabulary.json` (hash, sizes, reserved ids), and by side `<side>.jsonl` (id, token).

        Where a side has them: its subword file, and `<side>.counts.json` (occurrences by id).
        """
        tf.io.gfile.makedirs(folder)
        for name, side in self.sides.items():
            with tf.io.gfile.GFile(os.path.join(folder, f"{name}.jsonl"), "w") as file:
                file.write("")  # without a write there is no file, and a side may have no token
                for offset, token in enumerate(side.tokens):
                    text = token.decode("utf-8", "surrogateescape")
                    file.write(json.dumps({"id": side.first_id + offset, "token": text}) + "\n")
            if side.subwords:
                with tf.io.gfile.GFile(os.path.join(folder, side.subword_file), "wb") as file:
                    file.write(side.subwords)
            if side.counts:
                with tf.io.gfile.GFile(os.path.join(folder, f"{name}.counts.json"), "w") as file:
                    file.write(json.dumps(side.counts))
        facts = {
            "hash": self.digest,
            "token_identity": self.token_identity,
            "sides": {
                name: {
                    "size": side.size,
                    "first_id": side.first_id,
                    "oov_buckets": side.oov_buckets,
                    "special": dataclasses.asdict(side.special),
                    "identity": side.identity,
                    "subword_file": side.subword_file,
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
          ValueError: the files do not hash to what `vocabulary.json` says: tokens or subword files
            were permuted, removed or changed after the vocabulary was made.
        """
        with tf.io.gfile.GFile(os.path.join(folder, _FACTS)) as file:
            facts = json.loads(file.read())
        sides = {name: _read_side(folder, name, side) for name, side in facts["sides"].items()}
        vocabularies = cls(sides, facts["token_identity"])
        if vocabularies.digest != facts["hash"]:
            raise ValueError(
                f"{folder}: the tokens hash to {vocabularies.digest[:12]}, expected "
                f"{facts['hash'][:12]}: the vocabulary was permuted, truncated or edited since"
            )
        return vocabularies


def _read_side(folder: str, name: str, facts: dict) -> Vocabulary:
    path = os.path.join(folder, f"{name}.jsonl")
    with tf.io.gfile.GFile(path) as file:
        rows = [json.loads(line) for line in file]
    # Vocabularies of before these keys have neither.
    subword_file = facts.get("subword_file", "")
    side = Vocabulary(
        tuple(row["token"].encode("utf-8", "surrogateescape") for row in rows),
        SpecialIds(**facts["special"]),
        facts["oov_buckets"],
        identity=facts.get("identity", False),
        subword_file=subword_file,
        subwords=_bytes(os.path.join(folder, subword_file)) if subword_file else b"",
    )
    for expected, row in enumerate(rows, side.first_id):
        if row["id"] != expected:
            raise ValueError(
                f"{path}: token {row['token']!r} has id {row['id']}, expected {expected}: "
                "the vocabulary was permuted, truncated or edited since"
            )
    counted = os.path.join(folder, f"{name}.counts.json")
    if not tf.io.gfile.exists(counted):
        return side
    counts = json.loads(_bytes(counted))
    if len(counts) != side.size:
        raise ValueError(
            f"{counted}: got {len(counts)} counts, expected one for each of {side.size} ids: "
            "the vocabulary was permuted, truncated or edited since"
        )
    return dataclasses.replace(side, counts=tuple(counts))


def _bytes(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        content: bytes = file.read()
    return content
