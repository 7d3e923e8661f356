"""Decoding as graph code that stops when all rows have ended: greedy, beam search, sampling.

`decode` does what the options say; `greedy`, `sample` and `beam_search` are the three ways.
"""

import tensorflow as tf

from components.trainer.decoding import sampling
from components.trainer.decoding.beam import beam_search
from components.trainer.decoding.options import BEAM, GREEDY, SAMPLE, DecodeOptions
from components.trainer.decoding.single import greedy, sample
from components.trainer.decoding.steps import Decoded, Prompts, Rules, full_prompts, rows_of
from components.trainer.models.model import SequenceModel

__all__ = ["DecodeOptions", "Decoded", "Rules", "beam_search", "decode", "greedy", "sample"]


def decode(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    rules: Rules,
    options: DecodeOptions,
    *,
    prompts: tf.Tensor | None = None,
    prompt_lengths: tf.Tensor | None = None,
) -> Decoded:
    """Decode as `options` say.

    A sample depends on the row and `options.seed` only: the row's random numbers come from its
    source ids (`inputs`, seq2seq) or its prompt (lm).

    Args:
      model, features, rules, prompts, prompt_lengths: as of `greedy`.
      options: the method and its settings.

    Raises:
      ValueError: as of the chosen function; or there is no such method.
    """
    prompt = {"prompts": prompts, "prompt_lengths": prompt_lengths}
    if options.method == BEAM:
        return beam_search(
            model,
            features,
            rules,
            beam_size=options.beam_size,
            length_penalty=options.length_penalty,
            **prompt,
        )
    if options.method == SAMPLE:
        own = full_prompts(prompts, prompt_lengths, rows_of(features), rules.max_length)
        if "inputs" in features:
            own = Prompts(features["inputs"], features["input_lengths"])
        return sample(
            model,
            features,
            rules,
            row_seeds=sampling.row_seeds(*own),
            seed=options.seed,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            **prompt,
        )
    if options.method == GREEDY:
        return greedy(model, features, rules, **prompt)
    raise ValueError(f"decode: got method {options.method!r}, expected greedy, beam or sample")
