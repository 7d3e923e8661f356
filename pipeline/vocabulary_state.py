"""Which vocabulary a run extends, such that ids never move and an unchanged re-run is cached.

The chain of vocabularies only grows. A run on inputs that were seen before extends what that earlier
run extended, so it repeats it exactly; a run on new inputs extends the longest one.
"""

import hashlib
import json
import os

import tensorflow as tf

from components.code_hash import code_hash
from components.errors import InputError
from pipeline import content
from pipeline.config import Config
from pipeline.inputs import RunInputs
from pipeline.settings import token_settings
from pipeline.store.questions import MadeVocabulary
from transform.vocabulary import Vocabularies

# What VocabularyGen runs.
CODE = (
    "transform",
    "components.example_gen.places",
    "components.example_gen.spec",
    "components.records",
    "components.shards",
    "components.span_window.spec",
    "components.subwords",
    "components.vocabulary_gen",
)


def input_key(config: Config, inputs: RunInputs) -> str:
    """Hash of everything that VocabularyGen's result depends on, but for what it extends."""
    settings = token_settings(config)
    parts = [
        inputs.example_gen,
        settings.without_subwords().to_json(),
        [content.digest(side.subwords) for side in settings.sides.values() if side.subwords],
        config.data.vocab_size,
        config.data.min_frequency,
        code_hash(*CODE, "components.example_gen"),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def base_vocabulary(made: list[MadeVocabulary], key: str, token_identity: str) -> str:
    """Folder of the vocabulary to extend, or "" to start one.

    Args:
      made: earlier vocabularies, oldest first.
      key: `input_key` of this run.
      token_identity: `Settings.token_identity()`; vocabularies with another cannot be extended.
    """
    for earlier in reversed(made):
        if earlier.input_key == key and (not earlier.base or os.path.isdir(earlier.base)):
            return earlier.base
    sizes = {earlier.uri: _size(earlier.uri, token_identity) for earlier in made}
    usable = [earlier for earlier in made if sizes[earlier.uri]]
    return max(usable, key=lambda earlier: sizes[earlier.uri]).uri if usable else ""


def check_intact(made: list[MadeVocabulary], key: str, base: str) -> None:
    """Make sure that the vocabularies that a run extends or has in its cache are as they were made.

    Args:
      made, key: as for `base_vocabulary`.
      base: what it gave.

    Raises:
      InputError: one was edited since, or cannot be read.
    """
    for earlier in made:
        if earlier.uri != base and (earlier.input_key, earlier.base) != (key, base):
            continue
        digest = _digest(earlier.uri)
        if earlier.digest and digest != earlier.digest:
            raise InputError(
                f"{earlier.uri}: the vocabulary hashes to {digest[:12]}, expected "
                f"{earlier.digest[:12]} as it was made: it was edited since"
            )


def _digest(folder: str) -> str:
    try:
        return Vocabularies.read(folder).digest
    except (json.JSONDecodeError, KeyError, TypeError, tf.errors.OpError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{folder}: the vocabulary cannot be read, expected it as it was made: {reason}"
        ) from None
    except ValueError as error:
        raise InputError(str(error)) from None


def _size(folder: str, token_identity: str) -> int:
    """Ids in all, 0 for a vocabulary of another kind."""
    with open(os.path.join(folder, "vocabulary.json")) as file:
        facts = json.load(file)
    if facts["token_identity"] != token_identity:
        return 0
    return sum(side["size"] for side in facts["sides"].values())
