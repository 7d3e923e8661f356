"""Which vocabulary a run extends, such that ids never move and an unchanged re-run is cached.

The chain of vocabularies only grows. A run on inputs that were seen before extends what that earlier
run extended, so it repeats it exactly; a run on new inputs extends the longest one.
"""

import hashlib
import json
import os

from components.code_hash import code_hash
from pipeline import content
from pipeline.config import Config
from pipeline.inputs import RunInputs
from pipeline.settings import token_settings
from pipeline.store import MadeVocabulary


def input_key(config: Config, inputs: RunInputs) -> str:
    """Hash of everything that VocabularyGen's result depends on, but for what it extends."""
    settings = token_settings(config)
    parts = [
        inputs.example_gen,
        settings.without_subwords().to_json(),
        [content.digest(side.subwords) for side in settings.sides.values() if side.subwords],
        config.data.vocab_size,
        config.data.min_frequency,
        code_hash(
            "transform",
            "components.shards",
            "components.vocabulary_gen",
            "components.example_gen",
        ),
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


def _size(folder: str, token_identity: str) -> int:
    """Ids in all, 0 for a vocabulary of another kind."""
    with open(os.path.join(folder, "vocabulary.json")) as file:
        facts = json.load(file)
    if facts["token_identity"] != token_identity:
        return 0
    return sum(side["size"] for side in facts["sides"].values())
