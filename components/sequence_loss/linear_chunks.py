"""Projection, cross-entropy and gradient of the live rows, a chunk of rows at a time.

Shapes: N = B * T rows, D features, V classes, C rows to a chunk. Only a chunk of logits `[C, V]`
ever exists. Each chunk is three matrix products and one soft-max:

    x = h K + b                 [C, V]
    g = s softmax(x) - (1 - e) onehot(t),   s = 1 + 2 z logsumexp(x)
    dh = c (g K' - e k)         [C, D]      k = K u, the mean column of K
    dK += (c h)' g              [D, V]      (and - e sum(c h) u' once, at the end)
    db += c' g                  [V]

with c the derivative of the loss with respect to each row's loss, known before the loss is, which is
what lets the gradient be computed here instead of from stored logits; e and u are the label
smoothing and its uniform distribution, z the z-loss. So label smoothing costs nothing of size C V.

The gradient in the forward pass follows Liger Kernel's fused linear cross-entropy (Hsu et al. 2024,
section 3.2); that padding leaves before the product, and the bounded temporaries, are ours.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# How large a chunk of logits [C, V] is: so many elements, but at least so many rows, because every
# chunk adds to the whole kernel's gradient once, which its products must outweigh. That sum is made
# in pieces of at most the chunk / PIECES, though not in too many: each is a part of the graph.
# docs/fused_loss.md has the measurements behind the numbers.
CHUNK_ELEMENTS = 16 * 2**20
FEWEST_ROWS = 512
PIECES = 3
MOST_PIECES = 64
# Places in a chunk are int32, in TensorFlow's in-place kernels and so here.
LARGEST_INDEX = 2**31 - 1
# A target's probability below this has lost digits to underflow: its loss is taken from the logits.
SMALLEST_PROBABILITY = {tf.float64: 1e-290, tf.float32: 1e-30, tf.bfloat16: 1e-30}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known when the graph is built.

    Attributes:
      label_smoothing, z_loss: as in `losses.CrossEntropy`.
      transpose_kernel: the kernel is `[V, D]`.
      chunk_tokens: at most so many rows to a chunk; None: `CHUNK_ELEMENTS` / V, at least `FEWEST_ROWS`.
      compute_dtype: of the matrix products; sums and losses are float32 (float64 for float64).
      gradient: whether to compute it.
      raises: whether a loss that is not finite, where it counts, is an error.
    """

    label_smoothing: float
    z_loss: float
    transpose_kernel: bool
    chunk_tokens: int | None
    compute_dtype: tf.DType
    gradient: bool
    raises: bool = True

    def __post_init__(self) -> None:
        rows = self.chunk_tokens
        if rows is None:
            return
        if isinstance(rows, bool) or not isinstance(rows, int | np.integer):
            raise TypeError(f"chunk_tokens: got {rows!r}, expected a positive integer or None")
        if rows < 1:
            raise ValueError(f"chunk_tokens: got {rows}, expected a positive integer or None")

    @property
    def sum_dtype(self) -> tf.DType:
        """What losses and gradients are added in."""
        return tf.float64 if self.compute_dtype == tf.float64 else tf.float32

    def most_rows(self, classes: tf.Tensor | int) -> tf.Tensor | int:
        """C: rows of the largest chunk, for V classes."""
        known = isinstance(classes, int)
        larger, smaller = (max, min) if known else (tf.maximum, tf.minimum)
        classes = larger(1, classes)
        if self.chunk_tokens is None:
            rows = larger(FEWEST_ROWS, CHUNK_ELEMENTS // classes)
        else:
            rows = min(int(self.chunk_tokens), LARGEST_INDEX)
        return larger(1, smaller(rows, LARGEST_INDEX // classes))


class Rows(NamedTuple):
    """All rows of a batch; `live` says which of them count.

    hidden `[N, D]`, targets int64 `[N]` (in range where live), coefficients `[N]`, live bool `[N]`.
    """

    hidden: tf.Tensor
    targets: tf.Tensor
    coefficients: tf.Tensor
    live: tf.Tensor


class Projection(NamedTuple):
    """kernel `[D, V]` (`[V, D]` if transposed) and bias `[V]`, in the compute dtype; bias may be None."""

    kernel: tf.Tensor
    bias: tf.Tensor | None


class Result(NamedTuple):
    """Per row, 0 where dead: plain losses, logsumexp and smoothing's uniform losses `[N]`.

    And the gradients `[N, D]`, that of the kernel, and `[V]`; None where not asked for.
    """

    plain: tf.Tensor
    log_normaliser: tf.Tensor
    uniform: tf.Tensor
    d_hidden: tf.Tensor | None
    d_kernel: tf.Tensor | None
    d_bias: tf.Tensor | None


class Smoothing(NamedTuple):
    """Label smoothing's uniform distribution u over the classes that the bias does not ban.

    `share` u `[V]`, `column` K u `[D]`, `bias` b u, a scalar.
    """

    share: tf.Tensor
    column: tf.Tensor
    bias: tf.Tensor


def uniform(projection: Projection, plan: Plan) -> Smoothing:
    """u and its products with the projection, in the sum dtype."""
    kernel = tf.cast(projection.kernel, plan.sum_dtype)
    classes = tf.shape(kernel)[0 if plan.transpose_kernel else 1]
    if projection.bias is None:
        bias = tf.zeros([classes], plan.sum_dtype)
    else:
        bias = tf.cast(projection.bias, plan.sum_dtype)
    allowed = tf.cast(tf.not_equal(bias, -float("inf")), plan.sum_dtype)
    share = tf.math.divide_no_nan(allowed, tf.reduce_sum(allowed))
    column = tf.linalg.matvec(kernel, share, transpose_a=plan.transpose_kernel)
    return Smoothing(share, column, tf.reduce_sum(tf.math.multiply_no_nan(bias, share)))


def logits_of(hidden: tf.Tensor, projection: Projection, plan: Plan) -> tf.Tensor:
    """x `[C, V]` in the compute dtype."""
    logits = tf.matmul(hidden, projection.kernel, transpose_b=plan.transpose_kernel)
    return logits if projection.bias is None else tf.nn.bias_add(logits, projection.bias)


def run(rows: Rows, projection: Projection, plan: Plan) -> Result:
    """Losses and gradients of the live rows; the others are never multiplied.

    Sums are updated in place (TensorFlow's `Inplace*` kernels). That is safe because each is made
    here, by an op that is not folded into a constant, and is read by nobody else before the end.
    """
    live = tf.cast(tf.where(rows.live)[:, 0], tf.int32)  # [n]
    count = tf.size(live)
    chunks = -(-count // plan.most_rows(_classes(projection, plan)))
    size = -(-count // tf.maximum(chunks, 1))  # equal chunks: no small remainder at the end
    smoothing = uniform(projection, plan) if plan.label_smoothing else None

    def body(i: tf.Tensor, state: Sums) -> tuple[tf.Tensor, Sums]:
        where = live[i * size : tf.minimum((i + 1) * size, count)]
        return i + 1, _step(state, where, rows, projection, smoothing, plan)

    start = (tf.constant(0), _empty(rows, projection, plan))
    _, state = tf.while_loop(lambda i, _: i < chunks, body, start, parallel_iterations=1)
    return finish(state, rows, projection, smoothing, plan)


class Sums(NamedTuple):
    """What the loop carries, rows at their places in the batch; gradients are empty if unwanted."""

    plain: tf.Tensor  # [N, 1]
    log_normaliser: tf.Tensor  # [N, 1]
    d_hidden: tf.Tensor  # [N, D]
    d_kernel: tf.Tensor  # [pieces, elements of a piece]
    d_bias: tf.Tensor  # [1, V]


def _empty(rows: Rows, projection: Projection, plan: Plan) -> Sums:
    """Zeros of our own: those of `tf.zeros` may be a constant of the graph, used again next time."""

    def zeros(height: tf.Tensor | int, width: tf.Tensor | int) -> tf.Tensor:
        return tf.raw_ops.Empty(shape=[height, width], dtype=plan.sum_dtype, init=True)

    count, width = tf.unstack(tf.shape(rows.hidden))
    pieces, height = _pieces(projection.kernel, plan)
    wanted = int(plan.gradient)
    return Sums(
        plain=zeros(count, 1),
        log_normaliser=zeros(count, 1),
        d_hidden=zeros(count * wanted, width),
        d_kernel=zeros(pieces * wanted, height * tf.shape(projection.kernel)[1]),
        d_bias=zeros(0 if projection.bias is None else wanted, _classes(projection, plan)),
    )


def _classes(projection: Projection, plan: Plan) -> tf.Tensor | int:
    """V, an int where it is known."""
    axis = 0 if plan.transpose_kernel else 1
    known = projection.kernel.shape[axis]
    return tf.shape(projection.kernel)[axis] if known is None else known


def _pieces(kernel: tf.Tensor, plan: Plan) -> tuple[int, Any]:
    """(how many, rows of each) pieces of the kernel's gradient, along its first axis.

    The product (c h)' g needs room of its own before it is added. No piece is larger than the
    chunk of logits / PIECES, so that what is needed beyond the weights and their gradient does not
    grow with V. Where the rows do not divide (a prime V, tied), the last piece is filled up.
    """
    if not kernel.shape.is_fully_defined():
        return 1, tf.shape(kernel)[0]
    height, width = kernel.shape
    classes = height if plan.transpose_kernel else width
    room = max(1, int(plan.most_rows(classes))) * classes
    least = max(1, min(height, MOST_PIECES, -(-PIECES * height * width // room)))
    even = [count for count in range(least, 2 * least) if height % count == 0]
    rows = -(-height // (even[0] if even else least))
    return max(1, -(-height // max(1, rows))), rows


def _step(
    state: Sums,
    where: tf.Tensor,
    rows: Rows,
    projection: Projection,
    smoothing: Smoothing | None,
    plan: Plan,
) -> Sums:
    """One chunk: the rows `where` `[C]`."""
    hidden = tf.gather(rows.hidden, where)  # [C, D]
    coefficients = tf.gather(rows.coefficients, where)[:, tf.newaxis]  # [C, 1]
    targets = tf.gather(rows.targets, where)
    chunk = _losses(tf.cast(hidden, plan.compute_dtype), targets, projection, plan)
    state = state._replace(
        plain=_write(state.plain, where, chunk.plain),
        log_normaliser=_write(state.log_normaliser, where, chunk.log_normaliser),
    )
    if not plan.gradient:
        return state
    gradient = _logits_gradient(chunk, plan)
    d_hidden = tf.matmul(gradient, projection.kernel, transpose_b=not plan.transpose_kernel)
    d_hidden = tf.cast(d_hidden, plan.sum_dtype)
    if smoothing is not None:
        d_hidden -= plan.label_smoothing * smoothing.column
    weighted = tf.cast(coefficients * tf.cast(hidden, plan.sum_dtype), plan.compute_dtype)
    return state._replace(
        d_hidden=tf.raw_ops.InplaceUpdate(x=state.d_hidden, i=where, v=coefficients * d_hidden),
        d_kernel=_add_kernel_gradient(state.d_kernel, weighted, gradient, projection, plan),
        d_bias=_add_bias_gradient(state.d_bias, coefficients, gradient, projection, plan),
    )


def _write(column: tf.Tensor, where: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`column` `[N, 1]` with `values` `[C]` at the rows `where`."""
    return tf.raw_ops.InplaceUpdate(x=column, i=where, v=values[:, tf.newaxis])


class _Chunk(NamedTuple):
    """A chunk's soft-max `[C, V]`, and per row `[C]`: its element at the target, losses, logsumexp.

    `flat` are the places of the targets in the soft-max as one row of C * V.
    """

    probabilities: tf.Tensor
    flat: tf.Tensor
    hit: tf.Tensor
    plain: tf.Tensor
    log_normaliser: tf.Tensor


def _losses(hidden: tf.Tensor, targets: tf.Tensor, projection: Projection, plan: Plan) -> _Chunk:
    """Everything from one pass of the soft-max kernel over the logits: the loss is -log p(target).

    Where p(target) has underflowed, which is rare (a loss above 69 nats), the chunk's logits are
    made once more and its losses taken from them.
    """
    logits = logits_of(hidden, projection, plan)
    places = tf.range(tf.size(targets)) * _classes(projection, plan)
    flat = places + tf.cast(targets, tf.int32)  # [C]
    logit = tf.cast(tf.gather(tf.reshape(logits, [-1]), flat), plan.sum_dtype)
    with tf.control_dependencies(
        [tf.reduce_max(logit)]
    ):  # then nobody else reads them: in their place
        probabilities = tf.nn.softmax(logits)
    hit = tf.cast(tf.gather(tf.reshape(probabilities, [-1]), flat), plan.sum_dtype)
    if plan.compute_dtype == tf.bfloat16:
        probabilities, hit = _sharpened(probabilities, flat, hit)

    def from_probabilities() -> tuple[tf.Tensor, tf.Tensor]:
        return -tf.math.log(hit), logit - tf.math.log(hit)

    def from_logits() -> tuple[tf.Tensor, tf.Tensor]:
        again = tf.cast(logits_of(hidden, projection, plan), plan.sum_dtype)
        log_normaliser = tf.reduce_logsumexp(again, axis=1)
        return log_normaliser - logit, log_normaliser

    # False for NaN too
    exact = tf.reduce_all(hit >= SMALLEST_PROBABILITY[plan.compute_dtype])
    plain, log_normaliser = tf.cond(exact, from_probabilities, from_logits)
    return _Chunk(probabilities, flat, hit, plain, log_normaliser)


def _sharpened(
    probabilities: tf.Tensor, flat: tf.Tensor, hit: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """(soft-max, p(target) `[C]` in float32), where bfloat16 has only 8 bits: near 1, 1 - the others.

    The others' sum is small there and keeps its digits; 1 - p would have none. The soft-max comes
    back without its element at the target.
    """
    others = _overwrite(probabilities, flat, tf.zeros_like(hit), after=hit)
    ones = tf.ones([tf.shape(others)[1], 1], others.dtype)
    rest = tf.cast(tf.matmul(others, ones)[:, 0], hit.dtype)
    return others, tf.where(hit > 0.5, 1 - rest, hit)


def _logits_gradient(chunk: _Chunk, plan: Plan) -> tf.Tensor:
    """g `[C, V]`, in the place of the soft-max; without label smoothing's -e u."""
    scale = 1 + 2 * plan.z_loss * chunk.log_normaliser
    probabilities = chunk.probabilities
    if plan.z_loss:
        probabilities *= tf.cast(scale, probabilities.dtype)[:, tf.newaxis]
    hit = scale * chunk.hit - (1 - plan.label_smoothing)
    return _overwrite(probabilities, chunk.flat, hit, after=chunk.plain)


def _overwrite(
    table: tf.Tensor, flat: tf.Tensor, values: tf.Tensor, *, after: tf.Tensor
) -> tf.Tensor:
    """`table` `[C, V]` itself, with `values` `[C]` at the places `flat`, once `after` is computed."""
    column = tf.reshape(table, [-1, 1])
    with tf.control_dependencies([after]):
        values = tf.cast(values, table.dtype)[:, tf.newaxis]
        written = tf.raw_ops.InplaceUpdate(x=column, i=flat, v=values)
    return tf.reshape(written, tf.shape(table))


def _add_kernel_gradient(
    total: tf.Tensor, weighted: tf.Tensor, gradient: tf.Tensor, projection: Projection, plan: Plan
) -> tf.Tensor:
    """`total` plus (c h)' g, piece by piece along the kernel's first axis."""
    left, right = (gradient, weighted) if plan.transpose_kernel else (weighted, gradient)
    pieces, height = _pieces(projection.kernel, plan)
    for number in range(pieces):
        with tf.control_dependencies([total]):  # one piece's room at a time
            piece = left if pieces == 1 else left[:, number * height : (number + 1) * height]
            product = tf.matmul(piece, right, transpose_a=True)
        if pieces > 1 and (number + 1) * height > projection.kernel.shape[0]:
            product = tf.pad(product, [[0, height - tf.shape(product)[0]], [0, 0]])
        product = tf.cast(tf.reshape(product, [1, -1]), plan.sum_dtype)
        total = tf.raw_ops.InplaceAdd(x=total, i=[number], v=product)
    return total


def _add_bias_gradient(
    total: tf.Tensor,
    coefficients: tf.Tensor,
    gradient: tf.Tensor,
    projection: Projection,
    plan: Plan,
) -> tf.Tensor:
    """`total` `[1, V]` plus c' g."""
    if projection.bias is None:
        return total
    product = tf.matmul(tf.cast(coefficients, plan.compute_dtype), gradient, transpose_a=True)
    return total + tf.cast(product, plan.sum_dtype)


def finish(
    state: Sums, rows: Rows, projection: Projection, smoothing: Smoothing | None, plan: Plan
) -> Result:
    """The loop's sums as a result: their shapes, and label smoothing's share of the gradients."""
    plain, log_normaliser = state.plain[:, 0], state.log_normaliser[:, 0]
    d_hidden = d_kernel = d_bias = None
    if plan.gradient:
        d_hidden = state.d_hidden
        height, width = tf.unstack(tf.shape(projection.kernel))
        d_kernel = tf.reshape(tf.reshape(state.d_kernel, [-1])[: height * width], [height, width])
        d_bias = None if projection.bias is None else state.d_bias[0]
    result = Result(plain, log_normaliser, tf.zeros_like(plain), d_hidden, d_kernel, d_bias)
    return result if smoothing is None else _smoothed(result, rows, smoothing, plan)


def _smoothed(result: Result, rows: Rows, smoothing: Smoothing, plan: Plan) -> Result:
    """`result` with the losses against u, logsumexp(x) - x u, and u's part of the gradients."""
    zero = tf.zeros([], plan.sum_dtype)
    hidden = tf.cast(rows.hidden, plan.sum_dtype)
    hidden = tf.where(rows.live[:, tf.newaxis], hidden, zero)
    mean = tf.linalg.matvec(hidden, smoothing.column) + smoothing.bias  # [N]
    result = result._replace(uniform=tf.where(rows.live, result.log_normaliser - mean, zero))
    if not plan.gradient:
        return result
    coefficients = plan.label_smoothing * tf.where(rows.live, rows.coefficients, zero)
    column = tf.linalg.matvec(hidden, coefficients, transpose_a=True)  # [D]
    left, right = (smoothing.share, column) if plan.transpose_kernel else (column, smoothing.share)
    result = result._replace(d_kernel=result.d_kernel - left[:, tf.newaxis] * right)
    if result.d_bias is None:
        return result
    return result._replace(d_bias=result.d_bias - tf.reduce_sum(coefficients) * smoothing.share)
