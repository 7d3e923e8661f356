"""How the exported model generates, as a frozen value that travels as JSON."""

from dataclasses import dataclass

GREEDY = "greedy"
BEAM = "beam"
SAMPLE = "sample"


@dataclass(frozen=True)
class DecodeOptions:
    """The user's choices; `decode_length` of the training options limits the positions.

    Attributes:
      method: `greedy`, `beam` or `sample`.
      beam_size: beam: hypotheses kept for each row.
      length_penalty: beam: alpha of `beam.length_normaliser`; 0 ranks by the summed
        log-probability.
      temperature, top_k, top_p: sample: see `sampling.truncated`.
      seed: sample: the same seed and row give the same sample.
      forbidden: special ids that are never generated, of `pad`, `bos` and `unk`.
    """

    method: str = GREEDY
    beam_size: int = 1
    length_penalty: float = 0.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 42
    forbidden: tuple[str, ...] = ("pad", "bos", "unk")
