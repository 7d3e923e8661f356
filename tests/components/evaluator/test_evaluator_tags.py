"""Counts of tags and spans: literal values, and adding equals counting together."""

import numpy as np
import pytest

from components.evaluator import tags


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
    assert tags.micro(counts)["f1"] == pytest.approx(2 / 3)
    # Weight 0 takes away each span that it touches, on both sides.
    masked = tags.span_counts(actual, guess, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    assert {name: found.tolist() for name, found in masked.items()} == {
        "PER": [1, 2, 1],
        "LOC": [1, 1, 1],
    }


def test_classes_count_weight_where_there_is_some() -> None:
    targets = np.array([[1, 2, 2], [1, 99, 3]])
    predicted = np.array([[1, 1, 2], [2, 77, 3]])
    weights = np.array([[1.0, 0.5, 2.0], [1.0, 0.0, 4.0]])
    counts = tags.class_counts(targets, predicted, weights, 4)
    assert counts.tolist() == [[0, 0, 0], [1, 1.5, 2], [2, 3, 2.5], [4, 4, 4]]
    table = tags.table({str(name): row for name, row in enumerate(counts)})
    assert list(table) == ["1", "2", "3"]
    assert table["1"] == pytest.approx(
        {"precision": 1 / 1.5, "recall": 0.5, "f1": 2 / 3.5, "actual": 2}
    )
    # Of all classes, where each position has one, precision is accuracy.
    assert tags.micro({"all": counts.sum(axis=0)})["precision"] == pytest.approx(7 / 8.5)


def test_a_class_that_is_not_in_the_targets_is_not_in_the_mean() -> None:
    counts = {"A": np.array([1.0, 1.0, 1.0]), "B": np.array([0.0, 3.0, 0.0])}
    assert tags.macro_f1(counts) == 1.0
    assert tags.measures(counts["B"]) == {"precision": 0, "recall": 0, "f1": 0, "actual": 0}


def test_parts_add_up() -> None:
    random = np.random.default_rng(3)
    targets, predicted = random.integers(0, 5, (2, 40, 7))
    weights = random.choice([0.0, 0.5, 1.0, 3.0], (40, 7))
    whole = tags.class_counts(targets, predicted, weights, 5)
    cuts = [slice(0, 3), slice(3, 30), slice(30, 40)]
    parts = [tags.class_counts(targets[c], predicted[c], weights[c], 5) for c in cuts]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-12)
