"""Loading an exported model: the operations that its graph needs come first."""

import json
import os
from typing import Any

import tensorflow as tf

from transform import tokenizers

FACTS = os.path.join("assets.extra", "tokenline.json")


def target_ids(folder: str) -> int:
    """How many target ids an exported model tells apart; 0 for one that does not say."""
    facts = os.path.join(folder, FACTS)
    if not tf.io.gfile.exists(facts):
        return 0
    with tf.io.gfile.GFile(facts) as file:
        return int(json.loads(file.read()).get("model", {}).get("vocabulary_size", 0))


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
