"""Which model a run starts from and which vocabulary it extends. Pure Python.

A run on data that were trained on before starts from what that earlier run started from; otherwise "the
last blessed model" would be the one that it made itself, and each run would train on top of the one
before. A run on new data starts from the last blessed model. The same holds for the vocabulary, whose
chain only grows.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A model of an earlier run, and what that run said of itself.

    Attributes:
      uri: folder of its artifact.
      vocabulary: folder of the vocabulary that it holds.
      token_identity: of that; "" where it cannot be read.
      version: folder of its pushed version, "" where it was not found by that.
      data_key, base_model, warm_start: what it was trained on, from what, and whether it looked.
      input_key, base_vocabulary: what its vocabulary was made from, and what that extends.
    """

    uri: str
    vocabulary: str
    token_identity: str
    version: str
    data_key: str
    base_model: str
    warm_start: str
    input_key: str
    base_vocabulary: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a run builds on; "" is nothing. See `component.BaseModel`."""

    base_vocabulary: str
    input_key: str
    base_model: str
    data_key: str
    baseline: str


def data_key(fingerprint: str, split: str) -> str:
    """What is trained on, as JSON: the files' content, and how they are split (JSON of an object)."""
    return json.dumps({"content": fingerprint} | json.loads(split), sort_keys=True)


def input_key(vocabulary_key: str, fingerprint: str) -> str:
    """Hash of all that a vocabulary depends on, but for what it extends."""
    return hashlib.sha256(f"{vocabulary_key}\n{fingerprint}".encode()).hexdigest()


def choose(
    earlier: Earlier | None,
    *,
    key: str,
    vocabulary_key: str,
    token_identity: str,
    warm_start: str,
    exists: Callable[[str], bool],
) -> Choice:
    """What a run builds on.

    Args:
      earlier: the model that was blessed last, if there is one.
      key: `data_key` of this run.
      vocabulary_key: `input_key` of this run.
      token_identity: of this run; a vocabulary with another cannot be extended.
      warm_start: auto, or never.
      exists: whether a folder is there.
    """
    starts = earlier is not None and warm_start == "auto"
    return Choice(
        base_vocabulary=_vocabulary(earlier, vocabulary_key, token_identity, exists),
        input_key=vocabulary_key,
        base_model=_model(earlier, key, exists) if earlier and starts else "",
        data_key=key,
        baseline=earlier.version if earlier else "",
    )


def split_alike(one: str, other: str) -> bool:
    """Whether two data keys are of other data, split in the same way; "" is of a model without one.

    A model whose data were split in another way may have seen this run's eval rows.
    """
    if not one or one == other:
        return False
    facts, others = json.loads(one), json.loads(other)
    del facts["content"], others["content"]  # in which alone they may differ
    return bool(facts == others)


def _model(earlier: Earlier, key: str, exists: Callable[[str], bool]) -> str:
    repeats = earlier.data_key == key and earlier.warm_start == "auto"
    if repeats and (not earlier.base_model or exists(earlier.base_model)):
        return earlier.base_model
    return earlier.uri if split_alike(earlier.data_key, key) else ""


def _vocabulary(
    earlier: Earlier | None, key: str, token_identity: str, exists: Callable[[str], bool]
) -> str:
    if earlier is None:
        return ""
    base = earlier.base_vocabulary
    if earlier.input_key == key and (not base or exists(base)):
        return base
    return earlier.vocabulary if earlier.token_identity == token_identity else ""
