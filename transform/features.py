"""The feature contract: what Transform writes and everything after it reads.

B is the batch, T the longest target, S the longest source, C the characters kept of a token.

| feature          | dtype, shape     | meaning                                                        |
|------------------|------------------|----------------------------------------------------------------|
| `targets`        | int64 [T]        | token ids in their frame, see below; `pad_id` on the right     |
| `target_lengths` | int64 []         | real positions, bos and eos included; 0 <= length <= T         |
| `loss_weights`   | float32 [T]      | product of the named factors; exactly 0 at and past the length |
| `inputs`         | int64 [S]        | seq2seq and tagging: the source side, same rules (tagging: S = T) |
| `input_lengths`  | int64 []         | real positions of `inputs`                                     |
| `input_chars`    | int64 [S, C]     | tagging, optional: the characters of each input token          |

Underlying assumptions
- A sequence is bos, tokens, eos; each of the two only where the settings ask for it. Neither is ever
  cut: of the tokens as many are kept as fit between them, the first ones (truncate: right) or the
  last ones (left). Token weights are cut at the same end.
- Padding is on the right, with any id: masks come from lengths, never from `ids != pad_id`. A pad id
  that is also a real token, or equal to eos, changes nothing.
- `decoder_inputs` is `sequence.shift_right(targets)`: derived, not stored.
- A weight of 0 inside the length is a real position that is not trained on: a model reads it, but
  need not predict it. Such are bos, a window's context, and whatever a factor says.
- Eos is trained on like a token. A factor that is about tokens leaves it at 1; `region` gives it the
  weight of what stands before it, and `inverse_frequency` that of its id.
- A window (excess_length: window) is a row of its own. What it repeats of the window before is
  context of weight 0, and only the last window of a text ends with eos: each token of the text, and
  its eos, is trained on exactly once.

Examples; a b c d e f are the ids 4 to 9, bos is 2, eos is 3. T = 6, "a b c" with token weights
0.5 2 1:

    targets        [4   5   6   3   0   0  ]
    target_lengths  4
    loss_weights   [0.5 2   1   1   0   0  ]

T = 6, a pad_id of 3 like eos, bos in front, cut on the left, "a b c d e f" and "a":

    targets        [2   6   7   8   9   3  ]    [2   4   3   3   3   3  ]
    target_lengths  6                            3
    loss_weights   [0   1   1   1   1   1  ]    [0   1   1   0   0   0  ]

T = 5, "a b c d e f" as two windows of 4 tokens with a stride of 2:

    targets        [4   5   6   7   0  ]    [6   7   8   9   3  ]
    target_lengths  4                        5
    loss_weights   [1   1   1   1   0  ]    [0   0   1   1   1  ]

T = 6, "a b c d" where b is a marker whose region has the weight 2, 0.5 before:

    targets        [4   5   6   7   3   0  ]
    target_lengths  5
    loss_weights   [0.5 0.5 2   2   2   0  ]
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
