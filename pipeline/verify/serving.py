"""Invariant 9, what users are served: the words that the predicting signatures give for their ids.

Compared are `serving_default`, `serving_text` and `generate`: their words with those of the
vocabulary that Transform used, the text's ids with Transform's where a signature gives them back (a
prompt's, in a language model; in tagging, their number), and the signatures with each other. Which
ids decoding chooses is not compared with anything.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from pipeline.verify import batches
from pipeline.verify.case import Case, size_of
from pipeline.verify.certificate import FAIL, PASS, Check
from pipeline.verify.compare import Pair, Size, identical, not_exercised
from pipeline.verify.sample import Arrays
from transform import features, tokenizers
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

_MOST_ROWS = 64  # one call: the signatures pad to the longest row of a batch
_BY_TEXT = ("serving_text", "generate")
_UNKNOWN = b"<unk>"  # the word of reserved and out-of-vocabulary ids
_NO_WORD = b"\xff no such id"  # not UTF-8: nobody's token


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 9 about predictions."""
    rows = case.raw.rows[:_MOST_ROWS]
    found = case.model.predict("serving_default", rows)
    vocabulary = Vocabularies.read(case.subject.vocabulary)["target"]
    size = size_of(batches.rows(case.transformed, slice(0, len(rows))))
    settings = case.model.settings.with_subwords(case.subject.vocabulary)
    yield _words(settings, vocabulary, found, size)
    yield _word_table(case, vocabulary)
    yield from _taken_in(case, found, size)
    yield _by_text(case, rows, found)


def words_of(vocabulary: Vocabulary) -> list[bytes]:
    """Every id's word, as `predict` is to print it."""
    return [_UNKNOWN] * vocabulary.first_id + list(vocabulary.tokens)


def _words(settings: Settings, vocabulary: Vocabulary, found: Arrays, size: Size) -> Check:
    """Ids back to words, by the vocabulary's file."""
    names, name = words_of(vocabulary), "tags" if settings.task == features.TAGGING else "text"
    ids = [row[:end] for row, end in zip(found["ids"], found["lengths"], strict=True)]
    if name == "text":
        ids = [row[:-1] if len(row) and row[-1] == settings.special.eos else row for row in ids]
        if settings.target.prepend_bos:
            ids = [row[1:] for row in ids]
    words = [[names[i] if i < len(names) else _NO_WORD for i in map(int, row)] for row in ids]
    if name == "text":
        ragged = tf.ragged.constant(words, tf.string, ragged_rank=1)
        wanted = list(tokenizers.detokenize(ragged, settings.target).numpy())
    else:
        width = found["tags"].shape[1]
        wanted = [[*row, *[b""] * (width - len(row))] for row in words]
    wrong = [row for row, one in enumerate(wanted) if not np.array_equal(found[name][row], one)]
    kinds = len({int(each) for row in ids for each in row})
    note = f"{kinds:,} of {len(names):,} words were predicted or given"
    if wrong:
        got, expected = found[name][wrong[0]], wanted[wrong[0]]
        note = f"{len(wrong)} of {len(wanted)} rows: got {got!s:.60}, expected {expected!s:.60}"
    compared = "`serving_default`: its ids' words = the vocabulary's"
    return _exact(compared, size, len(wrong), len(wanted), note)


def _word_table(case: Case, vocabulary: Vocabulary) -> Check:
    """The table inside the predict function: every word, also those that no row predicts."""
    names = words_of(vocabulary)
    compared = f"word table of the signatures: all {len(names):,} ids"
    missing = [
        name
        for name in case.model.predicting
        if not any(table == names for table in case.model.string_constants(name))
    ]
    note = f"not in the graph of {', '.join(missing)}" if missing else ""
    return _exact(compared, Size(0, 0), len(missing), len(case.model.predicting), note)


def _taken_in(case: Case, found: Arrays, size: Size) -> Iterator[Check]:
    """What a signature shows of the ids that it made of the text, against Transform's."""
    settings = case.model.settings
    if settings.task == features.TAGGING:
        wanted = case.transformed[features.INPUT_LENGTHS][: size.rows]
        pairs = [Pair("lengths", found["lengths"], wanted)]
        compared = "`serving_default`: number of tags = Transform's of tokens"
    elif settings.task == features.LM:
        targets = case.transformed[features.TARGETS][: size.rows]
        lengths = case.transformed[features.TARGET_LENGTHS][: size.rows]
        kept: np.ndarray = lengths - int(settings.target.append_eos)
        width = min(found["ids"].shape[1], targets.shape[1])
        given = np.arange(width) < kept[:, None]
        pairs = [
            Pair("ids", *(np.where(given, ids[:, :width], -1) for ids in (found["ids"], targets)))
        ]
        compared = "`serving_default`: the prompt's ids = Transform's"
    else:
        return  # a translation shows nothing of its source's ids
    yield identical(9, compared, pairs, size=size, word="exact")


def _by_text(case: Case, rows: tuple[bytes, ...], found: Arrays) -> Check:
    """The signatures that take text give for a row's text what `serving_default` gives for it."""
    settings = case.model.settings
    side = settings.source or settings.target
    texts = [_text(row, side) for row in rows]
    places = [place for place, text in enumerate(texts) if text is not None]
    names = [name for name in _BY_TEXT if name in case.model.predicting]
    compared = f"{', '.join(f'`{name}`' for name in names)} = `serving_default`"
    if not places:
        return not_exercised(9, compared, "no row is one text")
    given = [text for text in texts if text is not None]
    differing = []
    for name in names:
        by_text = case.model.predict(name, given)
        differing += [
            f"{output} of {name}"
            for output in ("ids", "lengths", "tags", "text")
            if output in found and not _same(by_text[output], found[output][places])
        ]
    size = size_of(batches.rows(case.transformed, places))
    note = f"differ: {', '.join(differing)}" if differing else ""
    return _exact(compared, size, len(differing), len(names), note)


def _text(row: bytes, side: Side) -> bytes | None:
    """The text that means this row; None where a token holds white space, or there is no text."""
    column = tf.train.Example.FromString(row).features.feature[side.column]
    values = list(column.bytes_list.value) or [b"%d" % each for each in column.int64_list.value]
    text = b" ".join(values)
    if side.tokenizer in tokenizers.LISTS:
        return text if text.split() == values else None
    return text if len(values) == 1 else None


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal, but for padding of a batch with a longer row."""
    if one.ndim == 1:
        return np.array_equal(one, other)
    width = min(one.shape[1], other.shape[1])
    return np.array_equal(one[:, :width], other[:, :width])


def _exact(compared: str, size: Size, wrong: int, of: int, note: str) -> Check:
    status = FAIL if wrong else PASS
    share = wrong / max(1, of)
    return Check(9, compared, size.rows, size.tokens, float(wrong), share, "exact", status, note)
