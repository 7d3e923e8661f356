"""Counts of tags and spans: literal values, and adding equals counting together."""

import dataclasses

import numpy as np
import pytest

from components.evaluator import tags
from components.evaluator.positions import Positions


def test_spans_of_conlleval() -> None:
    text = ["B-PER", "I-PER", "O", "I-LOC", "I-LOC", "B-LOC", "I-ORG", "O", "B-PER", "B-PER"]
    assert list(tags.spans(text)) == [
        ("PER", 0, 2),
        ("LOC", 3, 5),
        ("LOC", 5, 6),
        ("ORG", 6, 7),
        ("PER", 8, 9),
        ("PER", 9, 10),
    ]
    assert list(tags.spans(["O", "O"])) == [] == list(tags.spans([]))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["O", "B-X", "I-X"], True),
        (["O"], False),
        (["NOUN", "B-X"], False),
        (["B-", "O"], False),
        ([], False),
    ],
)
def test_which_tags_mark_spans(found, expected) -> None:
    assert tags.is_bio(found) is expected


def test_a_span_is_right_whole_or_not_at_all() -> None:
    actual = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-PER"]
    guess = ["B-PER", "O", "O", "B-LOC", "O", "B-PER"]
    counts = tags.span_counts(actual, guess, [1.0] * 6)
    assert {name: found.tolist() for name, found in counts.items()} == {
        "PER": [1, 2, 2],
        "LOC": [1, 1, 1],
    }
    assert tags.f1(sum(counts.values())) == pytest.approx(2 / 3)
    # Weight 0 takes away each span that it touches, on both sides.
    masked = tags.span_counts(actual, guess, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    assert {name: found.tolist() for name, found in masked.items()} == {
        "PER": [1, 2, 1],
        "LOC": [1, 1, 1],
    }


TEXTS = ["<pad>", "<unk>", "O", "B-X", "I-X"]


def positions(targets, predicted, weights, correct=None) -> Positions:
    targets, predicted = np.asarray(targets), np.asarray(predicted)
    weights = np.asarray(weights, np.float64)
    right = (targets == predicted) & (targets != 1) if correct is None else np.asarray(correct)
    nothing = np.zeros(targets.shape)
    region = (targets != 0).astype(np.int64)
    return Positions(nothing, weights, right.astype(float), nothing, targets, region, predicted)


def test_classes_count_weight_where_there_is_some() -> None:
    found = positions(
        [[2, 3, 3], [2, 99, 4], [1, 0, 0]],
        [[2, 2, 3], [3, 77, 4], [1, 2, 2]],
        [[1.0, 0.5, 2.0], [1.0, 0.0, 4.0], [3.0, 0.0, 0.0]],
    )
    counts = tags.counts(found, np.array([0, 1, 1]), TEXTS, 2)
    classes = {name: each.sum(axis=0) for (kind, name), each in counts.items() if kind == "tokens"}
    assert {name: each.tolist() for name, each in classes.items()} == {
        "<unk>": [0, 3, 3],  # an unknown tag is never right
        "O": [1, 1.5, 2],
        "B-X": [2, 3, 2.5],
        "I-X": [4, 4, 4],
    }
    assert counts["tokens", "B-X"].tolist() == [[2, 2, 2.5], [0, 1, 0]]  # by bucket
    found = tags.scores(classes)
    _, other, *_ = found["tags"]
    counted = {"right": 1, "predicted": 1.5, "actual": 2}
    rates = {"precision": 1 / 1.5, "recall": 0.5, "f1": 2 / 3.5}
    assert other.pop("tag") == "O"
    assert other == pytest.approx(counted | rates)
    assert found["micro"]["right"] == 7
    mean = np.mean([0, 2 / 3.5, 4 / 5.5, 1])
    assert found["macro_f1"] == pytest.approx(mean)


def test_spans_by_bucket_and_none_without_marks() -> None:
    found = positions([[3, 4, 2], [3, 2, 0]], [[3, 4, 2], [2, 3, 3]], [[1, 1, 1], [1, 1, 0]])
    counts = tags.counts(found, np.array([1, 0]), TEXTS, 2)
    assert counts["spans", "X"].tolist() == [[0, 1, 1], [1, 1, 1]]
    plain = tags.counts(found, np.array([1, 0]), ["<pad>", "<unk>", "A", "B", "C"], 2)
    assert {kind for kind, _ in plain} == {"tokens"}


def test_a_model_that_does_not_say_what_it_predicts_counts_nothing() -> None:
    found = dataclasses.replace(positions([[2]], [[2]], [[1]]), predicted=None)
    assert tags.counts(found, np.array([0]), TEXTS, 1) == {}


def test_a_tag_that_the_candidate_does_not_know_is_no_tag_of_its() -> None:
    found = positions([[3, 4]], [[3, 9]], [[1, 1]])  # of a baseline: 9 is beyond the texts
    counts = tags.counts(found, np.array([0]), TEXTS, 1)
    assert counts["tokens", "I-X"].tolist() == [[0, 0, 1]]
    assert counts["spans", "X"].tolist() == [[0, 1, 1]]
    assert {name for _, name in counts} == {"B-X", "I-X", "X"}


def test_a_class_that_is_not_in_the_targets_is_not_in_the_mean() -> None:
    assert tags.macro_f1(np.array([[1.0, 1.0, 1.0], [0.0, 3.0, 0.0]])) == 1.0
    assert np.isnan(tags.macro_f1(np.zeros((2, 3))))


def test_parts_add_up() -> None:
    random = np.random.default_rng(3)
    targets, predicted = random.integers(1, 5, (2, 40, 7))
    weights = random.choice([0.0, 0.5, 1.0, 3.0], (40, 7))
    buckets = random.integers(0, 4, 40)
    cuts = [slice(0, 3), slice(3, 30), slice(30, 40)]
    whole, *parts = (
        tags.counts(positions(targets[c], predicted[c], weights[c]), buckets[c], TEXTS, 4)
        for c in (slice(None), *cuts)
    )
    for key, counts in whole.items():
        np.testing.assert_allclose(sum(part.get(key, 0) for part in parts), counts, rtol=1e-12)
