"""Slices of tokens, worst tables and samples: through Beam, against the rows themselves."""

import hashlib
import json
import math
import pathlib

import apache_beam as beam
import numpy as np
import pytest

from components.errors import InputError
from components.evaluator import metrics
from components.evaluator.evaluation import EvaluationRequest, evaluate
from components.evaluator.models import ModelError
from components.evaluator.slicing import OVERALL, SliceKey
from transform.vocabulary import Vocabularies, Vocabulary

COLUMNS = (
    "token_position",
    "token_frequency",
    "token_unknown",
    "token_region",
    "token_class",
    "grade",
)
WORDS = ("der", "Hund", "bellt", "laut", "nie", "überall")
COUNTS = (0, 7, 0, 150, 1000, 99, 9, 100, 0, 12345)  # pad unk bos eos, then the words
BINS = 15


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def vocabulary(folder):
    side = Vocabulary(tuple(word.encode() for word in WORDS), counts=COUNTS)
    Vocabularies({"target": side}, "").write(str(folder / "vocabulary"))
    return str(folder / "vocabulary")


@pytest.fixture(scope="module")
def rows(make_row):
    rng = np.random.default_rng(11)
    made = []
    for index in range(120):
        size = int(rng.integers(0, 40))
        made.append(
            make_row(
                losses=tuple(rng.exponential(2.0, size).astype(np.float32).tolist()),
                weights=tuple(rng.choice([0.0, 0.3, 1.0, 2.0], size).tolist()),
                correct=tuple(rng.integers(0, 2, size).tolist()),
                sure=tuple(rng.uniform(0, 1, size).astype(np.float32).tolist()),
                ids=tuple(rng.integers(1, 10, size).tolist()),
                grade=index % 3,
            )
        )
    return made


@pytest.fixture(scope="module")
def model(folder, make_model):
    return make_model(folder / "model")


@pytest.fixture(scope="module")
def worse(folder, make_model):
    return make_model(folder / "worse", scale=1.25)


@pytest.fixture(scope="module")
def examples(folder, rows, make_examples):
    """Two files of unequal size."""
    for name, part in {"a": rows[:17], "b": rows[17:]}.items():
        make_examples(folder / "examples" / f"{name}.gz", part)
    return str(folder / "examples" / "*.gz")


@pytest.fixture(scope="module")
def request_of(folder, examples, model, worse, vocabulary):
    def make(output, **changes):
        settings = {
            "example_patterns": (examples,),
            "candidate": model,
            "baseline": worse,
            "slices": COLUMNS,
            "batch_size": 16,
            "vocabulary": vocabulary,
            "worst_min_tokens": 12,
            "output": str(output),
        }
        return EvaluationRequest(**settings | changes)

    return make


def in_process(*arguments):
    return lambda: beam.Pipeline(argv=["--runner=FnApiRunner", *arguments])


@pytest.fixture(scope="module")
def evaluated(folder, request_of):
    output = folder / "evaluated"
    return evaluate(request_of(output), in_process()), records(output)


def records(output):
    return json.loads((pathlib.Path(output) / "sums.json").read_text())


def tokens(rows):
    """(key, w, l, correct, sure, example) of each token with weight, once for each column."""
    frequency = {1: "unknown", 2: "0", 3: "100-999", 4: "1000-9999", 5: "10-99"}
    frequency |= {6: "1-9", 7: "100-999", 8: "0", 9: "10000+"}
    texts = ["<pad>", "<unk>", "<bos>", "<eos>", *WORDS]
    for number, row in enumerate(rows):
        for place, (loss, weight, correct, sure, word) in enumerate(
            zip(row.losses, row.weights, row.correct, row.sure, row.ids, strict=True), 1
        ):
            if weight:
                limits = [(4, "1-4"), (8, "5-8"), (16, "9-16"), (32, "17-32"), (64, "33-64")]
                position = next(label for limit, label in limits if place <= limit)
                for key in (
                    OVERALL,
                    SliceKey("token_position", position),
                    SliceKey("token_frequency", frequency[word]),
                    SliceKey("token_unknown", "unknown" if word == 1 else "known"),
                    SliceKey("token_region", "target"),
                    SliceKey("token_class", texts[word]),
                ):
                    # As the model knows them: float32.
                    yield key, float(np.float32(weight)), loss, correct, sure, number


def expected(rows, scale=1.0):
    found = {}
    for key, weight, loss, correct, sure, number in tokens(rows):
        sums = found.setdefault(key, [0.0, 0.0, 0.0, 0, np.zeros(BINS), set()])
        sums[0] += weight
        sums[1] += scale * weight * loss
        sums[2] += weight * correct
        sums[3] += 1
        sums[4][min(int(sure * BINS), BINS - 1)] += weight * (sure - correct)
        sums[5].add(number)
    return {
        key: {
            "masked_token_loss": loss / weight,
            "perplexity": math.exp(loss / weight),
            "token_accuracy": correct / weight,
            "calibration": np.abs(bins).sum() / weight,
            "token_count": count,
            "token_weight": weight,
            "example_count": len(members),
        }
        for key, (weight, loss, correct, count, bins, members) in found.items()
    }


def test_every_slice_of_tokens_equals_the_oracle(evaluated, rows):
    reports = {report.key: report for report in evaluated[0].reports}
    for side, scale in (("candidate", 1.0), ("baseline", 1.25)):
        wanted = expected(rows, scale)
        of_tokens = {key for key in reports if key.is_of_tokens}
        assert of_tokens == wanted.keys() - {OVERALL}
        for key in of_tokens:
            measured = getattr(reports[key], side)
            got = {name: item.value for name, item in measured.items() if not item.absent}
            assert got == pytest.approx(wanted[key], rel=1e-7), (side, key)
        overall = getattr(reports[OVERALL], side)
        assert overall["calibration"].value == pytest.approx(
            wanted[OVERALL]["calibration"], rel=1e-7
        )
    diff = reports[SliceKey("token_unknown", "unknown")].diff["masked_token_loss"]
    assert diff.low < diff.value < diff.high < 0
    order = [key.value for key in reports if key.column == "token_frequency"]
    assert order == ["0", "1-9", "10-99", "100-999", "1000-9999", "10000+", "unknown"]


ADDITIVE = ("loss_sum", "weight_sum", "token_count", "correct_sum", "calibration_confidence_3")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", ADDITIVE)
def test_slices_add_up_to_all_tokens_to_the_bit(evaluated, column, name):
    sums = {(r[0], r[1]): np.array(r[2]) for r in evaluated[1] if len(r) == 3}
    place = metrics.SUMS.index(name)
    parts = [value for (found, _), value in sums.items() if found == column]
    assert len(parts) > 1 or column == "token_region"
    whole = sums["", ""][..., place]  # [G, M]
    assert whole.any()
    assert (sum(part[..., place] for part in parts) == whole).all()


@pytest.mark.parametrize(
    ("batch_size", "arguments"),
    [
        (7, ()),
        (64, ("--direct_num_workers=2", "--direct_running_mode=multi_threading")),
    ],
)
def test_batches_and_workers_change_no_bit(tmp_path, evaluated, request_of, batch_size, arguments):
    again = evaluate(request_of(tmp_path, batch_size=batch_size), in_process(*arguments))
    assert again.reports == evaluated[0].reports or _same(again.reports, evaluated[0].reports)
    assert again.tables == evaluated[0].tables
    key = str
    assert sorted(records(tmp_path), key=key) == sorted(evaluated[1], key=key)


def _same(ours, theirs):
    """As ==, but NaN is equal to itself."""
    return repr(ours) == repr(theirs)


def test_the_worst_examples(evaluated, rows):
    losses = {}
    for key, weight, loss, *_, number in tokens(rows):
        if key == OVERALL:
            sums = losses.setdefault(number, [0.0, 0.0, 0])
            losses[number] = [sums[0] + weight * loss, sums[1] + weight, sums[2] + 1]
    names = [hashlib.blake2b(row.serialize(), digest_size=16).hexdigest() for row in rows]
    by_mean = sorted(
        (-loss / weight, names[number])
        for number, (loss, weight, count) in losses.items()
        if count >= 12
    )
    by_sum = sorted((-loss, names[number]) for number, (loss, _, _) in losses.items())
    tables = evaluated[0].tables
    assert [row["key"] for row in tables["by_loss"]] == [name for _, name in by_mean[:20]]
    assert [row["key"] for row in tables["by_loss_sum"]] == [name for _, name in by_sum[:20]]
    first = tables["by_loss"][0]
    assert first["loss"] == pytest.approx(-by_mean[0][0], rel=1e-7)
    assert first["tokens"] == losses[names.index(first["key"])][2]
    # Shorter ones would have been first.
    assert any(
        count < 12 and loss / weight > first["loss"] for loss, weight, count in losses.values()
    )


def test_the_worst_tokens(evaluated, rows):
    wanted = expected(rows)
    found = evaluated[0].tables["tokens"]
    assert {row["token"] for row in found} == {
        key.value for key in wanted if key.column == "token_class"
    }
    assert [row["loss_sum"] for row in found] == sorted(r["loss_sum"] for r in found)[::-1]
    for row in found:
        of = wanted[SliceKey("token_class", row["token"])]
        assert (row["count"], row["weight"]) == pytest.approx(
            (of["token_count"], of["token_weight"])
        )
        assert row["loss"] == pytest.approx(of["masked_token_loss"], rel=1e-7)
        assert row["loss_sum"] == pytest.approx(row["loss"] * row["weight"])


def test_the_samples_are_those_with_the_smallest_hash(evaluated, rows):
    weighted = {
        hashlib.blake2b(row.serialize(), digest_size=16).hexdigest(): row
        for row in rows
        if any(row.weights)
    }
    found = evaluated[0].tables["samples"]
    assert [sample["key"] for sample in found] == sorted(weighted)[:8]
    row, sample = weighted[found[0]["key"]], found[0]
    texts = ["<pad>", "<unk>", "<bos>", "<eos>", *WORDS]
    assert sample["tokens"] == [texts[number] for number in row.ids]
    assert sample["losses"] == list(row.losses)
    assert sample["weights"] == pytest.approx(row.weights, rel=1e-7)


def test_tokens_without_values_by_position_have_no_baseline(tmp_path, request_of, make_model):
    other = make_model(tmp_path / "other", drop=("position_loss",))
    evaluation = evaluate(request_of(tmp_path / "out", baseline=other), in_process())
    reports = {report.key: report for report in evaluation.reports}
    assert evaluation.verdict.baseline.status == "used"
    reason = "the baseline's score gives no values by position"
    for key, report in reports.items():
        absent = report.diff["masked_token_loss"].absent
        assert absent == (reason if key.is_of_tokens else "")
    assert not reports[SliceKey("token_unknown", "known")].candidate["calibration"].absent


def test_a_baseline_of_other_tokens_is_not_compared(tmp_path, request_of, make_model):
    other = make_model(tmp_path / "other", shift=True)
    evaluation = evaluate(request_of(tmp_path / "out", baseline=other), in_process())
    baseline = evaluation.verdict.baseline
    assert baseline.status == "unusable"
    assert baseline.problem.startswith("the baseline scores other tokens: ")
    assert not any(report.diff for report in evaluation.reports)


def test_a_non_finite_token_is_told_in_its_slices(
    tmp_path, make_row, model, make_examples, request_of
):
    bad = make_row((math.nan, 1.0), (1.0, 1.0), (1, 1), sure=(0.5, 0.5), ids=(4, 5))
    poison = make_row((2.0, math.nan), (1.0, 0.0), (1, 1), sure=(0.5, math.nan), ids=(6, 7))
    path = make_examples(tmp_path / "x.gz", [bad, poison])
    request = request_of(tmp_path / "out", example_patterns=(path,), baseline=None)
    evaluation = evaluate(request, in_process())
    assert not evaluation.verdict.blessed
    reports = {report.key: report.candidate for report in evaluation.reports}
    classes = {key.value: m for key, m in reports.items() if key.column == "token_class"}
    assert classes["der"]["masked_token_loss"].absent == "1 example has a NaN or infinite score"
    assert classes["Hund"]["masked_token_loss"].value == 1.0
    assert classes["bellt"]["masked_token_loss"].value == 2.0
    assert "laut" not in classes
    assert [row["loss"] for row in evaluation.tables["by_loss_sum"]] == [2.0]
    assert [row["token"] for row in evaluation.tables["tokens"]] == ["bellt", "Hund"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vocabulary": ""}, InputError, "slices: 'token_frequency' needs a vocabulary, got none"),
        ({"candidate": "dropped"}, ModelError, r"lacks the output\(s\) position_weight"),
        ({"vocabulary": "small"}, InputError, "got the target id 9, expected one of the 9"),
        (
            {"vocabulary": "uncounted"},
            InputError,
            "'token_frequency' needs a vocabulary with counts",
        ),
        ({"candidate": "foreign"}, InputError, "has the hash .*, expected that of the model, 0123"),
    ],
)
def test_slices_of_tokens_that_cannot_be(tmp_path, request_of, make_model, changes, error, message):
    if changes.get("candidate") == "dropped":
        changes = {"candidate": make_model(tmp_path / "m", drop=("position_weight",))}
    if changes.get("candidate") == "foreign":
        model = make_model(tmp_path / "m")
        (pathlib.Path(model) / "assets.extra").mkdir()
        facts = pathlib.Path(model) / "assets.extra" / "tokenline.json"
        facts.write_text('{"vocabulary_hash": "0123456789abcdef"}')
        changes = {"candidate": model}
    if changes.get("vocabulary"):
        counts = COUNTS[:9] if changes["vocabulary"] == "small" else ()
        side = Vocabulary(tuple(word.encode() for word in WORDS[:5]), counts=counts)
        Vocabularies({"target": side}, "").write(str(tmp_path / "vocabulary"))
        changes = {"vocabulary": str(tmp_path / "vocabulary")}
    with pytest.raises(error, match=message):
        evaluate(request_of(tmp_path / "out", **changes), in_process())


def test_tags_are_counted_over_all_examples(tmp_path, rows, request_of, make_model):
    tagger = make_model(tmp_path / "tagger", task="tagging")
    request = request_of(tmp_path / "out", candidate=tagger, baseline=None, batch_size=9)
    evaluation = evaluate(request, in_process())
    found = evaluation.of_task["tags"]
    counts = {
        row["tag"]: (row["right"], row["predicted"], row["actual"])
        for row in found["tokens"]["tags"]
    }

    def total(wanted: int, *, right: bool = False) -> float:
        return sum(
            w
            for row in rows
            for i, w, c in zip(row.ids, row.weights, row.correct, strict=True)
            if i == wanted and (c or not right)
        )

    fours, fives = total(4), total(5)
    assert counts["der"] == pytest.approx((total(4, right=True), fours + fives, fours))
    assert counts["Hund"] == pytest.approx((0, 0, fives))
    assert counts["<eos>"] == pytest.approx((total(3, right=True), total(3), total(3)))
    assert found["spans"] is None
    whole = evaluation.reports[0].candidate
    assert found["tokens"]["micro"]["recall"] == pytest.approx(whole["token_accuracy"].value)
    assert whole["tag_macro_f1"].value == pytest.approx(found["tokens"]["macro_f1"])


def test_a_tagger_that_does_not_say_what_it_predicts_has_no_tags(tmp_path, request_of, make_model):
    tagger = pathlib.Path(make_model(tmp_path / "tagger"))
    (tagger / "assets.extra").mkdir()
    (tagger / "assets.extra" / "tokenline.json").write_text('{"task": "tagging"}')
    request = request_of(tmp_path / "b", candidate=str(tagger), baseline=None)
    evaluation = evaluate(request, in_process())
    assert evaluation.of_task == {}
    assert "tag_macro_f1" not in evaluation.reports[0].candidate


def test_weights_that_add_up_to_their_number_are_not_all_1(
    tmp_path, make_row, make_examples, request_of
):
    row = make_row((2.0, 1.0), (0.5, 1.5), (1, 1), sure=(0.5, 0.5), ids=(4, 5))
    path = make_examples(tmp_path / "x.gz", [row])
    request = request_of(tmp_path / "out", example_patterns=(path,), baseline=None)
    (whole, *_) = evaluate(request, in_process()).reports
    assert whole.candidate["bits_per_byte"].absent == "weights are not all 1"


def test_a_loss_that_is_not_finite_at_weight_0_is_null_in_the_samples(
    tmp_path, make_row, make_examples, request_of
):
    row = make_row((2.0, math.nan), (1.0, 0.0), (1, 1), sure=(0.5, 0.5), ids=(6, 7))
    path = make_examples(tmp_path / "x.gz", [row])
    request = request_of(tmp_path / "out", example_patterns=(path,), baseline=None)
    evaluation = evaluate(request, in_process())
    assert evaluation.verdict.blessed
    (sample,) = evaluation.tables["samples"]
    assert sample["losses"] == [2.0, None]
