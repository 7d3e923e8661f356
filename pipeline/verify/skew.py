"""Invariant 9: what Transform wrote is what the exported model computes from the same raw row."""

from collections.abc import Iterator

import numpy as np

from pipeline.verify.case import Case
from pipeline.verify.certificate import FAIL, PASS, Check
from pipeline.verify.compare import Pair, Size, identical, not_exercised
from transform.vocabulary import Vocabularies

_ALONE = 8  # rows that are sent one a request


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 9."""
    yield _materialised(case)
    yield _counted(case)
    yield _alone(case)
    yield _vocabulary(case)


def _materialised(case: Case) -> Check:
    """Every sampled row's ids, lengths and weights, value by value."""
    missing = [place for place, row in enumerate(case.materialised.rows) if row is None]
    count = len(case.materialised.rows)
    said = f"{len(missing)} of {count} rows: Transform wrote none with these values"
    return Check(
        9,
        "Transform's rows = `transform_features`",
        count,
        case.size.tokens,
        float(len(missing)),
        len(missing) / count,
        "exact",
        FAIL if missing else PASS,
        said
        if missing
        else f"{', '.join(sorted(case.transformed))}; matched by value: TFRecords carry no key",
    )


def _counted(case: Case) -> Check:
    pair = Pair("rows", case.materialised.available, case.raw.available)
    size = Size(case.raw.available, 0)
    return identical(
        9, "rows in the split: Transform's = ExampleGen's", [pair], size=size, word="exact"
    )


def _alone(case: Case) -> Check:
    """A request of one row gives what the row gave among others."""
    rows = case.raw.rows[:_ALONE]
    compared = "one row a request = in a batch"
    if len(case.raw.rows) == 1:
        return not_exercised(9, compared, "the sample has one row")
    alone = case.model.transform_features(rows, size=1)
    pairs = [Pair(name, alone[name], case.transformed[name][: len(rows)]) for name in sorted(alone)]
    tokens = int(np.count_nonzero(case.transformed["loss_weights"][: len(rows)]))
    size = Size(len(rows), tokens)
    return identical(9, compared, pairs, size=size, word="exact")


def _vocabulary(case: Case) -> Check:
    """The vocabulary that Transform used hashes to what the model says of itself."""
    model = case.model.facts["vocabulary_hash"]
    try:
        ours = Vocabularies.read(case.subject.vocabulary).digest
        note = "" if ours == model else f"the model's is {model[:12]}, Transform's {ours[:12]}"
    except ValueError as error:
        note = " ".join(str(error).split())[:200]
    compared = "vocabulary: the model's hash = Transform's"
    return Check(9, compared, 0, 0, None, None, "exact", FAIL if note else PASS, note)
