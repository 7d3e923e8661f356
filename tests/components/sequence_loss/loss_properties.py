"""Invariants 1, 2, 3 and 5 of the design, each written once as a function of the loss under test.

A loss under test takes (logits, targets, weights, lengths, reduction); `step` makes it a function
of arrays in one dtype and mode. `test_loss_properties.py` runs the real loss and the mutants of
`loss_mutants.py` through the same functions.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from components.sequence_loss import REDUCTIONS, LossSum, sequence_loss, sequence_loss_sum

B, T, V = 4, 5, 7
PAD = 2  # columns added by `splitting`
SHAPED = ("none", "per_example", "per_example_sum")
# Their divisors count positions, whatever the weights.
COUNTS_POSITIONS = ("batch_mean", "length_mean")
# Sums are float32 also for half precision logits: 1e-5 is the design's bound, float64 has 2e-16.
VALUE = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 1e-5, "float16": 1e-5}
# A gradient is rounded to its logits' dtype on either side: twice half a unit in the last place.
GRADIENT = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 2.0**-8, "float16": 2.0**-10}


@dataclasses.dataclass(frozen=True)
class Arrays:
    """A batch: logits [B, T, V], targets [B, T], weights [B, T], lengths [B]."""

    logits: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray

    def rows(self, chosen: Sequence[int]) -> "Arrays":
        """Some of the rows, in the order given."""
        return Arrays(*(getattr(self, f.name)[chosen] for f in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Result:
    """Numerator (or the shaped loss), denominator (1 without), gradient of sum(numerator)."""

    value: np.ndarray
    denominator: np.ndarray
    gradient: np.ndarray


Loss = Callable[..., LossSum | tf.Tensor]
Step = Callable[[Arrays], dict[str, Result]]


def real(logits, targets, weights, lengths, reduction, **options):
    """The loss of the package."""
    if reduction in SHAPED:
        return sequence_loss(logits, targets, weights, reduction=reduction, **options)
    lengths = lengths if reduction == "length_mean" else None
    return sequence_loss_sum(
        logits, targets, weights, reduction=reduction, target_lengths=lengths, **options
    )


def step(loss: Loss, dtype: str, mode: str, reductions: Sequence[str] = REDUCTIONS) -> Step:
    """`loss` and its gradient for all `reductions` at once: one trace (one compilation) a shape."""

    def losses(logits, targets, weights, lengths):
        found = {}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            for name in reductions:
                total = loss(logits, targets, weights, lengths, name)
                total = total if isinstance(total, LossSum) else LossSum(total, None)
                found[name] = (*total, tf.reduce_sum(total.numerator))
        return {
            name: (value, tf.ones([]) if below is None else below, tape.gradient(summed, logits))
            for name, (value, below, summed) in found.items()
        }

    if mode != "eager":
        losses = tf.function(losses, jit_compile=mode == "xla", autograph=False)

    def run(arrays: Arrays) -> dict[str, Result]:
        tensors = tf.cast(arrays.logits, dtype), tf.constant(arrays.targets, tf.int32)
        rest = tf.constant(arrays.weights, tf.float32), tf.constant(arrays.lengths, tf.int32)
        return {
            name: Result(*(part.numpy().astype(np.float64) for part in parts))
            for name, parts in losses(*tensors, *rest).items()
        }

    return run


def batch(seed: int, lengths: Sequence[int]) -> Arrays:
    """Peaked, unequal logits; weights 0 to 2 that every dtype holds; 0 at and past each length."""
    random = np.random.default_rng(seed)
    weights = random.choice([0.0, 0.25, 0.5, 1.0, 2.0], size=(B, T), p=[0.1, 0.2, 0.2, 0.3, 0.2])
    return Arrays(
        logits=random.normal(size=(B, T, V)) * 3,
        targets=random.integers(0, V, size=(B, T)),
        weights=weights * (np.arange(T) < np.asarray(lengths)[:, None]),
        lengths=np.asarray(lengths),
    )


lengths = st.lists(st.sampled_from([T, 3, 0, 1, 4, 2]), min_size=B, max_size=B)
batches = st.builds(batch, st.integers(0, 10_000), lengths)


def divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, 0 where the denominator is."""
    return numerator / denominator if denominator else np.zeros_like(numerator)


def assert_close(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Equal to a share of the largest wanted number; 2^-24 is float16's smallest."""
    bound = tolerance * np.abs(wanted).max(initial=0.0) + (2.0**-24 if tolerance > 1e-9 else 1e-300)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=bound)


def masking(
    run: Step, eager: Step, dtype: str, arrays: Arrays, random: np.random.Generator
) -> None:
    """1: masked rows and columns are as good as deleted ones, in value and gradient."""
    rows = np.sort(random.choice(B, size=random.integers(1, B + 1), replace=False))
    columns = np.sort(random.choice(T, size=random.integers(1, T + 1), replace=False))
    kept = np.zeros([B, T], bool)
    kept[np.ix_(rows, columns)] = True
    masked = dataclasses.replace(arrays, weights=arrays.weights * kept)
    short = arrays.rows(rows)
    deleted = eager(
        Arrays(
            short.logits[:, columns], short.targets[:, columns], short.weights[:, columns],
            np.full(len(rows), len(columns)),
        )
    )  # fmt: skip
    for name, got in run(masked).items():
        if name in COUNTS_POSITIONS:
            continue
        wanted, value = deleted[name], got.value
        if name == "none":
            assert not value[~kept].any()
            value = value[np.ix_(rows, columns)]
        elif name in SHAPED:
            value = value[rows]
        mean = divided(wanted.value, wanted.denominator)
        assert_close(divided(value, got.denominator), mean, VALUE[dtype])
        gradient = divided(got.gradient, got.denominator)
        assert not gradient[~kept].any()
        alone = divided(wanted.gradient, wanted.denominator)
        assert_close(gradient[np.ix_(rows, columns)], alone, GRADIENT[dtype])


def poison(run: Step, eager: Step, dtype: str, arrays: Arrays, random: np.random.Generator) -> None:
    """2: NaN, +-Inf, huge numbers and impossible ids at weight 0 change no bit."""
    garbage = random.choice([np.nan, np.inf, -np.inf, 6e4, -6e4, 3e38], size=arrays.logits.shape)
    ids = random.choice([-1, V, 10**9, -(2**31)], size=arrays.targets.shape)
    dead = arrays.weights == 0
    dirty = dataclasses.replace(
        arrays,
        logits=np.where(dead[..., None], garbage, arrays.logits),
        targets=np.where(dead, ids, arrays.targets),
    )
    clean, dirty = run(arrays), run(dirty)
    for name, got in dirty.items():
        for part in ("value", "denominator", "gradient"):
            assert np.isfinite(getattr(got, part)).all(), (name, part)
            np.testing.assert_array_equal(getattr(got, part), getattr(clean[name], part))
        assert not got.gradient[dead].any()


def splitting(
    run: Step, eager: Step, dtype: str, arrays: Arrays, random: np.random.Generator
) -> None:
    """3: two halves of the rows, in another order and padded wider, add up to the whole."""
    order = random.permutation(B)
    noise = random.normal(size=(B, PAD, V))
    wide = Arrays(
        np.concatenate([arrays.logits, noise], axis=1),
        np.pad(arrays.targets, [(0, 0), (0, PAD)]),
        np.pad(arrays.weights, [(0, 0), (0, PAD)]),
        arrays.lengths,
    )
    whole, halves = run(arrays), [order[: B // 2], order[B // 2 :]]
    parts = [run(wide.rows(half)) for half in halves]
    for name, wanted in whole.items():
        first, second = (part[name] for part in parts)
        gradient = np.zeros_like(wide.logits)
        gradient[halves[0]], gradient[halves[1]] = first.gradient, second.gradient
        if wanted.value.ndim:
            value = np.zeros([B, *first.value.shape[1:]])
            value[halves[0]], value[halves[1]] = first.value, second.value
            below = np.ones([])
            if name == "none":
                assert not value[:, T:].any()
                value = value[:, :T]
        else:
            value = first.value + second.value
            shared = name == "token_sum"  # a plain sum: the divisor is 1, not 1 + 1
            below = first.denominator + (0 if shared else second.denominator)
        mean = divided(wanted.value, wanted.denominator)
        assert_close(divided(value, below), mean, VALUE[dtype])
        assert not gradient[:, T:].any()
        undivided = divided(wanted.gradient, wanted.denominator)
        assert_close(divided(gradient[:, :T], below), undivided, GRADIENT[dtype])


def parity(run: Step, eager: Step, dtype: str, arrays: Arrays, random: np.random.Generator) -> None:
    """5: the formulas in float64 NumPy, value and gradient; plain cross-entropy of ids only."""
    scale = random.choice([0.5, 1.0, 2.0])  # "mean" divides by weights, not by a count of them
    arrays = dataclasses.replace(arrays, weights=arrays.weights * scale)
    logits = tf.cast(tf.cast(arrays.logits, dtype), tf.float64).numpy()
    losses, slopes = cross_entropy(logits, arrays.targets)
    for name, got in run(arrays).items():
        divisor = np.broadcast_to(DIVISORS[name](arrays.weights, arrays.lengths), [B, T])
        share = np.divide(arrays.weights, divisor, out=np.zeros([B, T]), where=divisor != 0)
        wanted = share * losses
        if name in ("per_example", "per_example_sum"):
            wanted = wanted.sum(1)
        elif name != "none":
            wanted = wanted.sum()
        assert_close(divided(got.value, got.denominator), wanted, VALUE[dtype])
        gradient = divided(got.gradient, got.denominator)
        assert_close(gradient, share[..., None] * slopes, GRADIENT[dtype])


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Token losses [B, T] and their gradients to the logits [B, T, V], float64."""
    shifted = logits - logits.max(-1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    wanted = np.eye(logits.shape[-1])[targets]
    return -(wanted * logp).sum(-1), np.exp(logp) - wanted


# reduction -> what each w * l is divided by, from weights [B, T] and lengths [B]: TensorFlow 1's
# (golden/README.md, section 1), and the two that it had not.
DIVISORS = {
    "none": lambda w, n: 1.0,
    "token_sum": lambda w, n: 1.0,
    "per_example_sum": lambda w, n: 1.0,
    "token_mean": lambda w, n: w.sum(),
    "per_example": lambda w, n: w.sum(1, keepdims=True),
    "nonzero_mean": lambda w, n: np.count_nonzero(w),
    "batch_mean": lambda w, n: B,
    "example_mean": lambda w, n: w.sum(1, keepdims=True) * np.count_nonzero(w.sum(1)),
    "length_mean": lambda w, n: np.minimum(n, T).sum(),
}
PROPERTIES = {
    "masking": masking,
    "poison": poison,
    "splitting": splitting,
    "parity": parity,
}
