"""Metrics of one task: values and paired intervals from sums by bucket, and where there are none."""

import numpy as np
import pytest
from scipy import stats

from components.evaluator import extras, metrics, tags, translation
from components.evaluator.extras import Found
from components.evaluator.metrics import Measurement, SliceReport
from components.evaluator.slicing import OVERALL, SliceKey

WORDS = ["ein", "roter", "Wagen", "fährt", "am", "alten", "Haus", "vorbei", "."]
OURS, THEIRS, DIFF = ({"x": Measurement(value)} for value in (1.0, 2.0, -1.0))
REPORT = SliceReport(OVERALL, OURS, THEIRS, DIFF)


def decoded(models: int) -> np.ndarray:
    """[G, M, C] of sentences that lose a word more often with the first model than the second."""
    random = np.random.default_rng(7)
    sums = np.zeros((metrics.BUCKETS, models, translation.SUMS))
    for number in range(80):
        words = list(random.choice(WORDS, random.integers(4, 10)))
        for model in range(models):
            kept = words[:-1] if number % (2 + model) == 0 else words
            found = translation.sums_of_examples([" ".join(kept)], [" ".join(words)])
            sums[number % 11, model] += found[0]  # nine buckets are empty
    return sums


def test_intervals_are_the_jackknife_of_the_difference() -> None:
    sums = decoded(2)
    ours, theirs, diff = extras.measurements(
        translation.METRICS, translation.scores, sums, confidence=0.9
    )
    whole = translation.scores(sums.sum(axis=0))
    assert [ours[n].value for n in translation.METRICS] == pytest.approx(whole[0].tolist())
    assert [theirs[n].value for n in translation.METRICS] == pytest.approx(whole[1].tolist())
    without = []
    for bucket in range(11):
        rest = translation.scores(np.delete(sums, bucket, axis=0).sum(axis=0))
        without.append(rest[0, 0] - rest[1, 0])
    change = whole[0, 0] - whole[1, 0]
    variance = 10 / 11 * np.sum((np.array(without) - change) ** 2)
    half = stats.t.ppf(0.95, 10) * np.sqrt(variance)
    bleu = diff["bleu"]
    assert (bleu.value, bleu.low, bleu.high) == pytest.approx(
        (change, change - half, change + half)
    )
    assert change < 0
    assert all(0 <= m.low <= m.value <= m.high for m in (*ours.values(), *theirs.values()))


def test_no_difference_is_beyond_what_scores_can_differ_by() -> None:
    """Two groups of one example each, in which the models are right in turns."""
    sums = np.zeros((metrics.BUCKETS, 2, translation.SUMS))
    for group in range(2):
        for model in range(2):
            text = "ein roter Wagen fährt" if group == model else "am Haus vorbei und weiter"
            found = translation.sums_of_examples([text], ["ein roter Wagen fährt"])
            sums[group, model] += found[0]
    *_, diff = extras.measurements(translation.METRICS, translation.scores, sums, confidence=0.999)
    bounds = {name: (found.low, found.high) for name, found in diff.items()}
    assert bounds == {"bleu": (-100, 100), "chrf": (-100, 100), "exact_match": (-1, 1)}


def test_one_model_has_no_difference() -> None:
    ours, theirs, diff = extras.measurements(
        translation.METRICS, translation.scores, decoded(1), confidence=0.9
    )
    assert set(ours) == set(translation.METRICS)
    assert theirs == diff == {}


def test_only_all_examples_have_them() -> None:
    found = Found(decoded(2))
    overall = extras.added(REPORT, found, 0.95)
    assert overall.candidate["exact_match"].value == pytest.approx(0.5)
    assert {"x", *translation.METRICS} == set(overall.diff)
    part = extras.added(SliceReport(SliceKey("lang", "de"), REPORT.candidate), found, 0.95)
    assert part.candidate == REPORT.candidate
    assert extras.added(REPORT, Found(), 0.95) is REPORT


def test_why_nothing_was_decoded_is_said() -> None:
    found = extras.added(REPORT, Found(problem="model/7: does not load"), 0.95)
    assert found.candidate["chrf"].absent == "model/7: does not load"
    assert extras.tables(Found(problem="no"))["decoded"]["problem"] == "no"


def test_tags_and_spans() -> None:
    counts = np.zeros((metrics.BUCKETS, 1, 3))
    counts[[0, 3], 0] = [[3, 4, 5], [1, 1, 1]]
    spans = np.zeros((metrics.BUCKETS, 1, 3))
    spans[[0, 3], 0] = [[1, 2, 2], [2, 2, 3]]
    found = Found(tags={(tags.CLASS, "B-X"): counts, (tags.SPAN, "X"): spans})
    report = extras.added(SliceReport(OVERALL, {}), found, 0.95)
    assert report.candidate["tag_macro_f1"].value == pytest.approx(8 / 11)
    assert report.candidate["span_f1"].value == pytest.approx(6 / 9)
    told = extras.tables(found)["tags"]
    assert told["tokens"]["micro"]["recall"] == pytest.approx(4 / 6)
    assert told["spans"]["tags"][0]["tag"] == "X"


def test_tags_that_mark_no_spans_have_no_f1_of_spans() -> None:
    counts = np.zeros((metrics.BUCKETS, 1, 3))
    counts[[0, 3], 0] = [[3, 4, 5], [1, 1, 1]]
    report = extras.added(
        SliceReport(OVERALL, {}), Found(tags={(tags.CLASS, "NOUN"): counts}), 0.95
    )
    assert "spans need tags that are all O, B-x or I-x" in report.candidate["span_f1"].absent
    assert not report.candidate["tag_macro_f1"].absent
