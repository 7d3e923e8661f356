"""Which raw rows a batch was made of: their text, and their file and line.

Looked for only where a batch is bad. A transformed example carries no key, but the n-th of a file is
the n-th of the raw file, whose lines ExampleGen has noted: the rows are found by their content.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components import records
from components.example_gen.places import Places
from transform import features, tokenizers
from transform.settings import Settings
from transform.vocabulary import Vocabularies

_ROWS_READ = 4096
_MOST_ALIKE = 3  # places that are told of one example
_IDS = ((features.TARGETS, features.TARGET_LENGTHS), (features.INPUTS, features.INPUT_LENGTHS))
_SIDES = {features.TARGETS: "target", features.INPUTS: "source"}

Ints: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Origins:
    """What is needed to find rows again.

    Attributes:
      files: transformed TFRecords that the batches are read from.
      lengths: T, S, C of the contract.
      settings: of the tokens.
      vocabularies: what Transform used.
      ingest_report: folder of ExampleGen's report; "": there is none.
    """

    files: Sequence[str]
    lengths: features.Lengths
    settings: Settings
    vocabularies: Vocabularies
    ingest_report: str = ""

    def texts(self, batch: Columns) -> list[dict[str, str]]:
        """For each row of a batch, the text of its ids, by feature, without bos and eos."""
        found: list[dict[str, str]] = [{} for _ in next(iter(batch.values()))]
        for name, length in _IDS:
            if not {name, length} <= batch.keys():
                continue
            side = _SIDES[name]
            of = self.settings.source if side == "source" else self.settings.target
            assert of is not None
            vocabulary = self.vocabularies[side]
            ids = tf.RaggedTensor.from_tensor(batch[name], lengths=batch[length])
            if not vocabulary.identity:  # whose reserved ids are tokens, too
                ends = (vocabulary.special.bos, vocabulary.special.eos)
                kept = tf.ragged.map_flat_values(
                    lambda flat, ends=ends: (flat != ends[0]) & (flat != ends[1]), ids
                )
                ids = tf.ragged.boolean_mask(ids, kept)
            texts = tokenizers.detokenize(vocabulary.text_of(ids), of)
            for row, text in zip(found, texts.numpy().tolist(), strict=True):
                row[name] = text.decode("utf-8", "backslashreplace")
        return found

    def places(self, batch: Columns) -> list[list[str]]:
        """For each row of a batch, `file:line` of the raw rows that give it; mostly one.

        [] where that is not known: ExampleGen left no lines, or another Transform wrote the files.
        """
        found: list[list[str]] = [[] for _ in next(iter(batch.values()))]
        if features.TARGET_LENGTHS not in batch:
            return found
        for path, places, rows in self._shards():
            alike = _alike(path, batch, self.lengths)
            wanted = sorted({place for places_of_row in alike for place in places_of_row})
            try:
                known = places.of(wanted, of_all=rows) if wanted else {}
            except (AssertionError, OSError, tf.errors.OpError):
                continue
            for row, numbers in zip(found, alike, strict=True):
                row += [known[number] for number in numbers]
        return [places_of_row[:_MOST_ALIKE] for places_of_row in found]

    def _shards(self) -> list[tuple[str, Places, int]]:
        """(transformed file, places of its rows, how many) of each file of the training split."""
        path = os.path.join(self.ingest_report, "report.json")
        if not self.ingest_report or not tf.io.gfile.exists(path):
            return []
        with tf.io.gfile.GFile(path) as file:
            report = json.load(file)
        inputs = tuple(each["path"] for each in report["files"])
        parts = [part for part in report["shards"] if part["split"] == "train"]
        parts.sort(key=lambda part: part["name"])
        if len(parts) != len(self.files):
            return []
        return [
            (path, Places(os.path.join(self.ingest_report, part["lines"]), inputs), part["rows"])
            for path, part in zip(sorted(self.files), parts, strict=True)
        ]


def _alike(path: str, batch: Columns, lengths: features.Lengths) -> list[list[int]]:
    """For each row of a batch, the numbers, from 0, of the equal rows of a transformed file."""
    spec = features.feature_spec(lengths)
    wanted = _hashes(batch, lengths)
    found: list[list[int]] = [[] for _ in wanted]
    first = 0
    for serialized in records.dataset([path]).batch(_ROWS_READ):
        parsed = tf.io.parse_example(serialized, spec)
        rows = {name: value.numpy() for name, value in parsed.items()}
        hashes = _hashes(rows, lengths)
        for number in np.flatnonzero(np.isin(hashes, wanted)).tolist():
            for row in np.flatnonzero(wanted == hashes[number]).tolist():
                if _equal(batch, row, rows, number):
                    found[row].append(first + number)
        first += len(hashes)
    return found


def _hashes(batch: Columns, lengths: features.Lengths) -> Ints:
    """int64 [B], of the ids of each row; however far it is padded."""
    random = np.random.default_rng(1)
    total: Ints = np.zeros(len(batch[features.TARGET_LENGTHS]), np.int64)
    for (name, length), size in zip(_IDS, (lengths.target, lengths.source), strict=True):
        factors = random.integers(1, 1 << 62, size + 1, np.int64) | 1
        if {name, length} <= batch.keys():
            ids, long = batch[name], batch[length]
            real = np.arange(ids.shape[1]) < long[:, None]
            total += np.where(real, ids, 0) @ factors[: ids.shape[1]]
            total += long * factors[size]
    return total


def _equal(batch: Columns, row: int, rows: Columns, number: int) -> bool:
    """Whether ids and weights of two rows are the same; what is beyond one of them is padding."""
    for name in (features.TARGETS, features.INPUTS, features.LOSS_WEIGHTS):
        if name in batch:
            of = features.INPUT_LENGTHS if name == features.INPUTS else features.TARGET_LENGTHS
            size = batch[of][row]
            mine, theirs = batch[name][row, :size], rows[name][number, :size]
            if size != rows[of][number] or mine.tobytes() != theirs.tobytes():
                return False
    return True
