"""Sampling: literal truncations, frequencies against exact probabilities, rows on their own."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.decoding import DecodeOptions, Rules, decode, sample, sampling

BOS, EOS, PAD = 2, 3, 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.3, 0.5, 0.05, 0.15]),
        ({"top_k": 4}, [0.3, 0.5, 0.05, 0.15]),
        ({"top_k": 9}, [0.3, 0.5, 0.05, 0.15]),
        ({"top_k": 1}, [0, 1, 0, 0]),
        ({"top_k": 3}, [0.3 / 0.95, 0.5 / 0.95, 0, 0.15 / 0.95]),
        ({"top_p": 0.4}, [0, 1, 0, 0]),  # the likeliest alone has more
        ({"top_p": 0.7}, [0.375, 0.625, 0, 0]),
        ({"top_p": 0.81}, [0.3 / 0.95, 0.5 / 0.95, 0, 0.15 / 0.95]),
        # Of the three that top-k leaves, the first two have 0.842 together.
        ({"top_k": 3, "top_p": 0.83}, [0.375, 0.625, 0, 0]),
        ({"top_k": 3, "top_p": 0.85}, [0.3 / 0.95, 0.5 / 0.95, 0, 0.15 / 0.95]),
        # Squares 0.09, 0.25, 0.0025, 0.0225; the first has 0.685 of their sum.
        ({"temperature": 0.5, "top_p": 0.68}, [0, 1, 0, 0]),
        ({"temperature": 0.5, "top_k": 2}, [0.09 / 0.34, 0.25 / 0.34, 0, 0]),
        ({"temperature": 1e-4}, [0, 1, 0, 0]),
    ],
)
def test_what_is_drawn_from(options: dict, expected: list[float]) -> None:
    given = tf.math.log([[0.3, 0.5, 0.05, 0.15]])
    weights, ids = sampling.truncated(given, **options)
    found = np.zeros(4)
    found[ids[0].numpy()] = weights[0].numpy() / weights[0].numpy().sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_id_of_no_weight_is_never_picked() -> None:
    weights = tf.constant([[0.0, 0.25, 0.0, 0.75, 0.0]] * 5)
    ids = tf.constant([[10, 11, 12, 13, 14]] * 5, tf.int64)
    uniforms = tf.constant([0.0, 0.249, 0.25, 0.9, 1 - 2.0**-23])
    assert sampling.pick(weights, ids, uniforms).numpy().tolist() == [11, 11, 13, 13, 13]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7},
        {"top_k": 3},
        {"top_p": 0.8},
        {"temperature": 1.5, "top_k": 4, "top_p": 0.9},
    ],
)
def test_frequencies_of_whole_sequences(path_model, options: dict) -> None:
    """Pearson's chi-squared of 5,000 rows over all sequences of two positions; pad is forbidden."""
    rows, size = 5_000, 6
    model = path_model(1, size)
    rules = Rules(BOS, EOS, PAD, 2, (PAD,))
    features = {"row": tf.zeros([rows], tf.int64)}
    seeds = tf.range(rows, dtype=tf.int64)
    # As a graph: drawing for so many rows one by one would be slow.
    found = tf.function(lambda: sample(model, features, rules, row_seeds=seeds, **options))()
    counts: dict[tuple[int, ...], int] = {}
    for ids, length in zip(found.ids.numpy(), found.lengths.numpy(), strict=True):
        key = tuple(ids[:length])
        counts[key] = counts.get(key, 0) + 1
    exact = _exact(model, size, **options)
    assert counts.keys() <= {ids for ids, probability in exact.items() if probability > 0}
    expected = {ids: rows * p for ids, p in exact.items() if p > 0}
    statistic = sum((counts.get(ids, 0) - e) ** 2 / e for ids, e in expected.items())
    freedom = len(expected) - 1
    # Mean f, variance 2 f; five standard deviations.
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)
    for ids, length, said in list(
        zip(found.ids, found.lengths, found.log_probability, strict=True)
    )[:20]:
        own = tuple(ids[:length].numpy())
        np.testing.assert_allclose(said, model.log_probability(0, own), rtol=1e-6)


def test_a_sample_is_the_rows_own(path_model) -> None:
    """Equal ids, equal sample: alone, in a batch, and whatever the padding holds."""
    model, rules = path_model(1, 6), Rules(BOS, EOS, PAD, 8)
    ids = tf.constant([[4, 5, 1], [4, 5, 9], [4, 1, 1], [5, 4, 0], [4, 5, 0]], tf.int64)
    lengths = tf.constant([3, 2, 1, 2, 2])
    seeds = sampling.row_seeds(ids, lengths)
    assert len(set(seeds.numpy().tolist())) == 4
    assert seeds[1] == seeds[4]
    np.testing.assert_array_equal(seeds[1], sampling.row_seeds(ids[4:, :2], lengths[4:])[0])
    together = sample(model, {"row": tf.zeros([5], tf.int64)}, rules, row_seeds=seeds)
    assert len({tuple(row) for row in sampling.uniforms(seeds, 42, 3).numpy()}) == 4
    np.testing.assert_array_equal(together.ids[1], together.ids[4])
    for row in range(5):
        one = {"row": tf.zeros([1], tf.int64)}
        alone = sample(model, one, rules, row_seeds=seeds[row : row + 1])
        for name in together._fields:
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])


def test_options_decide(path_model) -> None:
    """`decode` hands on every setting; the prompt is what a language model's row is told apart by."""
    model, rules = path_model(3, 6), Rules(BOS, EOS, PAD, 6)
    features = {"row": tf.range(3)}
    prompt = {
        "prompts": tf.constant([[4], [5], [4]], tf.int64),
        "prompt_lengths": tf.constant([1, 1, 0]),
    }

    def ids(**options) -> list:
        return (
            decode(model, features, rules, DecodeOptions(**options), **prompt).ids.numpy().tolist()
        )

    greedy = ids()
    assert ids(method="beam") == greedy
    assert ids(method="beam", beam_size=6) != greedy
    assert ids(method="beam", beam_size=6) != ids(method="beam", beam_size=6, length_penalty=9.0)
    drawn = ids(method="sample")
    assert drawn == ids(method="sample") != greedy
    assert drawn != ids(method="sample", seed=43)
    for sure in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert ids(method="sample", **sure) == greedy
    assert [row[0] for row in drawn[:2]] == [4, 5]
    assert decode(model, features, rules, DecodeOptions("sample")).ids.shape == (3, 6)
    with pytest.raises(ValueError, match="got method 'best', expected greedy, beam or sample"):
        ids(method="best")


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}])
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="sampling: got temperature"):
        sampling.truncated(tf.zeros([1, 4]), **wrong)


def _exact(model, size: int, **options) -> dict[tuple[int, ...], float]:
    """Each sequence's probability: the truncation anew, in float64, over sorted lists."""
    first = _truncated(model, (), size, **options)
    exact = {(EOS,): first[EOS]}
    for one, two in itertools.product(range(size), range(size)):
        if one != EOS:
            exact[one, two] = first[one] * _truncated(model, (one,), size, **options)[two]
    return exact


def _truncated(model, before, size, *, temperature=1.0, top_k=0, top_p=1.0) -> list[float]:
    said = [model.log_probability(0, (*before, word), len(before)) for word in range(size)]
    weights = {word: math.exp(said[word] / temperature) for word in range(size) if word != PAD}
    ranked = sorted(weights, key=weights.__getitem__, reverse=True)[: top_k or size]
    total, kept, share = sum(weights[word] for word in ranked), [], 0.0
    for word in ranked:
        if share < top_p:
            kept.append(word)
        share += weights[word] / total
    total = sum(weights[word] for word in kept)
    return [weights[word] / total if word in kept else 0.0 for word in range(size)]
