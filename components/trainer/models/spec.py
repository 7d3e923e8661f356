"""ModelSpec: everything that decides a model's variables and its arithmetic."""

from dataclasses import dataclass

from components.errors import InputError

TASKS = ("lm", "seq2seq", "tagging")
FAMILIES = ("gru", "lstm", "transformer")


@dataclass(frozen=True)
class ModelSpec:
    """The shape of one model. Two equal specs build models with bit-equal initial weights.

    Attributes:
      task: `lm` (decoder only), `seq2seq` (encoder and decoder) or `tagging` (encoder, aligned).
      vocabulary_size: V, the number of target ids (words, or tags).
      family: `gru`, `lstm` or `transformer`.
      input_vocabulary_size: number of source ids; 0 for `lm`.
      units: D, the width of embeddings and hidden states; even, as each direction has half.
      layers: layers of the encoder, and as many of the decoder.
      heads: attention heads (Transformer); divides `units`.
      feed_forward: inner width of the Transformer's feed-forward block.
      dropout: share of activations dropped in training, 0 <= dropout < 1.
      tie_embeddings: the projection is the transposed target embedding (not for tagging).
      character_vocabulary_size: number of character ids of `input_chars`; 0 for none (tagging).
      max_length: longest target T (Transformer: the number of learned positions).
      max_input_length: longest source S (Transformer: the number of learned positions).
      seed: seeds initial weights and dropout.
    """

    task: str
    vocabulary_size: int
    family: str = "gru"
    input_vocabulary_size: int = 0
    units: int = 128
    layers: int = 1
    heads: int = 4
    feed_forward: int = 512
    dropout: float = 0.0
    tie_embeddings: bool = False
    character_vocabulary_size: int = 0
    max_length: int = 128
    max_input_length: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        problems = _range_problems(self) + _combination_problems(self)
        if problems:
            raise InputError("\n".join(f"model: {problem}" for problem in problems))


def _range_problems(spec: ModelSpec) -> list[str]:
    problems = []
    for name, allowed in (("task", TASKS), ("family", FAMILIES)):
        if getattr(spec, name) not in allowed:
            expected = ", ".join(allowed)
            problems.append(f"{name}: got {getattr(spec, name)!r}, expected one of {expected}")
    for name in (
        *("vocabulary_size", "units", "layers", "heads"),
        *("feed_forward", "max_length", "max_input_length"),
    ):
        if getattr(spec, name) < 1:
            problems.append(f"{name}: got {getattr(spec, name)}, expected at least 1")
    if not 0.0 <= spec.dropout < 1.0:
        problems.append(f"dropout: got {spec.dropout}, expected 0 <= dropout < 1")
    if spec.character_vocabulary_size < 0:
        problems.append(
            f"character_vocabulary_size: got {spec.character_vocabulary_size}, expected 0 or more"
        )
    return problems


def _combination_problems(spec: ModelSpec) -> list[str]:
    problems = []
    if spec.task == "lm" and spec.input_vocabulary_size:
        problems.append(
            f"input_vocabulary_size: got {spec.input_vocabulary_size}, expected 0 for task lm"
        )
    if spec.task in ("seq2seq", "tagging") and spec.input_vocabulary_size < 1:
        problems.append(
            f"input_vocabulary_size: got {spec.input_vocabulary_size}, "
            f"expected at least 1 for task {spec.task}"
        )
    if spec.task == "tagging" and spec.tie_embeddings:
        problems.append(
            "tie_embeddings: got true, expected false (tagging has no target embedding)"
        )
    if spec.task != "tagging" and spec.character_vocabulary_size:
        problems.append(
            "character_vocabulary_size: expected 0, only task tagging reads input_chars"
        )
    if spec.family == "transformer":
        if spec.heads > 0 and spec.units % spec.heads:
            problems.append(f"units: got {spec.units}, expected a multiple of heads={spec.heads}")
    elif spec.task != "lm" and spec.units % 2:
        problems.append(f"units: got {spec.units}, expected an even number (half per direction)")
    return problems
