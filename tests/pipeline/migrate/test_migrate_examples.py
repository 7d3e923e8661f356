"""Each example and each of the two documents: which function, which divisor, what is wrong."""

import dataclasses
import pathlib

import pytest

from pipeline.migrate import rewrite
from pipeline.migrate.sources import read

CONTRIB, ADDONS = "tf.contrib.seq2seq.", "tfa.seq2seq."
LEGACY = "tf.contrib.legacy_seq2seq."
SPARSE = "keras.losses.sparse_categorical_crossentropy"
DENSE = "keras.losses.categorical_crossentropy"
PER_EXAMPLE = "sum_t(w*loss) / (sum_t(w) + 1e-12)"
VOTES = "mean over the batch: / B, every sequence one vote, empty ones too"
LIVE_MEAN = "sum(loss) / number of unmasked tokens: contrib's sequence_loss, not by_example"
NEVER = {"no-such-name", "lists", "outside-tape", "no-variables", "constant", "mean-of-means"}
EMPTY = {"empty-mask", "boolean-only"}


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the only finding of a source must say; `then` is the last thing done with the loss."""

    function: str
    shape: str
    formula: str
    then: str
    problems: set[str]
    rewritten: bool = False


EXPECTED = {
    "name-1": Expected(
        f"{CONTRIB}sequence_loss_by_example", "[B]", PER_EXAMPLE, VOTES, NEVER | {"numpy"}, True
    ),
    "name-1-lists": Expected(
        f"{LEGACY}sequence_loss_by_example", "[B]", PER_EXAMPLE, VOTES, {"mean-of-means"}, True
    ),
    "name-1-addons": Expected(
        f"{ADDONS}sequence_loss_by_example",
        "[B]",
        PER_EXAMPLE,
        VOTES,
        {"no-such-name", "mean-of-means"},
        True,
    ),
    "name-1-graph": Expected(
        f"{CONTRIB}sequence_loss",
        "scalar",
        "sum(w*loss) / sum(w); TF 1.0 to 1.13 add 1e-12 to the divisor",
        "",
        {"numpy"},
        True,
    ),
    "name-2": Expected(
        f"{CONTRIB}sequence_loss_by_example", "[B]", PER_EXAMPLE, VOTES, NEVER, True
    ),
    "name-2-old": Expected(
        "tf.nn.seq2seq.sequence_loss_by_example",
        "[B]",
        PER_EXAMPLE,
        "the sum divided by rows",
        {"list-of-one"},
        True,
    ),
    "name-2-deep": Expected(
        f"{LEGACY}sequence_loss", "scalar", "sum(w*loss) / B", "", {"lists", "pad-id"}
    ),
    "name-2-bound": Expected(
        f"{CONTRIB}sequence_loss",
        "scalar",
        "sum(w*loss) / sum(w); TF 1.0 to 1.13 add 1e-12 to the divisor",
        "",
        {"bool-weights"},
    ),
    "name-3": Expected(
        f"{CONTRIB}sequence_loss_by_example",
        "[B]",
        PER_EXAMPLE,
        VOTES,
        NEVER | {"numpy", "scaling"},
        True,
    ),
    "name-3-sums": Expected(
        f"{LEGACY}sequence_loss_by_example",
        "[B]",
        "sum_t(w*loss), not divided",
        VOTES,
        set(),
        True,
    ),
    "name-3-class": Expected(
        f"{ADDONS}SequenceLoss",
        "scalar",
        "sum(w*loss) / count_nonzero(w)",
        "",
        {"not-a-sum"},
        True,
    ),
    "name-3-flag": Expected(
        f"{CONTRIB}sequence_loss",
        "depends",
        "depends on `by_time`: sum(w*loss) / sum(w) if True, sum_b(w*loss) / sum_b(w), not / B if"
        " False; TF 1.0 to 1.13 add 1e-12 to the divisor",
        "",
        set(),
        True,
    ),
    "hand-1": Expected(SPARSE, "[B, T]", "loss, not reduced", LIVE_MEAN, EMPTY),
    "hand-1-nested": Expected(SPARSE, "[B, T]", "loss, not reduced", LIVE_MEAN, EMPTY),
    "hand-1-loss": Expected(SPARSE, "[B, T]", "loss, not reduced", LIVE_MEAN, EMPTY | {"twice"}),
    "hand-1-times": Expected(
        "tf.nn.sparse_softmax_cross_entropy_with_logits",
        "[B, T]",
        "loss, not reduced",
        "sum(w*loss) / sum(w): contrib's sequence_loss, not by_example",
        {"empty-mask"},
    ),
    "hand-2": Expected(DENSE, "[B, T]", "loss, not reduced", LIVE_MEAN, EMPTY | {"clips"}),
    "hand-2-object": Expected(
        "keras.losses.CategoricalCrossentropy",
        "[B, T]",
        "loss, not reduced",
        "mean of all: sum(w*loss) / (B*T), pads are in the divisor",
        {"pads-count", "clips"},
    ),
    "hand-2-compile": Expected(
        DENSE,
        "scalar",
        "sum(w*loss) / (B*T): pads are in the divisor, and sample_weight is not (a Keras mask on"
        " y_pred: / number of unmasked)",
        "",
        {"pads-count", "clips"},
    ),
    "hand-2-smooth": Expected(DENSE, "[B, T]", "loss, not reduced", LIVE_MEAN, EMPTY),
    "hand-3": Expected(
        SPARSE,
        "[B, T]",
        "loss, not reduced",
        "sum(w*loss) / tf.reduce_sum(tf.cast(lengths, dtype=losses.dtype)): by the lengths, not by"
        " the weights",
        {"lengths", "empty-mask"},
    ),
    "hand-3-safe": Expected(
        SPARSE,
        "[B, T]",
        "loss, not reduced",
        "sum(w*loss) / count: by the lengths, not by the weights",
        {"lengths"},
    ),
    "hand-3-rows": Expected(
        SPARSE, "[B, T]", "loss, not reduced", VOTES, {"mean-of-means", "empty-mask"}
    ),
    "hand-3-batch": Expected(
        SPARSE,
        "[B, T]",
        "loss, not reduced",
        "the sum divided by tf.cast(tf.shape(truth)[0], tf.float32)",
        set(),
    ),
}
# The documents' six examples, in their order, and which of ours each was the model of.
DOCUMENTS = ("name-1", "name-2", "name-3", "hand-1", "hand-2", "hand-3")


def test_every_example_is_in_the_table(sources) -> None:
    assert list(sources) == list(EXPECTED)
    assert len(EXPECTED) == 24


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, found) -> None:
    (finding,) = found[name]
    expected = EXPECTED[name]
    assert finding.call.function.name == expected.function
    assert (finding.outcome.shape, finding.outcome.formula) == (expected.shape, expected.formula)
    assert (finding.then[-1][1] if finding.then else "") == expected.then
    assert {problem.code for problem in finding.problems} == expected.problems
    assert isinstance(finding.edit, rewrite.Edit) == expected.rewritten


def test_the_two_documents() -> None:
    """Where they are at hand, their examples are judged like ours, at their own lines."""
    folder = pathlib.Path(__file__).resolve().parents[4] / "shared" / "documents"
    files = sorted(str(path) for path in folder.glob("*.txt"))
    if not files:
        pytest.skip("the two documents (../shared/documents) are not on this machine")
    from pipeline.migrate.findings import examine

    sources = read(files).sources
    seen = [finding for source in sources for finding in examine(source).findings]
    assert len(seen) == len(DOCUMENTS)
    for finding, name in zip(seen, DOCUMENTS, strict=True):
        expected = EXPECTED[name]
        # Example 2 of the first document also prints `.numpy()`.
        extra = {"numpy"} if name == "name-2" else set()
        assert finding.call.function.name == expected.function
        assert finding.outcome.formula == expected.formula
        assert finding.then[-1][1].split(":")[0] in (expected.then.split(":")[0], _divisor(finding))
        assert {problem.code for problem in finding.problems} == expected.problems | extra
        line = pathlib.Path(finding.source.path).read_text().splitlines()[finding.call.line - 1]
        assert finding.call.function.name.rpartition(".")[2] in line


def _divisor(finding) -> str:
    return f"sum(w*loss) / {finding.call.uses[-1].divisor}"
