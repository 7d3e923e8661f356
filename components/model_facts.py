"""What an exported model says of itself, in a file beside its graph.

On this machine, reading it needs no TensorFlow.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from components import storage
from components.errors import InputError
from transform.settings import Settings

FILE = os.path.join("assets.extra", "tokenline.json")
TRAINER_SCORES = os.path.join("assets.extra", "trainer_scores.json")  # see trainer.own_scores


def read(folder: str) -> dict[str, Any]:
    """The facts of the SavedModel in a folder.

    Raises:
      InputError: it says nothing, or no JSON object.
    """
    path = os.path.join(folder, FILE)
    try:
        with storage.opened(path) as file:
            found = json.loads(file.read().decode())
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {FILE}, expected a model of tokenline") from None
    except ValueError as error:
        raise InputError(f"{path}: got invalid JSON ({error}), expected an object") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: got {type(found).__name__}, expected a JSON object")
    return found


def read_or_nothing(folder: str) -> dict[str, Any]:
    """The same; {} of a model that says nothing of itself.

    Raises:
      InputError: what it says is no JSON object.
    """
    return read(folder) if storage.is_file(os.path.join(folder, FILE)) else {}


def settings(facts: Mapping[str, Any], folder: str) -> Settings:
    """How the model in this folder makes tokens.

    Raises:
      InputError: the facts do not say, or not in this version's words.
    """
    try:
        return Settings.from_json(json.dumps(facts["settings"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        path = os.path.join(folder, FILE)
        raise InputError(f"{path}: got no settings of this version of tokenline ({told})") from None


def target_ids(facts: Mapping[str, Any]) -> int:
    """How many target ids the model tells apart; 0 if it does not say."""
    return int(facts.get("model", {}).get("vocabulary_size", 0))
