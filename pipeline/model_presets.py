"""Named sizes of models: `model.preset`. They are defaults; a key that the file gives wins."""

from typing import Any, Final

# tiny, small, base: as transformer_tiny, _small and _base of tensorflow/tensor2tensor
# (`models/transformer.py`), for the recurrent families too, without heads and feed_forward.
# ptb-small, ptb-medium: Zaremba et al., "Recurrent Neural Network Regularization" (2014).
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "tiny": {"units": 128, "layers": 2, "heads": 4, "feed_forward": 512, "dropout": 0.1},
    "small": {"units": 256, "layers": 2, "heads": 4, "feed_forward": 1024, "dropout": 0.1},
    "base": {"units": 512, "layers": 6, "heads": 8, "feed_forward": 2048, "dropout": 0.1},
    "ptb-small": {"family": "lstm", "units": 200, "layers": 2, "dropout": 0.0},
    "ptb-medium": {"family": "lstm", "units": 650, "layers": 2, "dropout": 0.5},
}


def settings(name: str | None, given: set[str]) -> dict[str, Any]:
    """What a preset says of the keys of `model` that are not in `given` (dotted); {} for None."""
    chosen = PRESETS[name] if name else {}
    return {key: value for key, value in chosen.items() if f"model.{key}" not in given}
