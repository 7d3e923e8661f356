"""Text to tokens and back, in the graph. A token is a byte string; ids come later (vocabulary.py).

| tokenizer       | a token is                                             | `detokenize` gives back      |
|-----------------|--------------------------------------------------------|------------------------------|
| `whitespace`    | what stands between white space                        | the words, one space between |
| `regex`         | what `Side.pattern` (RE2) matches; the rest separates  | the words, one space between |
| `character`     | what a reader counts as one, see `text.graphemes`      | the text                     |
| `byte`          | a byte                                                 | the text, every byte         |
| `wordpiece`     | a piece of a word as BERT cuts it, see `subwords`      | the words, one space between |
| `sentencepiece` | a piece, in which U+2581 stands for a space            | the text that the model cut  |
| `pretokenized`  | a value of the column                                  | the values, one space between |
| `ids`           | a number of the column, in decimal                     | the numbers, likewise        |

"The text" is what is left after `Side.normalize` and `Side.lowercase`, in this order, with U+FFFD for
bytes that are not UTF-8; only whitespace, byte and pretokenized without these options keep such bytes.
What a sentencepiece model itself changes stays changed: it may normalise, or drop spaces. One that was
learned here changes nothing but a U+2581 in the text, which comes back as a space.
"""

from collections.abc import Iterable

import tensorflow as tf

from transform import subwords, text
from transform.settings import (
    ID_LIST,
    SENTENCEPIECE,
    SUBWORDS,
    TOKEN_LIST,
    WORDPIECE,
    Settings,
    Side,
)

NAMES = (
    "whitespace", "regex", "character", "byte", WORDPIECE, SENTENCEPIECE, TOKEN_LIST, ID_LIST
)  # fmt: skip
LISTS = (TOKEN_LIST, ID_LIST)  # the column holds the tokens themselves
TEXT_OPS = "tensorflow_text"
_JOINED_BY_NOTHING = ("character", "byte")


def tokenize(values: tf.RaggedTensor, side: Side) -> tf.RaggedTensor:
    """Tokens of each row.

    Args:
      values: the raw column [B, (N)]: string, one text a row (none counts as empty), or the tokens
        themselves where the side is `pretokenized`; int64 where it is `ids`.
      side: which tokenizer, and whether to normalise and to lower-case first.

    Returns:
      string [B, (tokens)].

    Raises:
      ValueError: the tokenizer needs a file of pieces, and the side does not name it.
    """
    if side.tokenizer == ID_LIST:
        return tf.ragged.map_flat_values(tf.strings.as_string, values)
    if side.tokenizer == TOKEN_LIST:
        return tf.ragged.map_flat_values(_prepared, values, side)
    return _split(prepared_texts(values, side), side)


def words(values: tf.RaggedTensor, side: Side) -> tf.RaggedTensor:
    """What the pieces of a `wordpiece` or `sentencepiece` side are learned from, string [B, (words)].

    Args:
      values: string [B, (N)], the raw column.
      side: needs no file of pieces yet.
    """
    texts = prepared_texts(values, side)
    if side.tokenizer == WORDPIECE:
        return text.matches(texts, subwords.WORD)
    return text.matches(texts, r" ?\S+")


def detokenize(tokens: tf.RaggedTensor, side: Side) -> tf.Tensor:
    """The text [B] of tokens [B, (N)]; which text, the table above says."""
    if side.tokenizer in SUBWORDS:
        return subwords.of(side).join(tokens)
    separator = "" if side.tokenizer in _JOINED_BY_NOTHING else " "
    return tf.strings.reduce_join(tokens, axis=-1, separator=separator)


def token_bytes(tokens: tf.RaggedTensor, side: Side) -> tf.RaggedTensor:
    """UTF-8 bytes of the text that each token [B, (N)] stands for, int32 [B, (N)].

    Marks of subwords are no text; the space that U+2581 stands for is. Of a word that wordpiece could
    not spell only its name is left, "[UNK]".
    """

    def of_flat(flat: tf.Tensor) -> tf.Tensor:
        if side.tokenizer == WORDPIECE:
            flat = tf.strings.regex_replace(flat, f"^{subwords.JOINER}", "")
        if side.tokenizer == SENTENCEPIECE:
            flat = tf.strings.regex_replace(flat, "\u2581", " ")
        return tf.strings.length(flat)

    return tf.ragged.map_flat_values(of_flat, tokens)


def prepared_texts(values: tf.RaggedTensor, side: Side) -> tf.Tensor:
    """The text [B] of each row of a column [B, (N)], as it is before it is cut."""
    return _prepared(tf.strings.reduce_join(values, axis=-1), side)


def trackables(settings: Settings) -> dict[str, tf.Module]:
    """By side, what a graph that tokenises must keep hold of to be saved."""
    return {
        name: subwords.of(side)
        for name, side in settings.sides.items()
        if side.tokenizer in SUBWORDS
    }


def needs(settings: Settings) -> list[str]:
    """The packages whose operations a graph that tokenises holds, besides TensorFlow's own."""
    found = any(side.tokenizer in SUBWORDS or side.normalize for side in settings.sides.values())
    return [TEXT_OPS] if found else []


def load_operations(packages: Iterable[str]) -> None:
    """Make the operations of these packages (see `needs`) known, so that a saved graph loads.

    Raises:
      ValueError: a package that no graph of ours needs.
    """
    for package in packages:
        if package != TEXT_OPS:
            raise ValueError(f"the model needs {package!r}, expected {TEXT_OPS!r} or nothing")
        import tensorflow_text  # noqa: F401  importing it registers them


def _prepared(texts: tf.Tensor, side: Side) -> tf.Tensor:
    if side.normalize:
        texts = text.normal(texts, side.normalize)
    return text.lower(texts) if side.lowercase else texts


def _split(texts: tf.Tensor, side: Side) -> tf.RaggedTensor:
    if side.tokenizer in SUBWORDS:
        return subwords.of(side).cut(texts)
    if side.tokenizer == "regex":
        return text.matches(texts, side.pattern)
    splitters = {
        "whitespace": tf.strings.split,
        "character": text.graphemes,
        "byte": tf.strings.bytes_split,
    }
    return splitters[side.tokenizer](texts)
