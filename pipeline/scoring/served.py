"""A pushed model as the command line uses it: which folder, what it says of itself, why it refuses."""

import os
import re
from typing import Any

from components import model_facts
from components.errors import InputError
from pipeline.terminal import silenced
from transform.settings import Settings

# What `transform.weights.token_factor` says of a row: how many weights, how many tokens.
_COUNTS = re.compile(r"token weights: .*?weights\W+(\d+)\W+tokens\W+(\d+)", re.DOTALL)


def folder_of(model: str | None, config: str) -> str:
    """The model's folder: as given, or the newest version that the configuration pushes to.

    Raises:
      InputError: there is no model.
    """
    if model:
        if not os.path.exists(os.path.join(model, "saved_model.pb")):
            raise InputError(f"--model: {model} holds no saved_model.pb, expected a model version")
        return model
    from pipeline.config import load_config

    folder = load_config(config).serving.push_to
    # Not `components.pusher.versions`: it loads TensorFlow, and this error should come at once.
    names = os.listdir(folder) if os.path.isdir(folder) else []
    versions = [name for name in names if name.isascii() and name.isdigit()]
    if not versions:
        raise InputError(f"{folder}: no pushed model yet: `tokenline run` makes one")
    return os.path.join(folder, max(versions, key=int))


def facts_of(folder: str) -> dict[str, Any]:
    """What a model says of itself; needs no TensorFlow.

    Raises:
      InputError: it is not one of ours.
    """
    try:
        return model_facts.read(folder)
    except InputError as error:
        raise InputError(f"--model: {error}") from None


def settings_of(folder: str) -> Settings:
    """What the model's sides are; needs no TensorFlow.

    Raises:
      InputError: it is not one of ours.
    """
    return model_facts.settings(facts_of(folder), folder)


def load(folder: str) -> tuple[Any, dict[str, Any]]:
    """The SavedModel, and what it says of itself.

    Raises:
      InputError: it is not one of ours, or does not load.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    facts = facts_of(folder)
    with silenced():
        import tensorflow as tf

        from components import saved_model

        try:
            loaded = saved_model.load(folder)
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"{folder}: cannot be loaded as a SavedModel: {reason}") from None
        # The first call of a signature still greets.
        loaded.signatures["serving_text"](text=tf.constant([""]))
    return loaded, facts


def reason(error: Any) -> str:
    """Of TensorFlow's many lines the one that says what is wrong."""
    lines = [line.strip() for line in error.message.split("\n")]
    node = next((at for at, line in enumerate(lines) if line.startswith("[[")), len(lines))
    return next((line for line in reversed(lines[:node]) if line), "no reason given")


def refusal(error: Any, settings: dict[str, Any]) -> str:
    """Why the model refuses a row that it was given alone, in the words of the user's columns."""
    counts = _COUNTS.search(error.message)
    if not counts:
        return reason(error)
    weights, tokens = counts.groups()
    return (
        f"column {settings['token_weights']!r}: got {weights} weights for {tokens} tokens, "
        "expected one for each"
    )
