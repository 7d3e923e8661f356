"""The pass before ingesting: the words of the training split, where pieces are learned from them.

Windows and drops are made of tokens, and the tokens are pieces that nobody has given. Rows are read and
checked as they are when they are written, so both passes see the same ones.
"""

import os
from collections import Counter
from collections.abc import Sequence

from components.example_gen import excess, ingest, tokens
from components.example_gen.faults import FileFault
from components.example_gen.files import InputFile
from components.example_gen.ingest import Unit
from components.example_gen.outcome import BadRow, FileResult, UnitResult
from components.example_gen.request import IngestRequest
from components.subwords import files, words

TRAIN = "train"


def count_unit(unit: Unit, *, request: IngestRequest, folder: str) -> None:
    """Count the words of a unit's training rows, by side, into a file; the result lies beside it."""
    learning = request.sequences.learning
    assert learning is not None
    counts: dict[str, Counter] = {name: Counter() for name in learning.settings.unlearned}
    results = [_count_file(file, request, counts) for file in unit.files]
    words.write(_counts_file(folder, unit), counts)
    ingest.write_result(folder, unit, UnitResult(files=results, parts=[]))


def learn(units: Sequence[Unit], request: IngestRequest, *, folder: str, into: str) -> None:
    """Learn from what `count_unit` has counted in all units, and write the subword files.

    Args:
      units: in the order of the input; whichever worker counted them, the files are the same.
      request: its `sequences.learning` says what is learned.
      folder: where `count_unit` wrote.
      into: where the files go.

    Raises:
      InputError: the training split has no word, or `data.vocab_size` is too small.
    """
    learning = request.sequences.learning
    assert learning is not None
    counts = words.total(_counts_file(folder, unit) for unit in units)
    found = files.subwords_of(learning.settings, None, counts, learning.vocab_size)
    files.write(found, learning.settings, into)


def _counts_file(folder: str, unit: Unit) -> str:
    return os.path.join(folder, f"words.{unit.index:05d}.json")


def _count_file(file: InputFile, request: IngestRequest, counts: dict[str, Counter]) -> FileResult:
    result = FileResult(path=file.path, span=file.span, bytes=file.size)
    rules = request.sequences
    sides = [one for one in rules.sides if one.name in counts]
    rows = ingest.counted(ingest.good_rows(file, request, result), request, result)
    try:
        for batch in excess.batches(rows, rules):
            train = [row.values for row in batch if row.split == TRAIN]
            for one in sides:
                texts = tokens.texts([values[one.position] for values in train])
                counts[one.name].update(words.count(texts, one.side))
    except FileFault as fault:
        result.fault = BadRow(path=file.path, line=fault.line, reason=fault.reason)
    return result
