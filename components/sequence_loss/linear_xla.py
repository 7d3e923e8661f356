"""`linear_chunks.run` for graphs that XLA compiles: static shapes, no kernels that write in place.

XLA has its own way of updating in place inside a loop, and fuses everything between the matrix
products by itself; but a shape may not depend on data. So the live rows are sorted to the front and
the number of chunks, not their size, depends on how many there are.
"""

from typing import NamedTuple

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from components.sequence_loss import checks, linear_chunks
from components.sequence_loss.linear_chunks import Plan, Projection, Result, Rows, Smoothing


def compiling() -> bool:
    """Whether the graph being built is that of a `tf.function(jit_compile=True)`.

    TensorFlow has no public name for this; its own control flow and Keras's ask in the same way.
    """
    graph = tf.compat.v1.get_default_graph()
    return not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(graph)


class _State(NamedTuple):
    """What the loop carries; rows have one place more than the batch, for the filling of chunks."""

    plain: tf.Tensor  # [N + 1]
    log_normaliser: tf.Tensor  # [N + 1]
    d_hidden: tf.Tensor  # [N + 1, D]
    d_kernel: tf.Tensor  # [D, V] or [V, D]
    d_bias: tf.Tensor  # [V]


def run(rows: Rows, projection: Projection, plan: Plan) -> Result:
    """See `linear_chunks.run`."""
    total = tf.shape(rows.hidden)[0]
    classes = tf.shape(projection.kernel)[0 if plan.transpose_kernel else 1]
    chunks = tf.maximum(1, -(-total // plan.most_rows(classes)))
    size = tf.maximum(1, -(-total // chunks))
    order = tf.argsort(tf.cast(~rows.live, tf.int32), stable=True)  # live rows first
    order = tf.concat([order, tf.fill([chunks * size - total], total)], axis=0)
    count = tf.reduce_sum(tf.cast(rows.live, tf.int32))
    smoothing = linear_chunks.uniform(projection, plan) if plan.label_smoothing else None

    def body(i: tf.Tensor, state: _State) -> tuple[tf.Tensor, _State]:
        where = tf.slice(order, [i * size], [size])
        filling = i * size + tf.range(size) >= count
        where = tf.where(filling, total, where)
        return i + 1, _step(state, where, ~filling, rows, projection, smoothing, plan)

    start = (tf.constant(0), _zeros(rows, projection, plan))
    _, state = tf.while_loop(lambda i, _: i * size < count, body, start)
    return linear_chunks.finish(
        linear_chunks.Sums(
            state.plain[:-1, tf.newaxis],
            state.log_normaliser[:-1, tf.newaxis],
            state.d_hidden[:-1],
            state.d_kernel,
            state.d_bias[tf.newaxis],
        ),
        rows,
        projection,
        smoothing,
        plan,
    )


def _zeros(rows: Rows, projection: Projection, plan: Plan) -> _State:
    count = tf.shape(rows.hidden)[0] + 1
    classes = tf.shape(projection.kernel)[0 if plan.transpose_kernel else 1]
    return _State(
        plain=tf.zeros([count], plan.sum_dtype),
        log_normaliser=tf.zeros([count], plan.sum_dtype),
        d_hidden=tf.zeros([count, tf.shape(rows.hidden)[1]], plan.sum_dtype),
        d_kernel=tf.zeros(tf.shape(projection.kernel), plan.sum_dtype),
        d_bias=tf.zeros([classes], plan.sum_dtype),
    )


def _step(
    state: _State,
    where: tf.Tensor,
    real: tf.Tensor,
    rows: Rows,
    projection: Projection,
    smoothing: Smoothing | None,
    plan: Plan,
) -> _State:
    """One chunk: the rows `where` `[C]`, of which the `real` `[C]` count."""
    zero = tf.zeros([], plan.sum_dtype)
    source = tf.where(real, where, 0)
    hidden = tf.where(real[:, tf.newaxis], tf.gather(rows.hidden, source), 0)  # [C, D]
    coefficients = tf.where(real, tf.gather(rows.coefficients, source), zero)[:, tf.newaxis]
    targets = tf.where(real, tf.gather(rows.targets, source), 0)
    compute = tf.cast(hidden, plan.compute_dtype)
    logits = tf.cast(linear_chunks.logits_of(compute, projection, plan), plan.sum_dtype)
    top = tf.reduce_max(logits, axis=1, keepdims=True)
    powers = tf.exp(logits - top)
    total = tf.reduce_sum(powers, axis=1, keepdims=True)
    log_normaliser = (top + tf.math.log(total))[:, 0]
    plain = log_normaliser - tf.gather(logits, targets, batch_dims=1)
    # Nothing raised for an id that is no class, and XLA's gather takes the nearest one instead.
    valid = checks.in_range(targets, tf.shape(logits)[1])
    plain = tf.where(valid, plain, tf.constant(float("nan"), plan.sum_dtype))
    state = state._replace(
        plain=_write(state.plain, where, plain),
        log_normaliser=_write(state.log_normaliser, where, log_normaliser),
    )
    if not plan.gradient:
        return state
    scale = 1 + 2 * plan.z_loss * log_normaliser[:, tf.newaxis]
    classes = tf.range(tf.shape(logits)[1])
    is_target = tf.equal(classes, tf.cast(targets, tf.int32)[:, tf.newaxis])
    hit = tf.where(is_target, tf.constant(1 - plan.label_smoothing, plan.sum_dtype), zero)
    gradient = tf.cast(scale * powers / total - hit, plan.compute_dtype)  # g [C, V]
    d_hidden = tf.matmul(gradient, projection.kernel, transpose_b=not plan.transpose_kernel)
    d_hidden = tf.cast(d_hidden, plan.sum_dtype)
    if smoothing is not None:
        d_hidden -= plan.label_smoothing * smoothing.column
    weighted = tf.cast(coefficients * tf.cast(hidden, plan.sum_dtype), plan.compute_dtype)
    left, right = (gradient, weighted) if plan.transpose_kernel else (weighted, gradient)
    product = tf.cast(tf.matmul(left, right, transpose_a=True), plan.sum_dtype)
    bias = tf.linalg.matvec(tf.cast(gradient, plan.sum_dtype), coefficients[:, 0], transpose_a=True)
    return state._replace(
        d_hidden=_write(state.d_hidden, where, coefficients * d_hidden),
        d_kernel=state.d_kernel + product,
        d_bias=state.d_bias + bias,
    )


def _write(table: tf.Tensor, where: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`table` `[N + 1, ...]` with `values` `[C, ...]` at the rows `where`."""
    return tf.tensor_scatter_nd_update(table, where[:, tf.newaxis], values)
