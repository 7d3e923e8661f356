"""Which model a run starts from, such that an unchanged re-run is cached.

A run on data that were trained on before starts from what that earlier run started from; otherwise
"the last blessed model" would be the one that it made itself, and each run would train on top of the
one before. A run on new data starts from the last blessed model.
"""

import os

from components.base_model import choice
from pipeline.inputs import RunInputs
from pipeline.store.connection import Store
from pipeline.store.questions import MadeModel, models


def data_key(inputs: RunInputs) -> str:
    """What is trained on, as JSON: the files' content, and how they are split."""
    return choice.data_key(inputs.example_gen["fingerprint"], inputs.split)


def find(store: Store, key: str) -> str:
    """`base_model` of what a store knows, which is read whole only if its newest end does not answer."""
    return base_model(models(store, key), key) or base_model(models(store), key)


def base_model(made: list[MadeModel], key: str) -> str:
    """Folder of the model to start from, or "" to start from scratch.

    A model whose data were split in another way is none: it may have seen this run's eval rows.

    Args:
      made: earlier models, oldest first.
      key: `data_key` of this run.
    """
    for earlier in reversed(made):
        repeats = earlier.data_key == key and earlier.warm_start == "auto"
        if repeats and (not earlier.base or os.path.isdir(earlier.base)):
            return earlier.base
    usable = [each for each in made if each.blessed and choice.split_alike(each.data_key, key)]
    return usable[-1].uri if usable else ""
