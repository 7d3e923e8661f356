"""The feature contract: what Transform writes and everything after it reads.

B is the batch, T the longest target, S the longest source, C the characters kept of a token.

| feature          | dtype, shape     | meaning                                                        |
|------------------|------------------|----------------------------------------------------------------|
| `targets`        | int64 [T]        | token ids, eos appended, trimmed to T, `pad_id` on the right   |
| `target_lengths` | int64 []         | real positions, eos included; 0 <= length <= T                 |
| `loss_weights`   | float32 [T]      | product of the named factors; exactly 0 at and past the length |
| `inputs`         | int64 [S]        | seq2seq and tagging: the source side, same rules (tagging: S = T) |
| `input_lengths`  | int64 []         | real positions of `inputs`                                     |
| `input_chars`    | int64 [S, C]     | tagging, optional: the characters of each input token          |

Underlying assumptions
- Masks come from lengths, never from `ids != pad_id`: a pad id that is also a real token, or equal
  to eos, changes nothing.
- `decoder_inputs` is `sequence.shift_right(targets)`: derived, not stored.
- A weight of 0 inside the length is a real position that is not trained on.

Example, T = 6, the text "a b c" with token weights 0.5 2 1 (7, 8, 9 are its ids, 3 is eos):

    targets        [7.  8.  9.  3.  0.  0.]
    target_lengths  4
    loss_weights   [.5  2.  1.  1.  0.  0.]
"""

from dataclasses import dataclass

import tensorflow as tf

TARGETS = "targets"
TARGET_LENGTHS = "target_lengths"
LOSS_WEIGHTS = "loss_weights"
INPUTS = "inputs"
INPUT_LENGTHS = "input_lengths"
INPUT_CHARS = "input_chars"
DECODER_INPUTS = "decoder_inputs"

LM = "lm"
SEQ2SEQ = "seq2seq"
TAGGING = "tagging"
TASKS = (LM, SEQ2SEQ, TAGGING)


@dataclass(frozen=True)
class Lengths:
    """The sizes that the contract leaves open: T, S (0: no source side), C (0: no characters)."""

    target: int
    source: int = 0
    characters: int = 0


def feature_spec(lengths: Lengths) -> dict[str, tf.io.FixedLenFeature]:
    """The parse spec of a transformed tf.Example."""
    spec = {
        TARGETS: tf.io.FixedLenFeature([lengths.target], tf.int64),
        TARGET_LENGTHS: tf.io.FixedLenFeature([], tf.int64),
        LOSS_WEIGHTS: tf.io.FixedLenFeature([lengths.target], tf.float32),
    }
    if lengths.source:
        spec[INPUTS] = tf.io.FixedLenFeature([lengths.source], tf.int64)
        spec[INPUT_LENGTHS] = tf.io.FixedLenFeature([], tf.int64)
    if lengths.characters:
        spec[INPUT_CHARS] = tf.io.FixedLenFeature([lengths.source, lengths.characters], tf.int64)
    return spec
