"""Adapter: the last blessed model and the span window in, the choice out."""

import dataclasses
import json
import os
from typing import Any

from tensorflow import io as tf_io
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.base_model import choice, spec
from components.errors import InputError
from components.pusher import origins
from components.span_window import executor as span_window
from components.span_window.spec import SPAN_WINDOW

# In a model's artifact, see `components.trainer.starting_point`.
_VOCABULARY = os.path.join("starting_point", "vocabulary")
_FACTS = "vocabulary.json"

Artifacts = dict[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Writes each part of the choice as a text."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Choose.

        Raises:
          InputError: nobody took the fingerprint of what is read.
        """
        window = span_window.read(input_dict[SPAN_WINDOW])
        if not window.fingerprint:
            raise InputError(
                "span_window: got no fingerprint, expected what SpanWindow's driver took"
            )
        found = choice.choose(
            _earlier(input_dict.get(spec.MODEL) or [], exec_properties[spec.SERVED]),
            key=choice.data_key(window.fingerprint, exec_properties[spec.SPLIT]),
            vocabulary_key=choice.input_key(
                exec_properties[spec.VOCABULARY_KEY], window.fingerprint
            ),
            token_identity=exec_properties[spec.TOKEN_IDENTITY],
            warm_start=exec_properties[spec.WARM_START],
            exists=tf_io.gfile.isdir,
        )
        for name, text in dataclasses.asdict(found).items():
            output = artifact_utils.get_single_instance(output_dict[name])
            tf_io.gfile.makedirs(os.path.dirname(output.uri))
            output.write(text)


def _earlier(models: list[types.Artifact], served: str) -> choice.Earlier | None:
    """The last blessed model: what the Resolver found, or the newest version that is served."""
    if served:
        origin = origins.newest(served)
    elif models:
        origin = origins.of(artifact_utils.get_single_instance(models))
    else:
        origin = None
    if origin is None:
        return None
    vocabulary = os.path.join(origin.uri, _VOCABULARY)
    return choice.Earlier(
        uri=origin.uri,
        vocabulary=vocabulary,
        token_identity=_identity(vocabulary),
        version=origin.version,
        **origin.said,
    )


def _identity(vocabulary: str) -> str:
    """What its tokens mean; "" where there is none."""
    path = os.path.join(vocabulary, _FACTS)
    if not tf_io.gfile.exists(path):
        return ""
    with tf_io.gfile.GFile(path) as file:
        identity: str = json.loads(file.read())["token_identity"]
    return identity
