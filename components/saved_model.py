"""Loading an exported model: the operations that its graph needs come first."""

from typing import Any

import tensorflow as tf

from components import model_facts
from transform import tokenizers


def load(folder: str) -> Any:
    """`tf.saved_model.load`, after the packages that the model's facts name under `needs`.

    Raises:
      OSError, ValueError, tf.errors.OpError: it does not load.
    """
    tokenizers.load_operations(model_facts.read_or_nothing(folder).get("needs", ()))
    return tf.saved_model.load(folder)
