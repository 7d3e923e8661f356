"""What a model writes for a sample of the examples, scored against their references.

The sample is the examples with the smallest digests: the same in each run, whatever the files, bundles
and workers were. Decoding is dear, so it is a sample; all models decode the same one.
"""

from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components import model_facts
from components.errors import InputError
from components.evaluator import identity, models, translation
from components.evaluator.exact import Array
from components.evaluator.identity import BUCKETS
from components.evaluator.models import ModelError, one_line

SIGNATURE = "serving_default"
BATCH_SIZE = 64
# [G, M, SUMS] of the sample, or what went wrong.
Result = tuple[list, str]

Decode = Callable[[Sequence[bytes]], list[str]]


class DecodeSample(beam.PTransform):
    """Serialized raw examples -> one `Result`: what a sample of them adds, per bucket and model."""

    def __init__(self, models: Sequence[str], count: int) -> None:
        """`models`: SavedModel folders, the candidate first; `count`: examples at most."""
        super().__init__()
        self._models, self._count = tuple(models), count

    def expand(self, examples: beam.PCollection) -> beam.PCollection:
        """One element, also of no examples."""
        return (
            examples
            | "Digest" >> beam.Map(lambda row: (identity.digest(row), row))
            | "Sample" >> beam.combiners.Top.Smallest(self._count)
            | "Decode" >> beam.ParDo(_DecodeAndAdd(self._models))
        )


class _DecodeAndAdd(beam.DoFn):
    def __init__(self, models: tuple[str, ...]) -> None:
        self._models = models

    def process(self, sample: list[tuple[bytes, bytes]]) -> Iterator[Result]:
        found: list[Array] = []
        for path in self._models:
            try:
                found.append(sums(sample, Decoder(path), column(self._models[0])))
            except ModelError as error:
                if not found:
                    yield [], str(error)
                    return
                # A baseline that cannot decode leaves the candidate its scores.
        yield np.stack(found, axis=1).tolist(), ""


def sums(sample: Sequence[tuple[bytes, bytes]], decode: Decode, target: str) -> Array:
    """Decode (digest, serialized example) pairs.

    Args:
      sample: in any order.
      decode: from serialized examples to texts.
      target: the raw column that holds the reference.

    Returns:
      [G, translation.SUMS].
    """
    ordered = sorted(sample, key=lambda pair: (len(pair[1]), pair[0]))  # little padding
    added = np.zeros((BUCKETS, translation.SUMS))
    for start in range(0, len(ordered), BATCH_SIZE):
        batch = ordered[start : start + BATCH_SIZE]
        rows = [row for _, row in batch]
        texts = decode(rows)
        references = [reference(row, target) for row in rows]
        buckets = [identity.bucket(key) for key, _ in batch]
        np.add.at(added, buckets, translation.sums_of_examples(texts, references))
    return added


def reference(row: bytes, target: str) -> str:
    """The raw text of the target column; lists of tokens, or of ids, are joined."""
    found = tf.train.Example.FromString(row).features.feature[target]
    if found.int64_list.value:
        return " ".join(map(str, found.int64_list.value))
    return b" ".join(found.bytes_list.value).decode("utf-8", "replace")


def column(path: str) -> str:
    """The raw column of the target side, from what a model says of itself.

    Raises:
      ModelError: it does not say.
    """
    try:
        return str(model_facts.read(path)["settings"]["target"]["column"])
    except (InputError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: names no target column ({one_line(error)})") from error


class Decoder:
    """A loaded model that turns serialized raw examples into text."""

    def __init__(self, path: str) -> None:
        """Load the model.

        Raises:
          ModelError: it does not load.
        """
        self._path = path
        self._model = models.load(path)

    def __call__(self, rows: Sequence[bytes]) -> list[str]:
        """The texts of B examples.

        Raises:
          ModelError: the model refuses them.
        """
        try:
            decode = self._model.signatures[SIGNATURE]
            texts = decode(examples=tf.constant(rows, tf.string))["text"].numpy()
        except Exception as error:
            raise ModelError(f"{self._path}: {SIGNATURE} failed ({one_line(error)})") from error
        return [text.decode("utf-8", "replace") for text in texts]
