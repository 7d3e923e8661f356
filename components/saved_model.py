"""Loading an exported model: the operations that its graph needs come first."""

import json
import os
from typing import Any

import tensorflow as tf

from transform import tokenizers

FACTS = os.path.join("assets.extra", "tokenline.json")


def load(folder: str) -> Any:
    """`tf.saved_model.load`, after the packages that the model's facts name under `needs`.

    Raises:
      OSError, ValueError, tf.errors.OpError: it does not load.
    """
    facts = os.path.join(folder, FACTS)
    if tf.io.gfile.exists(facts):
        with tf.io.gfile.GFile(facts) as file:
            tokenizers.load_operations(json.loads(file.read()).get("needs", ()))
    return tf.saved_model.load(folder)
