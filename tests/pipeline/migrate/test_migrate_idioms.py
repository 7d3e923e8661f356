"""Losses reduced by hand: what is printed is what running the source gives."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import compat, sequence_loss
from pipeline.migrate.command import shown

IMPORT = "import tensorflow as tf\n"
RANDOM = np.random.default_rng(11)
DATA = {
    "x": tf.constant(RANDOM.normal(size=(3, 4, 5)) * 3, tf.float32),
    "y": tf.constant(RANDOM.integers(5, size=(3, 4)), tf.int32),
    "m": tf.sequence_mask([4, 2, 1], 4),
    "w": tf.constant([[0.5, 2.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.25, 0.0]]),
}
SPARSE = "tf.keras.losses.sparse_categorical_crossentropy"
OBJECT = "tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True"
SOFTMAX = "tf.nn.sparse_softmax_cross_entropy_with_logits"


def both(body: str, code: str) -> tuple[np.ndarray, np.ndarray]:
    """The value of `loss` at the end of a source, and of a printed line."""
    names = {"tf": tf, "compat": compat, "sequence_loss": sequence_loss, **DATA}
    exec(body, names)
    return np.asarray(names["loss"]), np.asarray(eval(code, names))


@pytest.mark.parametrize(
    "body",
    [
        f"l = {SPARSE}(tf.boolean_mask(y, m), tf.boolean_mask(x, m), from_logits=True)\n"
        "loss = tf.reduce_mean(l)",
        "keep = tf.where(y != 0)\nm = y != 0\n"
        f"l = {SPARSE}(tf.gather_nd(y, keep), tf.gather_nd(x, keep), from_logits=True)\n"
        "loss = tf.reduce_mean(l)",
        f"a = tf.boolean_mask(y, m)\nb = tf.boolean_mask(x, m)\n"
        f"loss = tf.reduce_mean({SOFTMAX}(labels=a, logits=b))",
        f"ce = {OBJECT}, reduction='none')\n"
        "loss = tf.reduce_mean(ce(tf.boolean_mask(y, m), tf.boolean_mask(x, m)))",
        f"a = tf.boolean_mask(y, m)\nb = tf.boolean_mask(x, m)\n"
        f"loss = tf.reduce_sum({SOFTMAX}(labels=a, logits=b)) / tf.reduce_sum(tf.cast(m, tf.float32))",
    ],
)
def test_masked_before_the_cross_entropy_is_the_token_mean(body: str, findings) -> None:
    (finding,) = findings(IMPORT + body)
    assert finding.outcome.shape == "[n]"
    assert not {problem.code for problem in finding.problems} & {"pads-count", "flattened"}
    assert 'reduction="token_mean"' in finding.ours.same.code
    np.testing.assert_allclose(*both(body, finding.ours.same.code), rtol=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        # HuggingFace's: flattened first, then masked, and not reduced
        "keep = tf.reshape(y, (-1,)) != 0\nb = tf.boolean_mask(tf.reshape(x, (-1, 5)), keep)\n"
        "a = tf.boolean_mask(tf.reshape(y, (-1,)), keep)\n"
        f"ce = {OBJECT}, reduction=tf.keras.losses.Reduction.NONE)\nce(a, b)",
        # two masks; one of them; a mask of rows; the name is another tensor by then
        f"{SOFTMAX}(labels=tf.boolean_mask(y, m), logits=tf.boolean_mask(x, n))",
        f"{SOFTMAX}(labels=y, logits=tf.boolean_mask(x, m))",
        f"{SOFTMAX}(labels=tf.boolean_mask(y, m, axis=1), logits=tf.boolean_mask(x, m, axis=1))",
        f"x = tf.boolean_mask(x, m)\n{SOFTMAX}(labels=tf.boolean_mask(y, m), logits=x)",
        f"a = tf.boolean_mask(y, m)\ny = other(y)\n"
        f"tf.reduce_mean({SOFTMAX}(labels=a, logits=tf.boolean_mask(x, m)))",
    ],
)
def test_picked_tokens_whose_tensors_cannot_be_named_have_no_line(body: str, findings) -> None:
    (finding,) = findings(IMPORT + body)
    assert finding.outcome.formula == "loss of the n tokens that the mask picked, not reduced"
    assert finding.ours.same is None
    assert finding.ours.better is None


def test_a_loss_object_that_gets_masked_tokens_divides_by_their_number(findings) -> None:
    text = f"{OBJECT})(tf.boolean_mask(y, m), tf.boolean_mask(x, m))"
    (finding,) = findings(IMPORT + text)
    assert "number of unmasked tokens" in finding.outcome.formula
    assert finding.problems == []
    (whole,) = findings(IMPORT + f"{OBJECT})(y, x)")
    assert "(B*T)" in whole.outcome.formula


CONTRIB = "tf.contrib.seq2seq.sequence_loss"
LEGACY = "tf.contrib.legacy_seq2seq.sequence_loss"
STEPS = "tf.unstack(x, axis=1), tf.unstack(y, axis=1), tf.unstack(w, axis=1)"


@pytest.mark.parametrize(
    ("call", "code", "better"),
    [
        (f"{CONTRIB}()", "arguments", False),
        (f"{CONTRIB}(x, y)", "arguments", False),
        (f"{LEGACY}(xs, ys)", "arguments", False),
        (f"{LEGACY}_by_example(xs, weights=ws)", "arguments", False),
        (f"{CONTRIB}({STEPS})", "not-tensors", True),
        (f"{CONTRIB}(x, y, [w1, w2])", "not-tensors", None),
        (f"{CONTRIB}(tf.reshape(x, [-1, 5]), y, w)", "rank", False),
        (f"{CONTRIB}(x, tf.reshape(y, [-1]), w)", "rank", False),
        (f"{CONTRIB}(x, tf.one_hot(y, 5), w)", "one-hot", True),
        (f"{CONTRIB}(x, y, tf.sequence_mask(n, 4, dtype=tf.int32))", "int-weights", True),
        (f"{CONTRIB}(x, y, tf.ones([3, 4], tf.int32))", "int-weights", True),
        (
            f"{CONTRIB}(x, y, tf.constant([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]))",
            "int-weights",
            True,
        ),
        (f"{CONTRIB}(x, y, 1.0)", "number-weights", True),
        (f"{CONTRIB}(x, y, weights=0.5)", "number-weights", False),
        (f"{LEGACY}(xs, ys, 1)", "number-weights", None),
        ("tfa.seq2seq.sequence_loss(x, tf.reshape(y, [-1]), w)", "rank", False),
    ],
)
def test_calls_that_raise_are_not_rewritten(
    call: str, code: str, better: bool | None, findings
) -> None:
    (finding,) = findings(IMPORT + "import tensorflow_addons as tfa\n" + call)
    assert [problem.code for problem in finding.problems if problem.stops] == [code]
    assert finding.ours.same is None
    assert isinstance(finding.edit, str)
    assert "  result none, it raises; meant: " in "\n".join(shown(finding))
    if better is not None:
        assert (finding.ours.better is not None) == better
    if better:
        names = {"tf": tf, "sequence_loss": sequence_loss, "n": [4, 2, 1], **DATA}
        assert eval(finding.ours.better.code, names) > 0


@pytest.mark.parametrize(
    "call",
    [
        f"{CONTRIB}(x, y, tf.cast(tf.sequence_mask(n, 4), x.dtype))",
        f"{CONTRIB}(x, y, tf.sequence_mask(n, 4, dtype=x.dtype))",
        f"{CONTRIB}(x, y, tf.cast([[1, 1]], tf.float32))",
        f"{CONTRIB}(tf.reshape(x, [3, 4, 5]), tf.reshape(y, shape), tf.ones([3, 4]))",
        f"{CONTRIB}(tf.constant([a, b]), y, w)",
        f"{CONTRIB}(tf.zeros([*shape, 5]), y, w)",
        f"{CONTRIB}(*everything)",
        "tfa.seq2seq.sequence_loss(x, tf.one_hot(y, 5), w)",
        f"{LEGACY}({STEPS})",
    ],
)
def test_calls_that_may_run_are_not_stopped(call: str, findings) -> None:
    (finding,) = findings(IMPORT + "import tensorflow_addons as tfa\n" + call)
    assert not any(problem.stops for problem in finding.problems)
    assert not isinstance(finding.edit, str)


V1 = "tf.compat.v1.losses"
TOKENS = f"e = {SOFTMAX}(labels=y, logits=x)\n"
MASK = "m = tf.cast(m, tf.float32)\n"
REDUCTIONS = {
    "": "nonzero_mean",
    f", reduction={V1}.Reduction.SUM_BY_NONZERO_WEIGHTS": "nonzero_mean",
    f", reduction={V1}.Reduction.MEAN": "token_mean",
    f", reduction={V1}.Reduction.SUM": "token_sum",
    ", reduction='none'": "none",
}


@pytest.mark.parametrize(("option", "reduction"), REDUCTIONS.items())
@pytest.mark.parametrize(
    "start",
    [
        f"{V1}.sparse_softmax_cross_entropy(y, x, w",
        f"{V1}.softmax_cross_entropy(tf.one_hot(y, 5), x, weights=w, label_smoothing=0.1",
    ],
)
def test_weighted_losses_of_tensorflow_1(start: str, option: str, reduction: str, findings) -> None:
    body = f"loss = {start}{option})"
    (finding,) = findings(IMPORT + body)
    assert finding.outcome.reduction == reduction
    assert finding.edit == "compat has no tf.losses"
    np.testing.assert_allclose(*both(body, finding.ours.same.code), rtol=1e-5)
    (same,) = findings(IMPORT + body.replace("compat.v1.", ""))
    assert same.ours == finding.ours


@pytest.mark.parametrize(
    "body",
    [
        *(f"loss = {V1}.compute_weighted_loss(e, w{o})" for o in list(REDUCTIONS)[:4]),
        f"loss = {V1}.compute_weighted_loss(e * w)",
        "loss = tf.reduce_sum(e * w, axis=0) / tf.reduce_sum(w, axis=0)",
        MASK + "loss = tf.reduce_sum(e * m, axis=0) / tf.reduce_sum(m, axis=0)",
        MASK + "loss = tf.reduce_sum(e * m, 0) / tf.reduce_sum(m)",
    ],
)
def test_token_losses_reduced_by_hand(body: str, findings) -> None:
    (finding,) = findings(IMPORT + TOKENS + body)
    assert finding.then
    if finding.ours.same is None:
        assert finding.ours.none == "nothing of ours reduces so"
    else:
        np.testing.assert_allclose(*both(TOKENS + body, finding.ours.same.code), rtol=1e-5)


def test_a_weighted_loss_without_weights_is_any_classifiers(findings) -> None:
    for arguments in ("y, x", "y, x, 1.0", "y, tf.reshape(x, [-1, 5]), w"):
        assert findings(IMPORT + f"tf.losses.sparse_softmax_cross_entropy({arguments})") == []
    (finding,) = findings(IMPORT + "tf.losses.softmax_cross_entropy(y, x, w, reduction=how)")
    assert finding.outcome.formula == "depends on `how`"
    assert finding.ours.same is None


@pytest.mark.parametrize(
    "text",
    [
        "model.compile('adam', 'SparseCategoricalCrossentropy')",
        "model.compile('adam', 'sparse_categorical_crossentropy', ['acc'])",
        "LOSS = 'categorical_crossentropy'\ndef f(model):\n    model.compile('adam', loss=LOSS)",
        "import keras\nmodel.compile('adam', keras.losses.get('sparse_categorical_crossentropy'))",
        "from tensorflow.keras import losses\nmodel.compile(loss=losses.get('CategoricalCrossentropy'))",
        "import keras\nf = keras.losses.get('CategoricalCrossentropy')\nmodel.compile('adam', f)",
        "import keras\nf = keras.losses.get('categorical_crossentropy')\nmodel.compile(loss=f)",
        "import tensorflow as tf\nmodel.compile('adam', tf.losses.SparseCategoricalCrossentropy())",
        "import tensorflow as tf\nmodel.compile('adam', tf.losses.categorical_crossentropy)",
    ],
)
def test_a_keras_loss_under_its_other_names(text: str, findings) -> None:
    (finding,) = findings(text)
    assert "(B*T)" in finding.outcome.formula
    assert "clips" in {problem.code for problem in finding.problems}


def test_strings_that_name_no_loss(findings) -> None:
    assert findings("import re\nre.compile('a', 'SparseCategoricalCrossentropy_')") == []
    text = "LOSS = 'categorical_crossentropy'\nif a:\n    LOSS = 'mse'\nmodel.compile(loss=LOSS)"
    assert findings(text) == []


@pytest.mark.parametrize(
    ("body", "reduction", "codes"),
    [
        ("loss = tf.reduce_mean(e * w) / tf.reduce_mean(w)", "token_mean", {"empty-mask"}),
        ("loss = tf.reduce_mean(e * w) / (tf.reduce_mean(w) + 1e-9)", "token_mean", set()),
        (
            "loss = tf.reduce_mean(e * w, axis=1) / tf.reduce_mean(w, axis=1)",
            "per_example",
            {"empty-mask"},
        ),
        ("w = w / tf.reduce_sum(w)\nloss = tf.reduce_sum(e * w)", "token_mean", {"empty-mask"}),
        ("w /= tf.reduce_sum(w)\nloss = tf.reduce_sum(w * e)", "token_mean", {"empty-mask"}),
        (
            "n = tf.math.divide_no_nan(w, tf.reduce_sum(w))\nloss = tf.reduce_sum(e * n)",
            "token_mean",
            set(),
        ),
        (
            "w = w / tf.reduce_sum(w, axis=1, keepdims=True)\nloss = tf.reduce_sum(e * w, axis=1)",
            "per_example",
            {"empty-mask"},
        ),
        # what is none of these
        ("loss = tf.reduce_mean(e * w) / tf.reduce_mean(v)", None, {"pads-count"}),
        ("loss = tf.reduce_mean(e * w) / tf.reduce_mean(w, axis=1)", None, {"pads-count"}),
        ("v = v / tf.reduce_sum(w)\nloss = tf.reduce_sum(e * v)", "token_sum", set()),
        (
            "w = w / tf.reduce_sum(w)\nloss = tf.reduce_sum(e * w) * 3",
            None,
            {"empty-mask"},
        ),
    ],
)
def test_divided_by_the_weights_in_another_order(
    body: str, reduction: str | None, codes: set[str], findings
) -> None:
    (finding,) = findings(IMPORT + TOKENS + body)
    assert {problem.code for problem in finding.problems} == codes
    if reduction is None:
        assert finding.ours.same is None
        return
    assert f'reduction="{reduction}"' in finding.ours.same.code
    if "v" not in body.split("tf")[0]:
        np.testing.assert_allclose(*both(TOKENS + body, finding.ours.same.code), rtol=1e-5)


@pytest.mark.parametrize(
    "logits", ["x * w[..., None]", "w[:, :, tf.newaxis] * x", "x * w[:, :, None]"]
)
@pytest.mark.parametrize(
    "call", [f"{SPARSE}(y, {{}}, from_logits=True)", f"{SOFTMAX}(labels=y, logits={{}})"]
)
def test_a_mask_times_the_logits_masks_nothing(call: str, logits: str, findings) -> None:
    (finding,) = findings(IMPORT + f"e = {call.format(logits)}\ntf.reduce_mean(e)")
    assert "masked-logits" in {problem.code for problem in finding.problems}
    assert finding.ours.same is None
    assert finding.ours.better.code == 'sequence_loss(x, y, w, reduction="token_mean")'
    assert findings(IMPORT + f"{SOFTMAX}(labels=y, logits=x * scale)") == []
