"""What is too far from the span before, what is not, and how that is said."""

import numpy as np
import pytest
import tfx.components  # noqa: F401  (before TFDV: it cannot be imported on its own here)
from measured_spans import measured

from components.example_gen.columns import Kind
from components.span_check.comparing import compare, problems
from components.span_check.request import (
    LENGTHS,
    MISSING,
    VALUES,
    WORDS,
    Checks,
    Measure,
    parse_checks,
)

ENGLISH = ["the man and the dog", "the man sees a tree", "a dog and a cat sit"] * 100
GERMAN = ["ein Mann und der Hund", "der Mann sieht einen Baum", "ein Hund und eine Katze"] * 100


def drift(measure, now, then, rows=0.0, min_rows=200):
    checks = Checks((measure,), {"drift": min_rows}, rows)
    return compare(measured("span 2", now, measure), measured("span 1", then, measure), checks)


def texts(mean, seed, count=1000):
    lengths = np.random.default_rng(seed).poisson(mean, count)
    return ["x" * int(length + 1) for length in lengths]


def test_another_language_is_told_by_its_words():
    words = Measure("text", Kind.TEXT, WORDS, drift=0.05)
    (finding,) = drift(words, GERMAN, ENGLISH)
    # "the": 3 of the 16 words of three English rows, none of the German ones.
    assert finding.value == pytest.approx(3 / 16)
    assert finding.problem == (
        "span 2, train split, column 'text': words differ by 0.188 from span 1, most of all in "
        "'the', expected at most 0.05 (data.drift.words)"
    )
    assert not problems(drift(words, ENGLISH, ENGLISH[:240]))


def test_lengths_and_a_single_huge_text():
    lengths = Measure("text", Kind.TEXT, LENGTHS, drift=0.2)
    before = texts(60, 1)
    (same,), (halved,) = drift(lengths, texts(60, 2), before), drift(lengths, texts(30, 2), before)
    assert (same.value < 0.1, same.passed) == (True, True)
    assert (halved.value > 0.5, halved.passed) == (True, False)
    assert halved.problem == (
        f"span 2, train split, column 'text': lengths differ by {halved.value:.3f} from span 1, "
        "expected at most 0.2 (data.drift.lengths)"
    )
    huge = [*texts(60, 2), "x" * 100_000]
    assert not problems(drift(lengths, huge, before))


def test_values_that_are_missing_and_values_that_are_new():
    missing = Measure("topic", Kind.TEXT, MISSING, drift=0.1)
    (finding,) = drift(missing, ["a"] * 200 + [None] * 50, ["a"] * 250)
    assert finding.value == pytest.approx(0.2)
    assert "column 'topic': missing differ by 0.200 from span 1" in finding.problem
    topics = Measure("topic", Kind.TEXT, VALUES, drift=0.1)
    (finding,) = drift(topics, ["a"] * 200 + ["spam"] * 50, ["a"] * 250)
    assert finding.problem == (
        "span 2, train split, column 'topic': values differ by 0.200 from span 1, most of all in "
        f"{finding.text!r}, expected at most 0.1 (data.drift.columns.topic)"
    )
    assert finding.text in ("a", "spam")


def test_numbers_are_compared_by_how_they_lie():
    years = Measure("year", Kind.INTEGER, VALUES, drift=0.1)
    before = list(range(1900, 2000)) * 3
    assert not problems(drift(years, before[:250], before))
    assert problems(drift(years, [year + 90 for year in before], before))


@pytest.mark.parametrize(
    ("now", "passed"), [(99, False), (100, True), (10_000, True), (10_001, False)]
)
def test_the_number_of_rows_is_held_against_that_before(now, passed):
    ids = Measure("ids", Kind.ID_LIST, WORDS, drift=1.0)
    rows, words = drift(ids, [[1]] * now, [[1]] * 1000, rows=0.1)
    assert (rows.passed, rows.value) == (passed, now / 1000)
    assert words.passed
    if not passed:
        assert rows.problem == (
            f"span 2, train split: got {now:,} rows after 1,000 in span 1, expected at least "
            "0.1 and at most 10 times as many (data.drift.rows)"
        )


def test_few_rows_are_not_compared_and_that_is_said():
    words = Measure("text", Kind.TEXT, WORDS, drift=0.0)
    (rows, finding) = drift(words, GERMAN[:99], ENGLISH[:99], rows=0.5, min_rows=100)
    assert (rows.value, rows.passed) == (None, True)
    assert (finding.value, finding.passed) == (None, True)
    assert finding.text == "99 rows, fewer than 100"


def test_a_column_that_the_span_before_did_not_have_is_not_compared_and_that_is_said():
    words = Measure("text", Kind.TEXT, WORDS, drift=0.0)
    other = Measure("other", Kind.TEXT, WORDS)
    now, then = measured("2", ENGLISH, words), measured("1", ENGLISH, other)
    (finding,) = compare(now, then, Checks((words,), {"drift": 1}))
    assert (finding.value, finding.passed, finding.text) == (None, True, "no value on one side")


def test_without_a_span_before_only_the_splits_are_compared():
    words = Measure("text", Kind.TEXT, WORDS, drift=0.05, skew=0.05)
    span = measured("span 1", ENGLISH, words, eval=GERMAN)
    (finding,) = compare(span, None, Checks((words,), {"drift": 200, "skew": 200}))
    assert finding.problem == (
        "span 1, eval split, column 'text': words differ by 0.188 from the train split, most of "
        f"all in {finding.text!r}, expected at most 0.05 (data.skew.words)"
    )


def test_each_split_is_held_against_the_same_split():
    words = Measure("text", Kind.TEXT, WORDS, drift=0.05)
    checks = Checks((words,), {"drift": 200})
    before = measured("span 1", ENGLISH, words, eval=GERMAN)
    assert not problems(compare(measured("span 2", ENGLISH, words, eval=GERMAN), before, checks))
    found = compare(measured("span 2", GERMAN, words, eval=GERMAN), before, checks)
    assert [each.split for each in found if not each.passed] == ["train"]


def test_the_parameter_is_read_back_as_it_was():
    checks = Checks((Measure("c", Kind.TEXT, WORDS, 0.1, None),), {"drift": 7}, 0.5)
    assert parse_checks(checks.to_json()) == checks
