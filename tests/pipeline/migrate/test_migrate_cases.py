"""What is found under which name, what is not, and what is said where the source does not decide."""

import pytest

from pipeline.migrate import rewrite

CONTRIB = "tf.contrib.seq2seq.sequence_loss"
NEVER = "tf.contrib.seq2seq.sequence_loss_by_example"
BY_EXAMPLE = "tf.contrib.legacy_seq2seq.sequence_loss_by_example"
ADDONS = "tfa.seq2seq.sequence_loss"


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("import tensorflow\ntensorflow.contrib.seq2seq.sequence_loss(x, y, w)", CONTRIB),
        ("import tensorflow.contrib.seq2seq\ntensorflow.contrib.seq2seq.sequence_loss(x)", CONTRIB),
        ("import tensorflow.contrib as c\nc.seq2seq.sequence_loss(x, y, w)", CONTRIB),
        ("from tensorflow import contrib\ncontrib.seq2seq.sequence_loss(x, y, w)", CONTRIB),
        ("from tensorflow.compat import v1 as tf\ntf.contrib.seq2seq.sequence_loss(x)", CONTRIB),
        (
            "from tensorflow.contrib.seq2seq.python.ops import loss\nloss.sequence_loss(x, y, w)",
            CONTRIB,
        ),
        ("from tensorflow.contrib.seq2seq import *\nsequence_loss(x, y, w)", CONTRIB),
        (
            "from tensorflow.contrib.legacy_seq2seq.python.ops import seq2seq as s\n"
            "s.sequence_loss_by_example(x, y, w)",
            BY_EXAMPLE,
        ),
        (
            "import tensorflow as tf\nlib = tf.contrib.legacy_seq2seq\n"
            "def f(x, y, w):\n    g = lib.sequence_loss_by_example\n    return g(x, y, w)",
            BY_EXAMPLE,
        ),
        (
            "try:\n    import tensorflow.compat.v1 as tf\nexcept ImportError:\n"
            "    import tensorflow as tf\ntf.contrib.seq2seq.sequence_loss(x, y, w)",
            CONTRIB,
        ),
        ("from tensorflow_addons.seq2seq.loss import sequence_loss as f\nf(x, y, w)", ADDONS),
        (
            "try:\n    from tensorflow_addons.seq2seq import sequence_loss\nexcept ImportError:\n"
            "    sequence_loss = None\nsequence_loss(x, y, w)",
            ADDONS,
        ),
        ("import tensorflow_addons as tfa\nrun(tfa.seq2seq.sequence_loss)", ADDONS),
        (
            "import functools\nimport tensorflow_addons as tfa\n"
            "f = functools.partial(tfa.seq2seq.sequence_loss, average_across_batch=False)",
            ADDONS,
        ),
        ("import tensorflow as tf\ntf.nn.seq2seq.model_with_buckets(a, b, c, d, e, f)", None),
        (
            "import tensorflow as tf\nx = [tf.contrib.seq2seq.sequence_loss(a, b, c) for a in d]",
            CONTRIB,
        ),
        ("import tensorflow as tf\nprint(f'{tf.contrib.seq2seq.sequence_loss(a, b, c)}')", CONTRIB),
        (
            "import tensorflow as tf\nf = lambda a: tf.contrib.seq2seq.sequence_loss(a, b, c)",
            CONTRIB,
        ),
        (
            "import tensorflow as tf\nclass A:\n    async def f(self):\n        for a in b:\n"
            "            if a:\n                return tf.contrib.seq2seq.sequence_loss(a, b, c)",
            CONTRIB,
        ),
    ],
)
def test_one_function_under_many_names(text: str, function: str | None, findings) -> None:
    (finding,) = findings(text)
    assert finding.call.function.name == (function or "tf.nn.seq2seq.model_with_buckets")


@pytest.mark.parametrize(
    "text",
    [
        "from mine import seq2seq\nseq2seq.sequence_loss(x, y, w)",
        "def sequence_loss_by_example(x, y, w):\n    return x\nsequence_loss_by_example(1, 2, 3)",
        "# tf.contrib.seq2seq.sequence_loss(x, y, w)\nprint('tf.contrib.seq2seq.sequence_loss(x)')",
        "import tensorflow as tf\ndef f(tf):\n    return tf.contrib.seq2seq.sequence_loss(x, y, w)",
        "import mine as tf\ntf.contrib.seq2seq.sequence_loss(x, y, w)",
        "from components.sequence_loss import compat\ncompat.contrib_sequence_loss(x, y, w)",
        "import re\nre.compile(pattern, loss='nothing')",
        # classification: [B, C]
        "import tensorflow as tf\np = tf.random.normal((32, 10))\n"
        "tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(y, p))",
        "import tensorflow as tf\nx = tf.nn.softmax_cross_entropy_with_logits(labels=a, logits=b)\n"
        "y = tf.reduce_mean(x)",
        "model.compile(loss='mse')",
        "",
    ],
)
def test_what_is_none_of_them(text: str, findings) -> None:
    assert findings(text) == []


def test_a_keras_loss_of_unknown_rank_is_told_with_an_if(findings) -> None:
    (finding,) = findings("model.compile('adam', loss={'a': 'sparse_categorical_crossentropy'})")
    assert "if y_pred is [B, T, V]" in finding.call.function.truth
    assert finding.edit == "Keras's loss gives another number"


@pytest.mark.parametrize(
    ("arguments", "formula"),
    [
        ("x, y, w, **options", "depends on `**options`"),
        ("*everything", "depends on `*everything`"),
        ("x, y, w, not train", "depends on `not train`: sum(w*loss) / sum(w) if True"),
        ("x, y, w, a, b", "depends on `a`, `b`"),
        ("x, y, w, a, a", "depends on `a`: sum(w*loss) / sum(w) if True, w*loss, not reduced if"),
        ("x, y, w, True, True, softmax_loss_function=f", "sum(w*loss) / sum(w)"),
        ("x, y, w, 1, 0", "sum_t(w*loss) / sum_t(w)"),
    ],
)
def test_flags_that_the_source_does_not_decide(arguments: str, formula: str, findings) -> None:
    (finding,) = findings(
        f"import tensorflow_addons as tfa\ntfa.seq2seq.sequence_loss({arguments})"
    )
    assert finding.outcome.formula.startswith(formula)
    if finding.outcome.unknown:
        assert finding.ours.better is None
    assert finding.ours.same.code == f"compat.addons_sequence_loss({arguments})"


TF = "import tensorflow as tf\nimport tensorflow_addons as tfa\n"
SPARSE = "losses = tf.keras.losses.sparse_categorical_crossentropy(y, x, from_logits=True)\n"


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("tf.contrib.seq2seq.sequence_loss(x, y, None)", {"weights-none"}),
        ("tf.contrib.seq2seq.sequence_loss(x, y, w, sum_over_batch=True)", {"flags"}),
        (
            "tf.contrib.seq2seq.sequence_loss(x, y, w, average_across_batch=False,"
            " sum_over_batch=True)",
            {"ignored-flag"},
        ),
        (
            "tf.contrib.seq2seq.sequence_loss(x, y, w, average_across_timesteps=False)",
            {"steps"},
        ),
        ("tf.contrib.seq2seq.sequence_loss(x, y, w, mean=True)", {"arguments"}),
        ("tf.contrib.seq2seq.sequence_loss(x, y, w, weights=w)", {"arguments"}),
        ("tfa.seq2seq.SequenceLoss(average_across_timesteps=True)", {"flags"}),
        ("loss = tfa.seq2seq.SequenceLoss()\nloss(y, x)", {"not-a-sum", "sample-weight"}),
        (
            "tfa.seq2seq.sequence_loss(x, y, w, average_across_timesteps=True,"
            " average_across_batch=False, sum_over_batch=True)",
            {"flags"},
        ),
        # a loss in the tape, a model behind it: nothing is wrong
        (
            "with tf.GradientTape() as tape:\n"
            "    loss = tf.contrib.seq2seq.sequence_loss(model(x), y, w)\n"
            "tape.gradient(loss, model.trainable_variables)",
            set(),
        ),
        # the loss comes from a function that is called in the tape, or before it
        (
            "def f(x):\n    return tf.contrib.seq2seq.sequence_loss(x, y, w)\n"
            "with tf.GradientTape() as tape:\n    loss = f(x)\ntape.gradient(loss, v)",
            set(),
        ),
        (
            "def f(x):\n    return tf.contrib.seq2seq.sequence_loss(x, y, w)\n"
            "loss = f(x)\nwith tf.GradientTape() as tape:\n    same = loss\ntape.gradient(same, v)",
            {"outside-tape"},
        ),
        (SPARSE + "tf.reduce_mean(losses)", {"pads-count"}),
        (SPARSE + "tf.reduce_sum(losses * m) / (tf.reduce_sum(m) + 1e-9)", set()),
        (SPARSE + "tf.reduce_sum(losses * m) / tf.maximum(tf.reduce_sum(m), 1.0)", set()),
        (SPARSE + "tf.reduce_sum(losses * m) / tf.reduce_sum(m)", {"empty-mask"}),
        (
            SPARSE + "losses *= m\nm = other(m)\ntf.reduce_sum(losses) / tf.reduce_sum(m)",
            set(),  # another m: no longer the token mean
        ),
        (SPARSE + "losses = tf.where(m, losses, 0.0)\ntf.reduce_mean(losses)", {"pads-count"}),
    ],
)
def test_problems(body: str, codes: set[str], findings) -> None:
    (finding,) = findings(TF + body)
    assert {problem.code for problem in finding.problems} == codes


ONE_STEP = "each = tf.nn.seq2seq.sequence_loss_by_example([x], [tf.reshape(y, [-1])], [w]"


@pytest.mark.parametrize(
    ("body", "then", "codes"),
    [
        (
            f"{ONE_STEP})\ntf.reduce_sum(each) / rows / (steps + 1)",
            "the sum divided by rows * (steps + 1)",
            {"list-of-one"},
        ),
        (
            f"{ONE_STEP}, args.words)\ntf.reduce_mean(each)",
            "mean of all: sum(loss) / (B*T), pads are in the divisor",
            {"list-of-one", "flag-by-place", "pads-count"},
        ),
        (
            f"{ONE_STEP})\ntf.div(tf.reduce_sum(each * w), tf.reduce_sum(w))",
            "sum(w*loss) / sum(w): contrib's sequence_loss, not by_example",
            {"list-of-one", "empty-mask"},
        ),
        (
            f"{ONE_STEP})\ntf.reduce_mean(each) * 0.5",
            "times or divided by something more",
            {"list-of-one", "pads-count"},
        ),
    ],
)
def test_flattened_tokens_are_no_sequences(body: str, then: str, codes: set, findings) -> None:
    """What TensorFlow 1's language models did: one step of B * T rows."""
    (finding,) = findings(TF + body)
    assert finding.then[-1][1] == then
    assert {problem.code for problem in finding.problems} == codes


def test_a_number_where_a_flag_belongs_is_true(findings) -> None:
    (finding,) = findings(TF + "tf.nn.seq2seq.sequence_loss_by_example(xs, ys, ws, 10000)")
    assert finding.outcome.formula == "sum_t(w*loss) / (sum_t(w) + 1e-12)"
    assert [problem.code for problem in finding.problems] == ["flag-by-place"]


@pytest.mark.parametrize(
    ("divisor", "code"),
    [
        ("tf.reduce_sum(losses * m) / (a + b)", "/ (a + b)"),
        ("tf.div(tf.reduce_sum(losses * m), a + b)", "/ (a + b)"),
        ("tf.reduce_sum(losses * m) / a / b", "/ (a * b)"),
        ("tf.math.divide_no_nan(tf.reduce_sum(losses * m), a + b)", None),
    ],
)
def test_a_divisor_keeps_its_brackets(divisor: str, code: str | None, findings) -> None:
    (finding,) = findings(TF + SPARSE + divisor)
    total = 'sequence_loss(x, y, m, reduction="token_sum")'
    wanted = f"{total} {code}" if code else f"tf.math.divide_no_nan({total}, a + b)"
    assert finding.ours.same.code == wanted


def test_branches_that_differ_are_not_believed(findings) -> None:
    """Weighted in one branch only: no divisor is claimed."""
    text = TF + SPARSE + "if m is not None:\n    losses = losses * m\ntf.reduce_mean(losses)"
    (finding,) = findings(text)
    assert finding.then == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("tf.contrib.seq2seq.sequence_loss(x, y, None)", "weights=None"),
        ("tf.contrib.legacy_seq2seq.sequence_loss(tf.constant(x), y, w)", "a tensor, where TF 1"),
        (
            "tf.nn.seq2seq.sequence_loss(x, y, w, softmax_loss_function=f)",
            "by position, ours is called by keyword",
        ),
        (
            "tf.contrib.seq2seq.sequence_loss(x, y, w, softmax_loss_function=lambda a, b: a)",
            "must take labels and logits",
        ),
        (
            "f = tf.contrib.seq2seq.sequence_loss if a else g\ntf.contrib.seq2seq.SequenceLoss()",
            "never had this name",
        ),
        ("tfa.seq2seq.SequenceLoss(False, True, False, False)", "no reduction of ours"),
        ("class A(tfa.seq2seq.SequenceLoss):\n    pass", "not called here"),
        (
            "def f(logits, targets):\n    return logits\n"
            "tf.contrib.seq2seq.sequence_loss(x, y, w, softmax_loss_function=f)",
            "must take labels and logits",
        ),
        ("tf.contrib.legacy_seq2seq.model_with_buckets(a, b, c, d, e, f)", "builds a model"),
    ],
)
def test_what_is_left_alone_and_why(body: str, reason: str, findings) -> None:
    reasons = [each.edit for each in findings(TF + body) if isinstance(each.edit, str)]
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_a_name_is_replaced_for_all_its_calls_or_for_none(findings) -> None:
    text = TF + "f = tf.contrib.seq2seq.sequence_loss\nf(x, y, w)\nf(x, y, None)"
    first, second = findings(text)
    assert first.edit == "shares its name with the call in line 5"
    assert "weights=None" in second.edit


def test_a_name_that_is_none_where_the_import_fails_is_certain(findings) -> None:
    text = "try:\n    from tensorflow_addons.seq2seq import sequence_loss\n"
    text += "except ImportError:\n    sequence_loss = None\nsequence_loss(x, y, w)"
    (finding,) = findings(text)
    assert isinstance(finding.edit, rewrite.Edit)


def test_a_name_that_may_be_something_else_is_left_alone(findings) -> None:
    text = TF + "if old:\n    f = tf.contrib.seq2seq.sequence_loss\nelse:\n    f = mine\nf(x, y, w)"
    (finding,) = findings(text)
    assert finding.edit == "its name may also be bound to something else"
    assert not isinstance(finding.edit, rewrite.Edit)
