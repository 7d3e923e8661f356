"""`linear_sequence_loss` compiled, in half precision, twice differentiated, in loops and threads."""

import concurrent.futures
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_cases import (
    TOLERANCE,
    B,
    D,
    T,
    V,
    assert_bitwise,
    assert_same,
    case,
    compiled,
    found,
    fused,
    on_logits,
    step,
    tensors,
    wanted,
)

from components.sequence_loss import linear, linear_chunks, linear_sequence_loss

REGULARISED = {"label_smoothing": 0.2, "z_loss": 0.05}
GRAPHS = pytest.mark.parametrize("mode", ["graph", "xla"])
# mode, dtype, reduction, bias?, options: every value of each beside every mode
TABLE = [
    ("graph", "float64", "token_mean", True, {"chunk_tokens": 4}),
    ("graph", "float32", "example_mean", False, {"transpose_kernel": True, "z_loss": 0.1}),
    ("graph", "float32", "length_mean", True, {"chunk_tokens": 5, **REGULARISED}),
    ("graph", "float64", "nonzero_mean", False, {"label_smoothing": 0.1, "chunk_tokens": 1}),
    ("xla", "float64", "batch_mean", True, {"chunk_tokens": 5, **REGULARISED}),
    ("xla", "float32", "example_mean", False, {"transpose_kernel": True, "chunk_tokens": 1}),
    ("xla", "float32", "length_mean", True, {"transpose_kernel": True, **REGULARISED}),
    ("xla", "float64", "token_sum", False, {"chunk_tokens": 100, "label_smoothing": 0.1}),
]


@pytest.mark.parametrize(("mode", "dtype", "reduction", "bias", "options"), TABLE)
def test_value_gradients_and_poison(mode, dtype, reduction, bias, options):
    arrays = case(21, (5, 3, 0, T), bias=bias)
    arrays.weights[-1, -1] = 0.5
    assert np.count_nonzero(arrays.weights) % 5  # the last chunk of 5 is not full
    options = {"reduction": reduction, **options}
    got = found(arrays, mode=mode, dtype=dtype, **options)
    assert_same(got, wanted(arrays, dtype=dtype, **options), arrays, TOLERANCE[dtype])
    dirty = arrays.but(
        hidden=np.where(arrays.dead[..., None], np.nan, arrays.hidden),
        targets=np.where(arrays.dead, V + 7, arrays.targets),
    )
    assert_bitwise(found(dirty, mode=mode, dtype=dtype, **options), got)
    assert not got["hidden"][arrays.dead].any()
    nothing = found(arrays.but(weights=0 * arrays.weights), mode=mode, dtype=dtype, **options)
    assert not any(nothing[name].any() for name in nothing if name != "denominator")


@pytest.mark.parametrize(
    ("known", "chunk"), [("D and V", 4), ("nothing", 4), ("nothing", 2**40), ("nothing", None)]
)
def test_shapes_known_only_at_run_time(known, chunk):
    depth, classes = (D, V) if known == "D and V" else (None, None)
    compute = tf.function(
        step(fused, chunk_tokens=chunk, **REGULARISED),
        input_signature=[
            tf.TensorSpec([None, None, depth], tf.float64),
            tf.TensorSpec([depth, classes], tf.float64),
            tf.TensorSpec([classes], tf.float64),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None], tf.float64),
            tf.TensorSpec([None], tf.int64),
        ],
        autograph=False,
    )
    sizes = [{}] if known == "D and V" else [{}, {"classes": 1}, {"classes": 29, "features": 2}]
    for lengths, width in [((6, 0, 2), 6), ((1,), 3), ((), 4), ((0, 0), 0), ((2, 9, 9, 9, 1), 9)]:
        for size in sizes:
            arrays = case(22, lengths, width=width, **size)
            results = {k: x.numpy() for k, x in compute(*tensors(arrays, "float64")).items()}
            assert_same(results, wanted(arrays, **REGULARISED), arrays, 1e-13)


def relative(got, expected):
    """Norm of the difference over the norm."""
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def random_batch(seed):
    """800 positions, enough for the rounding of single losses (1 %) to cancel in the mean."""
    arrays = case(seed, (100,) * 8, width=100, classes=1009, features=64, values=(0.0, 1.0, 2.0))
    return arrays.but(kernel=arrays.kernel / 8)


@pytest.mark.parametrize("mode", ["eager", "xla"])
def test_bfloat16_products(mode):
    """Asked for with float32 variables: loss within 1e-4, gradients within 1 % of float64."""
    arrays = random_batch(23)
    got = found(arrays, dtype="float32", mode=mode, compute_dtype="bfloat16", chunk_tokens=300)
    expected = wanted(arrays, dtype="float32")
    assert got["mean"] == pytest.approx(expected["mean"], rel=1e-4)
    for name in ("hidden", "kernel", "bias"):
        assert relative(got[name], expected[name]) < 1e-2, name


@pytest.mark.parametrize("mode", ["eager", "xla"])
@pytest.mark.parametrize(("dtype", "bound"), [("bfloat16", 1e-2), ("float16", 1e-3)])
def test_half_precision_hidden_states(dtype, bound, mode):
    """And variables; the gradients come back in their dtypes, the sums are float32."""
    arrays = random_batch(24)
    results = compiled(fused, mode, "token_mean", ())(*tensors(arrays, dtype))
    assert results["mean"].dtype == tf.float32
    assert {results[name].dtype.name for name in ("hidden", "kernel", "bias")} == {dtype}
    got = {name: tf.cast(x, tf.float64).numpy() for name, x in results.items()}
    expected = wanted(arrays, dtype=dtype)
    assert got["mean"] == pytest.approx(expected["mean"], rel=1e-4)
    for name in ("hidden", "kernel", "bias"):
        assert relative(got[name], expected[name]) < bound, name


def test_float16_gradients_of_a_large_batch():
    """The sums over tokens overflow float16; divided by the denominator they do not."""
    random = np.random.default_rng(25)
    hidden = np.abs(random.normal(size=(1, 4096, D))) * 30
    kernel = random.normal(size=(D, V)) / 100
    arrays = case(25).but(hidden=hidden, kernel=kernel, bias=None, targets=np.zeros([1, 4096], int))
    arrays = arrays.but(weights=np.ones([1, 4096]), lengths=np.array([4096]))
    got, expected = found(arrays, dtype="float16"), wanted(arrays, dtype="float16")
    assert np.abs(expected["kernel"]).max() * 4096 > 65504
    assert relative(got["kernel"], expected["kernel"]) < 1e-3
    assert relative(got["weights"], expected["weights"]) < 1e-2  # numbers below 6e-5 are subnormal


@pytest.mark.parametrize("mode", ["eager", "xla"])
@pytest.mark.parametrize("margin", [2.0, 6.0, 12.0])
def test_bfloat16_of_a_trained_model(margin, mode):
    """Peaked at the target: no negative loss, and within 2 % where eight bits would leave none.

    The logits are sums of few exact numbers, so that the products themselves lose nothing.
    """
    random = np.random.default_rng(26)
    targets = random.integers(0, V, size=(B, T))
    hidden = np.eye(V)[targets] * margin + random.choice([0, 0.5], size=(B, T, V))
    weights = np.ones([B, T])
    arrays = case(26).but(hidden=hidden, kernel=np.eye(V), bias=None)
    arrays = arrays.but(targets=targets, weights=weights)
    got = found(arrays, dtype="bfloat16", mode=mode)
    expected = wanted(arrays)
    # The derivative of sum w l / sum w to w is (l - mean) / sum w.
    losses = expected["weights"] * weights.sum() + expected["mean"]
    assert losses.min() > 0
    assert 0 <= got["mean"] == pytest.approx(expected["mean"], rel=2e-2)
    assert relative(got["hidden"], expected["hidden"]) < 2e-2
    assert relative(got["kernel"], expected["kernel"]) < 2e-2
    sure = hidden.copy() * 20  # p(target) = 1: the loss is 0, not below
    got = found(arrays.but(hidden=sure), dtype="bfloat16", mode=mode)
    assert 0 <= got["mean"] < 1e-6


def products(loss, arrays, mode, **options):
    """Gradient of a function of the mean's gradients: a Hessian times them."""

    def compute(hidden, kernel, bias, targets, weights, _):
        inputs = [hidden, kernel, bias, weights]
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                mean = loss(hidden, kernel, bias, targets, weights, **options).mean
            first = inner.gradient(mean, inputs)
            live = tf.cast(weights != 0, weights.dtype)
            first[3] *= live
            along = tf.add_n([tf.reduce_sum(x * tf.sin(x + 1)) for x in first])
        return outer.gradient(along, inputs)

    if mode != "eager":
        compute = tf.function(compute, jit_compile=mode == "xla", autograph=False)
    return [x.numpy() for x in compute(*tensors(arrays, "float64"))]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_second_order(mode):
    arrays = case(27)
    options = {"reduction": "example_mean", **REGULARISED}
    got = products(fused, arrays, mode, chunk_tokens=5, **options)
    expected = products(on_logits, arrays, "eager", **options)
    expected[3], got[3] = (np.where(arrays.dead, 0, x[3]) for x in (expected, got))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(other).max())
        assert np.abs(other).max() > 1e-4


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_poison_in_the_second_order(mode):
    arrays = case(28)
    clean = products(fused, arrays, mode)
    dirty = arrays.but(
        hidden=np.where(arrays.dead[..., None], np.nan, arrays.hidden),
        targets=np.where(arrays.dead, -1, arrays.targets),
    )
    for one, other in zip(products(fused, dirty, mode), clean, strict=True):
        assert np.isfinite(other).all()
        np.testing.assert_array_equal(one, other)


STATEFUL = (("chunk_tokens", 4), ("label_smoothing", 0.2))


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_no_state_between_calls(mode):
    """Buffers written in place belong to one call: nothing is left over, nothing kept changes."""
    compute = compiled(fused, mode, "token_mean", STATEFUL)
    batches = [tensors(case(seed), "float32") for seed in range(20)]
    kept = [compute(*batch) for batch in batches]
    copies = [{name: x.numpy().copy() for name, x in results.items()} for results in kept]
    for results, batch, copy in zip(kept, batches, copies, strict=True):
        assert_bitwise({name: x.numpy() for name, x in results.items()}, copy)
        assert_bitwise({name: x.numpy() for name, x in compute(*batch).items()}, copy)
    assert len({float(copy["mean"]) for copy in copies}) == 20


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_threads(mode):
    compute = compiled(fused, mode, "token_mean", STATEFUL)
    batches = [tensors(case(seed), "float32") for seed in range(12)]
    alone = [{name: x.numpy() for name, x in compute(*batch).items()} for batch in batches]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: compute(*batch), batches * 3))
    for i, results in enumerate(together):
        assert_bitwise({name: x.numpy() for name, x in results.items()}, alone[i % 12])


def test_eager_calls_trace_once():
    """For a kernel, however many batch shapes there are; and each kernel keeps its static shape."""
    linear._traced.cache_clear()
    for length in range(1, 7):
        for classes in (V, 2 * V):
            found(case(29, (length,) * 3, width=length, classes=classes), chunk_tokens=17)
    assert linear._traced.cache_info().misses == 2
    plan = linear_chunks.Plan(
        label_smoothing=0.0, z_loss=0.0, transpose_kernel=False, chunk_tokens=17,
        compute_dtype=tf.float64, gradient=True,
    )  # fmt: skip
    for classes in (V, 2 * V):
        assert linear._traced(plan, (D, classes)).experimental_get_tracing_count() <= 2


@GRAPHS
def test_twice_in_one_graph(mode):
    """Equal calls may be merged and unequal ones run at once; their buffers are apart."""
    arrays = case(30), case(31)

    def compute(one, other):
        compute_one = step(fused, chunk_tokens=4)
        return [compute_one(*args) for args in (one, other, one)]

    compute = tf.function(compute, jit_compile=mode == "xla", autograph=False)
    results = compute(*(tensors(x, "float64") for x in arrays))
    for result, batch in zip(results, (*arrays, arrays[0]), strict=True):
        got = {name: x.numpy() for name, x in result.items()}
        assert_same(got, wanted(batch), batch, 1e-13)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_persistent_tape(mode):
    hidden, kernel, bias, targets, weights, _ = tensors(case(32), "float64")

    def compute(hidden, kernel):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([hidden, kernel])
            mean = linear_sequence_loss(hidden, kernel, bias, targets, weights).mean
            double = 2 * mean
        return [tape.gradient(x, [hidden, kernel]) for x in (mean, mean, double)]

    compute = compute if mode == "eager" else tf.function(compute, autograph=False)
    first, second, double = compute(hidden, kernel)
    for one, other, twice in zip(first, second, double, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(twice, 2 * one, rtol=1e-14)


@pytest.mark.parametrize("loop", ["while", "map"])
def test_inside_a_loop(loop):
    """Gradient accumulation: micro-batches in a loop, differentiated inside and through it."""
    arrays = case(33)
    hidden, kernel, bias, targets, weights, _ = tensors(arrays, "float64")

    def row(i, kernel):
        parts = (x[i : i + 1] for x in (hidden, targets, weights))
        states, ids, row_weights = parts
        return linear_sequence_loss(
            states, kernel, bias, ids, row_weights, reduction="token_sum", chunk_tokens=2
        ).mean

    @tf.function(autograph=False)
    def compute(kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            if loop == "map":
                rows = tf.map_fn(
                    lambda i: row(i, kernel), tf.range(B), fn_output_signature="double"
                )
                total = tf.reduce_sum(rows)
            else:
                start = tf.constant(0), tf.zeros([], tf.float64)
                _, total = tf.while_loop(
                    lambda i, _: i < B, lambda i, total: (i + 1, total + row(i, kernel)), start
                )
        return total, tape.gradient(total, kernel)

    expected = wanted(arrays, reduction="token_sum")
    total, gradient = compute(kernel)
    assert total.numpy() == pytest.approx(float(expected["mean"]), rel=1e-13)
    np.testing.assert_allclose(gradient, expected["kernel"], rtol=0, atol=1e-12)


class Tied(keras.Model):
    """Looks ids up in the table that it projects on; (ids, weights) in, loss out."""

    def __init__(self, loss):
        super().__init__()
        self.loss_of = loss
        table = np.random.default_rng(34).normal(size=(V, D)).astype("float32")
        self.table = self.add_weight(shape=(V, D), initializer=lambda *_, **__: table)
        self.bias = self.add_weight(shape=(V,), initializer="zeros")

    def call(self, inputs):
        ids, weights = inputs
        hidden = tf.gather(tf.convert_to_tensor(self.table), ids)
        total = self.loss_of(
            hidden, tf.convert_to_tensor(self.table), tf.convert_to_tensor(self.bias),
            tf.roll(ids, -1, axis=1), weights, transpose_kernel=True, reduction="token_mean",
        )  # fmt: skip
        self.add_loss(total.mean)
        return total.mean


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
def test_keras_training(jit):
    """`fit` takes the same steps as the loss on logits."""
    arrays = case(34, (5, 3, 0, 6, 1, 2, 6, 4))
    inputs = arrays.targets.astype("int32"), arrays.weights.astype("float32")
    trained = []
    for loss in (fused, on_logits):
        model = Tied(loss)
        model.compile(optimizer=keras.optimizers.SGD(0.5), jit_compile=jit)
        history = model.fit(x=inputs, batch_size=4, epochs=2, shuffle=False, verbose=0)
        trained.append([*history.history["loss"], *map(np.array, model.get_weights())])
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert trained[0][1] < trained[0][0]


def test_saved_model(tmp_path):
    arrays = case(35)

    class Scorer(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel, self.bias = tf.Variable(arrays.kernel), tf.Variable(arrays.bias)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, D], tf.float64),
                tf.TensorSpec([None, None], tf.int64),
                tf.TensorSpec([None, None], tf.float64),
            ],
            autograph=False,
        )
        def score(self, hidden, targets, weights):
            return linear_sequence_loss(
                hidden, self.kernel, self.bias, targets, weights,
                forward_only=True, chunk_tokens=4, **REGULARISED,
            ).mean  # fmt: skip

    tf.saved_model.save(Scorer(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    inputs = tf.constant(arrays.hidden), tf.constant(arrays.targets), tf.constant(arrays.weights)
    for _ in range(2):
        got = loaded.score(*inputs).numpy()
        assert got == pytest.approx(float(wanted(arrays, **REGULARISED)["mean"]), rel=1e-13)


def sizes(concrete):
    """Elements of every tensor of known shape, in the graph and in all functions that it calls."""
    graph = concrete.graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    for node in nodes:
        for shape in node.attr["_output_shapes"].list.shape:
            if not shape.unknown_rank and all(dim.size >= 0 for dim in shape.dim):
                yield int(np.prod([dim.size for dim in shape.dim], dtype=np.int64))


@GRAPHS
def test_no_tensor_as_large_as_the_logits(mode):
    """B T V = 1440; nothing traced has more than 1/3 of that: N D, D V and a chunk are smaller."""
    arrays = case(36, (12,) * 8, width=15, classes=12, features=2)
    largest = {}
    for loss in (fused, on_logits):
        options = (("chunk_tokens", 10), ("label_smoothing", 0.1), ("z_loss", 0.1))
        options = options if loss is fused else options[1:]
        compute = compiled(loss, mode, "token_mean", options)
        concrete = compute.get_concrete_function(*tensors(arrays, "float32"))
        largest[loss] = max(sizes(concrete))
    assert largest[on_logits] == 8 * 15 * 12
    assert largest[fused] <= 8 * 15 * 4


def test_only_live_rows_are_projected(monkeypatch):
    """Each once, in chunks of at most `chunk_tokens`: shapes as they are at run time."""
    shapes = []
    original = linear_chunks.logits_of

    def recorded(hidden, projection, plan):
        logits = original(hidden, projection, plan)
        tf.numpy_function(lambda shape: shapes.append(list(shape)), [tf.shape(logits)], [])
        return logits

    monkeypatch.setattr(linear_chunks, "logits_of", recorded)
    linear._traced.cache_clear()
    arrays = case(37, (6, 4, 0, 5, 6, 1))
    try:
        found(arrays, chunk_tokens=4)
    finally:
        linear._traced.cache_clear()
    assert sum(rows for rows, _ in shapes) == np.count_nonzero(arrays.weights)
    assert max(rows for rows, _ in shapes) <= 4
    assert len(shapes) == -(-np.count_nonzero(arrays.weights) // 4)
    assert {classes for _, classes in shapes} == {V}


def test_a_function_called_by_a_compiled_one():
    """What is traced inside a compiled graph is compiled too."""
    arrays = case(38)
    inner = tf.function(step(fused, chunk_tokens=4), autograph=False)
    outer = tf.function(lambda *x: inner(*x), jit_compile=True, autograph=False)
    got = {name: x.numpy() for name, x in outer(*tensors(arrays, "float64")).items()}
    assert_same(got, wanted(arrays), arrays, 1e-13)


REPLICAS = """
import json
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from components.sequence_loss import linear_sequence_loss_parts
from linear_cases import case, tensors

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
hidden, start, bias, targets, weights, _ = tensors(case(39), "float64")
with strategy.scope():
    kernel = tf.Variable(start)

def replica(hidden, targets, weights):
    with tf.GradientTape() as tape:
        parts = linear_sequence_loss_parts(
            hidden, kernel, bias, targets, weights, chunk_tokens=4, label_smoothing=0.2
        )
    context = tf.distribute.get_replica_context()
    divisor = context.all_reduce("SUM", parts.total.denominator)
    gradient = tape.gradient(parts.total.numerator, kernel)
    gradient = context.all_reduce("SUM", tf.convert_to_tensor(gradient)) / divisor
    kernel.assign_sub(gradient)
    return parts

@tf.function(autograph=False)
def train(*rows):
    parts = strategy.run(replica, args=rows)
    return parts.map(lambda x: strategy.reduce("SUM", x, axis=None))

def half(x):
    return strategy.experimental_distribute_values_from_function(
        lambda context: x[2 * context.replica_id_in_sync_group :][:2]
    )

added = train(half(hidden), half(targets), half(weights))
found = {"mean": float(added.total.mean), "step": (start - kernel).numpy().tolist()}
print(json.dumps(found))
"""


def test_two_replicas_are_one_device():
    """Unequal halves of the batch, sums added and divided once: the mean and the step taken."""
    path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, env={"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    got = json.loads(done.stdout.splitlines()[-1])
    expected = wanted(case(39), label_smoothing=0.2)
    assert got["mean"] == pytest.approx(float(expected["mean"]), rel=1e-12)
    np.testing.assert_allclose(got["step"], expected["kernel"], rtol=0, atol=1e-12)
