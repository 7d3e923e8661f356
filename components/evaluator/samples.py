"""What the candidate makes of the samples: a translation, tags, the second half of a text."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components import model_facts
from components.evaluator import models
from components.evaluator.models import one_line

_SIGNATURE = "serving_text"
_LOGGER = logging.getLogger("tokenline")


def with_generated(samples: Sequence[Mapping[str, Any]], model: str) -> list[dict[str, Any]]:
    """The samples with `generated`; None of a model that cannot generate, which fails nothing.

    A language model is given the first half of the words, which are then under `prompt`.
    """
    found = [dict(sample) | {"generated": None} for sample in samples]
    task = model_facts.read_or_nothing(model).get("task")
    if not found or not task:
        return found
    continued = task == "lm"
    prompts = [_half(sample["text"]) if continued else sample["source"] for sample in found]
    try:
        outputs = models.load(model).signatures[_SIGNATURE](text=tf.constant(prompts))
        texts = _tags(outputs) if task == "tagging" else outputs["text"].numpy().tolist()
    except Exception as error:
        _LOGGER.warning("samples: the model generates nothing: %s", one_line(error))
        return found
    for sample, prompt, text in zip(found, prompts, texts, strict=True):
        sample["generated"] = text.decode("utf-8", "replace")
        if continued:
            sample["prompt"] = prompt
    return found


def _half(text: str) -> str:
    """The first half of the words; of a single word, of the characters."""
    words = text.split(" ")
    return " ".join(words[: len(words) // 2]) if len(words) > 1 else text[: len(text) // 2]


def _tags(outputs: Mapping[str, tf.Tensor]) -> list[bytes]:
    rows = zip(outputs["tags"].numpy(), outputs["lengths"].numpy(), strict=True)
    return [b" ".join(tags[:length]) for tags, length in rows]
