"""The text of each token that `score` scored, as the row has it: also of a word that is unknown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import InputError
from transform import sequence, tokenizers
from transform.settings import ID_LIST, SUBWORDS, Settings

_UNKNOWN = b"<unk>"  # the word of reserved and out-of-vocabulary ids
_BOS, _EOS = "<bos>", "<eos>"


class TokenTexts:
    """What stands at the target's positions, from the rows; pieces of words, from the model's table.

    A piece's text is its id's, and what cuts words into pieces is inside the model only.
    """

    def __init__(self, loaded: Any, settings: Settings, vocabulary_size: int) -> None:
        """Take the loaded model, its settings, and how many ids its target side has.

        Raises:
          InputError: the model holds no table of words.
        """
        self._side = settings.target
        self._eos = settings.special.eos
        self._words = (
            _word_table(loaded, vocabulary_size) if self._side.tokenizer in SUBWORDS else []
        )

    def __call__(
        self, examples: Sequence[bytes], ids: np.ndarray, lengths: Sequence[int]
    ) -> list[list[str]]:
        """The texts of the first `lengths` positions of each row.

        Args:
          examples: B serialized raw tf.Examples.
          ids: of the target, [B, T].
          lengths: real positions, bos and eos included.
        """
        if self._words:
            return [
                self._of_ids(row[:length].tolist())
                for row, length in zip(ids, lengths, strict=True)
            ]
        return [
            self._framed(tokens, length)
            for tokens, length in zip(self._kept(examples), lengths, strict=True)
        ]

    def _of_ids(self, ids: list[int]) -> list[str]:
        tokens = [self._words[each] for each in ids]
        first = int(self._side.prepend_bos)
        ended = self._side.append_eos and ids[-1:] == [self._eos]
        return self._framed(tokens[first : len(ids) - int(ended)], len(ids))

    def _framed(self, tokens: list[bytes], length: int) -> list[str]:
        """Between bos and eos; a window that its document goes on after has no eos."""
        start = [_BOS] * int(self._side.prepend_bos)
        texts = [token.decode("utf-8", "backslashreplace") for token in tokens]
        return [*start, *texts, _EOS][:length]

    def _kept(self, examples: Sequence[bytes]) -> list[list[bytes]]:
        """The tokens of each row that fit, as Transform cuts them."""
        kind = tf.int64 if self._side.tokenizer == ID_LIST else tf.string
        spec = {self._side.column: tf.io.VarLenFeature(kind)}
        column = tf.io.parse_example(list(examples), spec)[self._side.column]
        tokens = tokenizers.tokenize(tf.RaggedTensor.from_sparse(column), self._side)
        return sequence.cut(tokens, self._side.room, self._side.truncate).to_list()


def _word_table(loaded: Any, size: int) -> list[bytes]:
    """The words of all ids: the one list of so many strings that decoding looks them up in."""
    graph = loaded.signatures["serving_text"].graph.as_graph_def()
    nodes = [*graph.node, *(n for function in graph.library.function for n in function.node_def)]
    for node in nodes:
        tensor = node.attr["value"].tensor
        if node.op == "Const" and tensor.dtype == tf.string.as_datatype_enum:
            words = tf.make_ndarray(tensor).ravel().tolist()
            if len(words) == size and words[0] == _UNKNOWN:
                return words
    raise InputError(f"--tokens: the model holds no table of {size} words, expected its target's")
