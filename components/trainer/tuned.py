"""Hyperparameters of a search, over the options of the configuration."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.errors import InputError
from components.trainer.request import TrainRequest
from components.trainer.tunable import TUNABLE

BEST = "best_hyperparameters.txt"  # as TFX's Tuner calls it: a KerasTuner HyperParameters config
TRIALS = "trials.json"


def read(folder: str) -> dict[str, Any]:
    """What a Tuner found: {"values": name -> value, "trials": [...]}.

    Another Tuner than ours leaves no trials.

    Raises:
      InputError: a hyperparameter is none of ours.
    """
    values = _json(os.path.join(folder, BEST))["values"]
    for name in values:
        if name not in TUNABLE:
            expected = ", ".join(TUNABLE)
            raise InputError(f"{folder}: got hyperparameter {name!r}, expected some of {expected}")
    trials = os.path.join(folder, TRIALS)
    return {"values": values, "trials": _json(trials) if tf.io.gfile.exists(trials) else []}


def applied(request: TrainRequest, values: Mapping[str, Any]) -> TrainRequest:
    """The request with these hyperparameters instead of its own options."""
    for name, value in values.items():
        section, key = TUNABLE[name]
        options = dataclasses.replace(getattr(request, section), **{key: value})
        request = dataclasses.replace(request, **{section: options})
    return request


def _json(path: str) -> Any:
    with tf.io.gfile.GFile(path) as file:
        return json.loads(file.read())
