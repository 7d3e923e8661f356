"""Scores by position: against float64, in any chunks, near a loss of 0, with poison beside them."""

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import token_cross_entropy, token_scores

B, T, D, V = 5, 7, 6, 11


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Unequal rows, one without any live position; logits far from uniform."""
    random = np.random.default_rng(0)
    live = np.arange(T) < np.array([7, 3, 0, 1, 5])[:, None]
    live[0, 2] = False
    return {
        "hidden": random.normal(size=(B, T, D)).astype(np.float32),
        "kernel": 2 * random.normal(size=(D, V)).astype(np.float32),
        "bias": random.normal(size=V).astype(np.float32),
        "targets": random.integers(0, V, (B, T)),
        "live": live,
    }


def oracle(hidden, kernel, bias, targets, live) -> tuple[np.ndarray, ...]:
    """(losses, likeliest, log p(likeliest)) in float64."""
    logits = hidden.astype(np.float64) @ kernel.astype(np.float64) + bias
    largest = logits.max(axis=-1)
    normaliser = largest + np.log(np.exp(logits - largest[..., None]).sum(axis=-1))
    losses = normaliser - np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    found = losses, logits.argmax(axis=-1), largest - normaliser
    return tuple(np.where(live, values, 0) for values in found)


@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
@pytest.mark.parametrize("graph", [False, True])
def test_scores_are_those_of_float64_in_any_chunks(arrays, chunk, graph: bool) -> None:
    function = tf.function(token_scores, autograph=False) if graph else token_scores
    found = function(**arrays, chunk_tokens=chunk)
    losses, likeliest, log_probabilities = oracle(**arrays)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-6, atol=2e-6)
    np.testing.assert_array_equal(found.likeliest, likeliest)
    np.testing.assert_allclose(found.log_probabilities, log_probabilities, rtol=1e-6, atol=1e-6)


def test_float64_stays_float64_and_a_tied_kernel_is_transposed(arrays) -> None:
    wide = {n: v.astype(np.float64) if v.dtype == np.float32 else v for n, v in arrays.items()}
    wide["kernel"] = wide["kernel"].T
    found = token_scores(**wide, transpose_kernel=True)
    for got, wanted in zip(found, oracle(**arrays), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gap", [5.0, 9.0, 14.0])
def test_a_loss_near_zero_keeps_its_digits(gap: float) -> None:
    """logsumexp(x) - x_t in float32 has only those that the logits leave it."""
    logits = np.array([[[20.0, 20.0 - gap, 20.0 - gap - 1, -3.0]]], np.float32)
    found = token_scores(logits, np.eye(4, dtype=np.float32), None, [[0]], [[True]])
    wanted = np.log1p(np.exp(logits[0, 0, 1:].astype(np.float64) - 20).sum())
    assert float(found.losses[0, 0]) == pytest.approx(wanted, rel=1e-6)
    assert float(found.log_probabilities[0, 0]) == pytest.approx(-wanted, rel=1e-6)
    coarse = float(token_cross_entropy(logits, [[0]])[0, 0])
    assert gap < 6 or coarse != pytest.approx(wanted, rel=1e-6)


def test_equal_logits_and_banned_classes() -> None:
    """Of equal logits the first; a class whose logit is -inf is never chosen, and costs everything."""
    zero, kernel = np.zeros((1, 2, 1), np.float32), np.zeros((1, 3), np.float32)
    found = token_scores(zero, kernel, np.array([1, 3, 3], np.float32), [[2, 0]], [[1, 1]])
    np.testing.assert_array_equal(found.likeliest, [[1, 1]])
    wanted = np.log(2 + np.exp(-2.0))
    np.testing.assert_allclose(found.losses, [[wanted, wanted + 2]], rtol=1e-6)
    found = token_scores(zero, kernel, np.array([2, -np.inf, 2], np.float32), [[2, 1]], [[1, 1]])
    np.testing.assert_allclose(found.losses, [[np.log(2), np.inf]], rtol=1e-6)


def test_what_is_not_live_changes_no_bit(arrays) -> None:
    clean = token_scores(**arrays)
    dead = ~arrays["live"]
    arrays["hidden"][dead] = np.nan
    arrays["targets"][dead] = -7
    for got, wanted in zip(token_scores(**arrays), clean, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_poison_where_it_counts_is_returned_and_a_wild_id_is_not(arrays) -> None:
    arrays["hidden"][1, 2, 0] = np.nan
    losses = token_scores(**arrays).losses.numpy()
    assert np.isnan(losses[1, 2])
    assert np.isfinite(losses).sum() == B * T - 1
    arrays["targets"][4, 3] = V
    with pytest.raises(tf.errors.InvalidArgumentError, match="example 4, position 3, got 11"):
        token_scores(**arrays)


@pytest.mark.parametrize("rows", [0, 2])
def test_nothing_live_is_nothing(arrays, rows: int) -> None:
    arrays["live"][:] = False
    few = {n: v if n in ("kernel", "bias") else v[:rows] for n, v in arrays.items()}
    for graph in (token_scores, tf.function(token_scores, autograph=False)):
        for value in graph(**few):
            np.testing.assert_array_equal(value, np.zeros((rows, T)))


def test_no_logits_of_all_positions_are_made(arrays) -> None:
    """In the graph every tensor of V columns is one of a chunk: none is [B * T, V] or [B, T, V]."""
    names = ("hidden", "targets", "live")
    specs = {n: tf.TensorSpec([None, None, *v.shape[2:]], v.dtype) for n, v in arrays.items()}
    specs = {name: specs[name] for name in names}
    graph = tf.function(
        lambda **given: token_scores(kernel=arrays["kernel"], bias=arrays["bias"], **given),
        autograph=False,
    ).get_concrete_function(**specs)
    outside = [out.shape for op in graph.graph.get_operations() for out in op.outputs]
    assert not [s for s in outside if s.rank and s.rank > 1 and s[-1] == V and s != (D, V)]
