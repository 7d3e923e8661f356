"""Beam search against a search of everything, greedy search, and hand arithmetic."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.decoding import Rules, beam_search, greedy
from components.trainer.models import ModelSpec, build_model

BOS, EOS, PAD = 2, 3, 0


def test_equals_brute_force(path_model) -> None:
    """A beam as wide as there are sequences: the best of all that end, by log P / lp."""
    rows, size, longest = 5, 4, 4
    model, features = path_model(rows, size), {"row": tf.range(rows)}
    lengths = set()
    for alpha, forbidden in [(0.0, ()), (0.6, ()), (3.0, ()), (6.0, (PAD,))]:
        rules = Rules(BOS, EOS, PAD, longest, forbidden)
        found = beam_search(model, features, rules, beam_size=size**longest, length_penalty=alpha)
        for row in range(rows):
            best = max(
                _ending(size, longest, forbidden),
                key=lambda ids, row=row: model.log_probability(row, ids) / _lp(len(ids), alpha),
            )
            assert _ids(found, row) == list(best)
            expected = model.log_probability(row, best)
            np.testing.assert_allclose(found.log_probability[row], expected, rtol=1e-6)
            lengths.add(len(best))
    assert {1, longest} <= lengths


def test_prompts_are_continued_and_cost_nothing(path_model) -> None:
    """Brute force over what follows the prompt; |Y| and log P count only what was chosen."""
    prompts = [(), (1,), (EOS, 2), (1, 0, 1, 2), (1, 1, 1, 1, 1)]
    rows, size, longest, alpha = len(prompts), 4, 4, 1.5
    model, rules = path_model(rows, size), Rules(BOS, EOS, PAD, longest)
    found = beam_search(
        model,
        {"row": tf.range(rows)},
        rules,
        beam_size=size**longest,
        length_penalty=alpha,
        prompts=tf.constant([[*prompt, *[3] * 5][:5] for prompt in prompts], tf.int64),
        prompt_lengths=tf.constant([len(prompt) for prompt in prompts]),
    )
    for row, prompt in enumerate(prompts):
        kept = prompt[:longest]
        best = max(
            (kept + rest for rest in _ending(size, longest - len(kept), ())),
            key=lambda ids, row=row, kept=kept: (
                model.log_probability(row, ids, len(kept)) / _lp(len(ids) - len(kept), alpha)
            ),
            default=kept,  # the prompt leaves no room
        )
        assert _ids(found, row) == list(best)
        assert found.generated[row] == len(best) - len(kept)
        expected = model.log_probability(row, best, len(kept))
        np.testing.assert_allclose(found.log_probability[row], expected, rtol=1e-6)


def test_a_beam_of_one_is_greedy(path_model) -> None:
    rows = 60
    model, features = path_model(rows, 6), {"row": tf.range(rows)}
    rules = Rules(BOS, EOS, PAD, 5, (PAD, BOS))
    expected = greedy(model, features, rules)
    assert 5 < np.sum(expected.lengths == 5) < 55  # some end early, some not
    for alpha in (0.0, 3.0):
        found = beam_search(model, features, rules, beam_size=1, length_penalty=alpha)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_row_does_not_depend_on_the_others(path_model) -> None:
    rows = 12
    model, rules = path_model(rows, 6), Rules(BOS, EOS, PAD, 6)
    options = {"beam_size": 3, "length_penalty": 0.6}
    together = beam_search(model, {"row": tf.range(rows)}, rules, **options)
    for row in range(rows):
        alone = beam_search(model, {"row": tf.constant([row])}, rules, **options)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], other[row])


def test_length_penalty_by_hand(path_model) -> None:
    """P(eos) = 0.5; P(1, eos) = 0.5 * 0.9. Per lp with alpha 1: -0.6931 and -0.7985 / (7 / 6)."""
    model = path_model(1, 4)
    model.script({(): [0, 0.5, 0, 0.5], (1,): [0, 0.1, 0, 0.9]})
    for alpha, ids, probability in [(0.0, [EOS], 0.5), (1.0, [1, EOS], 0.45)]:
        found = beam_search(
            model,
            {"row": tf.constant([0])},
            Rules(BOS, EOS, PAD, 2),
            beam_size=2,
            length_penalty=alpha,
        )
        assert _ids(found, 0) == ids
        np.testing.assert_allclose(found.log_probability, [math.log(probability)], rtol=1e-6)


def test_a_wider_beam_finds_what_greedy_misses(path_model) -> None:
    """Greedy takes 1 (0.6), after which all is unlikely; 2 (0.4) ends surely."""
    model = path_model(1, 4)
    model.script({(): [0, 0.6, 0.4, 0], (1,): [0.25, 0.25, 0.25, 0.25], (2,): [0, 0, 0, 1.0]})
    rules = Rules(BOS, EOS, PAD, 2)
    assert _ids(greedy(model, {"row": tf.constant([0])}, rules), 0)[0] == 1
    assert _ids(beam_search(model, {"row": tf.constant([0])}, rules, beam_size=2), 0) == [2, EOS]


def test_stops_when_nothing_better_can_come(path_model) -> None:
    """P(1, eos) = 0.54, and every other hypothesis has at most 0.4 then: two steps of fifty."""
    model = path_model(1, 4)
    model.script({(): [0, 0.6, 0.4, 0], (1,): [0, 0.1, 0, 0.9], (2,): [0, 0.5, 0.4, 0.1]})
    found = beam_search(model, {"row": tf.constant([0])}, Rules(BOS, EOS, PAD, 50), beam_size=3)
    assert _ids(found, 0) == [1, EOS]
    assert model.steps.numpy() == 2


def test_without_an_end_the_likeliest_is_cut(path_model) -> None:
    model = path_model(2, 4)
    model.script({(): [0, 0.6, 0.4, 0], (1,): [0, 0.3, 0.7, 0], (2,): [0, 0.5, 0.5, 0]})
    found = beam_search(model, {"row": tf.constant([0, 1])}, Rules(BOS, EOS, PAD, 2), beam_size=2)
    assert found.ids.numpy().tolist() == [[1, 2]] * 2
    assert found.lengths.numpy().tolist() == [2, 2]
    np.testing.assert_allclose(found.log_probability, [math.log(0.42)] * 2, rtol=1e-6)


@pytest.mark.parametrize("family", ["gru", "lstm", "transformer"])
def test_states_and_caches_follow_their_hypotheses(family: str) -> None:
    """Brute force with the whole model on whole sequences, where the source is padded with noise."""
    size, longest, rows = 4, 3, 10
    model = build_model(
        ModelSpec(
            task="seq2seq",
            family=family,
            vocabulary_size=size,
            input_vocabulary_size=6,
            units=4,
            layers=2,
            heads=2,
            feed_forward=8,
            max_length=6,
        )
    )
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:
        variable.assign(variable + generator.normal(0, 0.8, variable.shape))
        if variable.name == "projection_bias":  # eos is rare
            variable.assign([0.3, -0.2, 0.1, -4.0])
    features = {
        "inputs": tf.constant(generator.integers(0, 6, (rows, 5))),
        "input_lengths": tf.constant([5, 2, 0, 5, 4, 3, 1, 5, 2, 4], tf.int64),
    }
    sequences = list(_ending(size, longest, ()))
    padded = np.array([[*ids, *[0] * longest][:longest] for ids in sequences])
    shifted = np.concatenate([np.full([len(padded), 1], BOS), padded[:, :-1]], axis=1)
    rules, alpha = Rules(BOS, EOS, PAD, longest), 5.0
    found = beam_search(model, features, rules, beam_size=size**longest, length_penalty=alpha)
    narrow = beam_search(model, features, rules, beam_size=1)
    np.testing.assert_array_equal(narrow.ids, greedy(model, features, rules).ids)
    for row in range(rows):
        batch = {
            name: tf.repeat(value[row : row + 1], len(padded), 0)
            for name, value in features.items()
        }
        batch["decoder_inputs"] = tf.constant(shifted)
        batch["target_lengths"] = tf.constant([len(ids) for ids in sequences], tf.int64)
        said = tf.gather(tf.nn.log_softmax(model(batch)), padded, batch_dims=2).numpy()
        sums = [one[: len(ids)].sum() for one, ids in zip(said, sequences, strict=True)]
        best = max(
            range(len(sums)), key=lambda place: sums[place] / _lp(len(sequences[place]), alpha)
        )
        assert _ids(found, row) == list(sequences[best])
        # Step by step and as a whole, float32 rounds differently.
        np.testing.assert_allclose(found.log_probability[row], sums[best], rtol=1e-5, atol=1e-5)
    # Longer ones, which change places on their way: what is said of them is what the model says.
    found = beam_search(model, features, Rules(BOS, EOS, PAD, 6), beam_size=2, length_penalty=alpha)
    assert np.max(found.lengths) == 6
    shifted = tf.concat([tf.fill([rows, 1], tf.constant(BOS, tf.int64)), found.ids[:, :-1]], axis=1)
    batch = {**features, "decoder_inputs": shifted, "target_lengths": found.lengths}
    said = tf.gather(tf.nn.log_softmax(model(batch)), found.ids, batch_dims=2)
    sums = tf.reduce_sum(tf.where(tf.sequence_mask(found.lengths, 6), said, 0.0), axis=1)
    np.testing.assert_allclose(found.log_probability, sums, rtol=1e-5, atol=1e-5)


def test_what_makes_no_sense_is_refused(path_model) -> None:
    model, rules = path_model(1, 4), Rules(BOS, EOS, PAD, 2)
    with pytest.raises(ValueError, match="got beam_size 0"):
        beam_search(model, {"row": tf.constant([0])}, rules, beam_size=0)
    with pytest.raises(ValueError, match="length_penalty -1"):
        beam_search(model, {"row": tf.constant([0])}, rules, beam_size=1, length_penalty=-1)
    with pytest.raises(ValueError, match="without which no row ends"):
        Rules(BOS, EOS, PAD, 2, (EOS,))
    with pytest.raises(ValueError, match="max_length: got 0"):
        Rules(BOS, EOS, PAD, 0)


def _lp(length: int, alpha: float) -> float:
    return ((5 + length) / (5 + 1)) ** alpha


def _ending(size: int, longest: int, forbidden: tuple[int, ...]):
    """All sequences of at most `longest` ids of which only the last is eos."""
    words = [word for word in range(size) if word != EOS and word not in forbidden]
    for length in range(longest):
        for before in itertools.product(words, repeat=length):
            yield (*before, EOS)


def _ids(found, row: int) -> list[int]:
    length = int(found.lengths[row])
    assert set(found.ids[row, length:].numpy().tolist()) <= {PAD}
    return found.ids[row, :length].numpy().tolist()
