"""What two models' sums have in common decides which of their metrics can be compared."""

import numpy as np
import pytest

from components.evaluator import metrics
from components.evaluator.comparability import comparability
from components.evaluator.slicing import OVERALL

TOKENS = {"masked_token_loss", "perplexity", "token_accuracy"}


def sums(**changes):
    """Sums [G, C] of a split; `changes` are factors on the first bucket, moved to the second.

    So totals stay as they are, and only what is compared bucket by bucket tells them apart.
    """
    made = np.zeros((metrics.BUCKETS, len(metrics.SUMS)))
    values = {
        "loss_sum": 80.0,
        "weight_sum": 40.0,
        "token_count": 40.0,
        "target_bytes": 200.0,
        "target_words": 30.0,
        "unknown_bytes": 8.0,
        "examples": 4.0,
        "weighted_examples": 4.0,
    }
    for name, value in values.items():
        if name in metrics.SUMS:
            column = made[:, metrics.SUMS.index(name)]
            column[:] = value
            moved = value * (changes.get(name, 1.0) - 1.0)
            column[0] += moved
            column[1] -= moved
    return made


@pytest.mark.parametrize(
    ("changes", "incomparable", "comparable"),
    [
        pytest.param({}, set(), TOKENS | {"bits_per_byte"}, id="the same units"),
        pytest.param({"loss_sum": 2.0}, set(), TOKENS | {"bits_per_byte"}, id="another loss"),
        pytest.param(
            {"weight_sum": 1.0000001}, set(), TOKENS | {"bits_per_byte"}, id="float32 rounding"
        ),
        pytest.param(
            {"token_count": 1.5, "weight_sum": 1.5},
            TOKENS,
            {"bits_per_byte", "sequence_accuracy", "token_count"},
            id="another tokeniser",
        ),
        pytest.param({"weight_sum": 0.5}, TOKENS, {"bits_per_byte"}, id="other weights"),
        pytest.param({"target_bytes": 1.1}, {"bits_per_byte"}, TOKENS, id="other bytes"),
        # What is counted is equal or is not: this is one token of 40 million.
        pytest.param(
            {"token_count": 1 + 2.5e-8}, TOKENS, {"bits_per_byte"}, id="a single other token"
        ),
    ],
)
def test_what_can_be_compared(changes, incomparable, comparable):
    between = comparability(sums(**changes), sums())
    assert incomparable <= set(between.problems)
    assert not comparable & set(between.problems)
    assert not between.nothing


def test_the_problem_has_its_numbers_and_leaves_the_difference_without_value():
    theirs = sums()
    theirs[:, metrics.SUMS.index("token_count")] *= 1.5
    between = comparability(sums(), theirs)
    problem = "the baseline scores other tokens: token_count 1200 against 800"
    assert between.problems["masked_token_loss"] == between.other_words == problem
    report = metrics.report(OVERALL, sums(), theirs, confidence=0.9)
    left = between.applied_to(report)
    assert left.diff["masked_token_loss"].absent == problem
    assert np.isnan(left.diff["masked_token_loss"].value)
    assert left.diff["bits_per_byte"] == report.diff["bits_per_byte"]
    assert left.candidate == report.candidate


def test_other_text_altogether_is_nothing_to_compare_with():
    between = comparability(sums(token_count=2.0, target_bytes=2.0, target_words=2.0), sums())
    assert between.nothing.startswith("the baseline scores other tokens: token_count 800 against")


def test_models_that_know_other_words_say_so():
    between = comparability(sums(unknown_bytes=0.5), sums())
    assert between.other_words.startswith("the models know other words: unknown_bytes")
    assert not TOKENS & set(between.problems)


def test_metrics_of_tags_need_the_same_tokens_and_those_of_decoded_text_do_not():
    problems = comparability(sums(weight_sum=3.0), sums()).problems
    assert {"tag_macro_f1", "span_f1"} <= set(problems)
    assert not {"bleu", "chrf", "exact_match"} & set(problems)
