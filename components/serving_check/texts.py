"""The texts that are sent to `serving_text`: those of real rows, and those that nobody expects."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from transform import tokenizers
from transform.settings import Settings, Side

_PIECE = 8  # bytes of a text that are repeated until it is too long


@dataclass(frozen=True)
class Text:
    """A text, what to call it, and whether it is certainly longer than the model reads."""

    name: str
    value: bytes
    too_long: bool = False


def input_side(settings: Settings) -> Side:
    """What the model reads when it predicts."""
    return settings.source or settings.target


def of_row(row: bytes, side: Side) -> bytes | None:
    """The text that means this row; None where there is none, or a token holds white space."""
    column = tf.train.Example.FromString(row).features.feature[side.column]
    values = list(column.bytes_list.value) or [b"%d" % each for each in column.int64_list.value]
    text = b" ".join(values)
    if side.tokenizer in tokenizers.LISTS:
        return text if text.split() == values else None
    return text if len(values) == 1 else None


def odd(settings: Settings, given: Sequence[bytes]) -> list[Text]:
    """The texts that no row has; `given` are those of rows, to make one too long."""
    side = input_side(settings)
    found = [Text("empty text", b"")]
    if side.tokenizer != tokenizers.ID_LIST:  # there only numbers are text
        found += [
            Text(
                "emoji", "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9".encode()
            ),
            Text("combining marks", "e\u0301 x\u0323\u0307 \u0928\u093f".encode()),
            Text("NUL and newline", b"a\x00b\nc"),
            Text("white space only", b" \t "),
        ]
    piece = next((text.split()[0] for text in given if text.split()), b"1")
    if side.tokenizer != tokenizers.ID_LIST:
        piece = piece[:_PIECE].decode("utf-8", "ignore").encode() or b"1"
    # A regular expression may see no token in it.
    certain = side.tokenizer != "regex"
    return [*found, Text("over-long text", b" ".join([piece] * (side.max_length + 2)), certain)]
