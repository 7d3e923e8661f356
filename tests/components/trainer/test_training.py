"""Training: what is differentiated, what is reported, and that the same seed repeats it."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.sequence_loss import sequence_loss
from components.trainer import batching, optimizers, training
from components.trainer.models import build_model
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
    options,
)
from components.trainer.shown import Shown
from transform.features import Lengths
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    task="seq2seq",
    target=Side("target", "whitespace", 8),
    source=Side("source", "whitespace", 8),
)
VOCABULARY = Vocabulary((b"a", b"b", b"c", b"d", b"e"))
VOCABULARIES = Vocabularies({"source": VOCABULARY, "target": VOCABULARY}, "")


@pytest.fixture(scope="module")
def request_for(tmp_path_factory, write_rows, copy_rows):
    folder = tmp_path_factory.mktemp("data")
    train = write_rows(folder / "train.gz", copy_rows(200, seed=1))
    evaluate = write_rows(folder / "eval.gz", copy_rows(60, seed=2))

    def make(**changes) -> TrainRequest:
        train_options = TrainOptions(epochs=2, learning_rate=0.02, log_steps=5, decode_length=8)
        request = TrainRequest(
            train_files=(train,),
            eval_files=(evaluate,),
            transform_graph="",
            vocabulary="",
            serving_folder="",
            settings=SETTINGS,
            model=ModelOptions(units=16),
            loss=LossOptions(),
            batch=BatchOptions(size=16, bucket_multiple=2),
            train=train_options,
        )
        return dataclasses.replace(request, **changes)

    return make


@pytest.fixture(scope="module")
def batch(request_for) -> dict[str, tf.Tensor]:
    rows = batching.evaluation_batches(request_for().eval_files, Lengths(8, 8), size=24, multiple=1)
    return next(iter(rows))


def gradients(model, batch, loss: LossOptions) -> list[np.ndarray]:
    objective = training.Objective(model, SETTINGS, loss)
    with tf.GradientTape() as tape:
        value = objective.minimised(batch).loss
    found = tape.gradient(value, model.trainable_variables)
    return [tf.convert_to_tensor(gradient).numpy() for gradient in found]


@pytest.fixture(scope="module")
def model(request_for):
    return build_model(training.model_spec(request_for(), VOCABULARIES))


def test_the_gradient_is_that_of_summed_loss_over_summed_weight(model, batch) -> None:
    """Split a batch unevenly: gradients of the parts, weighted by sum w, give the whole's."""
    whole = gradients(model, batch, LossOptions())
    parts = [{name: value[at] for name, value in batch.items()} for at in (slice(5), slice(5, 24))]
    weights = [float(tf.reduce_sum(part["loss_weights"])) for part in parts]
    found = [gradients(model, part, LossOptions()) for part in parts]
    for index, gradient in enumerate(whole):
        joined = sum(w * part[index] for w, part in zip(weights, found, strict=True))
        np.testing.assert_allclose(joined / sum(weights), gradient, atol=2e-6)
    averaged = [(one + other) / 2 for one, other in zip(*found, strict=True)]
    assert any(not np.allclose(a, g, atol=1e-4) for a, g in zip(averaged, whole, strict=True))


def test_padding_and_its_ids_change_no_gradient(model, batch) -> None:
    spoilt = dict(batch)
    for name, length in (("targets", "target_lengths"), ("inputs", "input_lengths")):
        real = tf.sequence_mask(batch[length], tf.shape(batch[name])[1])
        spoilt[name] = tf.where(real, batch[name], 7)
        spoilt[name] = tf.pad(spoilt[name], [[0, 0], [0, 3]], constant_values=5)
    spoilt["loss_weights"] = tf.pad(batch["loss_weights"], [[0, 0], [0, 3]])
    for one, other in zip(
        gradients(model, batch, LossOptions()),
        gradients(model, spoilt, LossOptions()),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_smoothing_is_minimised_but_the_plain_loss_is_reported(model, batch) -> None:
    plain = training.Objective(model, SETTINGS, LossOptions())
    smoothed = training.Objective(model, SETTINGS, LossOptions(label_smoothing=0.2, z_loss=1e-2))
    found = smoothed.minimised(batch)
    minimised, reported, z_loss = found.loss, found.plain, found.z_loss.mean
    assert float(reported.mean) == pytest.approx(float(plain.plain(batch).mean), rel=1e-6)
    assert float(minimised) > float(reported.mean) + 1e-3
    without_z = training.Objective(model, SETTINGS, LossOptions(label_smoothing=0.2))
    difference = float(minimised) - float(without_z.minimised(batch).loss)
    assert float(z_loss) == pytest.approx(difference, rel=1e-3)
    assert float(z_loss) > 1e-2


@pytest.mark.parametrize(
    "reduction", ["example_mean", "batch_mean", "length_mean", "nonzero_mean", "token_sum"]
)
def test_every_reduction_can_be_trained(model, batch, reduction: str) -> None:
    found = training.Objective(model, SETTINGS, LossOptions(reduction=reduction)).minimised(batch)
    logits = model(training.Objective(model, SETTINGS, LossOptions()).inputs(batch), training=True)
    on_logits = sequence_loss(
        logits,
        batch["targets"],
        batch["loss_weights"],
        reduction=reduction,
        target_lengths=batch["target_lengths"],
    )
    assert float(found.loss) == pytest.approx(float(on_logits), rel=1e-6)
    plain = training.Objective(model, SETTINGS, LossOptions()).plain(batch)
    assert float(found.plain.mean) == pytest.approx(float(plain.mean), rel=1e-6)
    assert float(found.loss) != pytest.approx(float(plain.mean), rel=1e-4)


def test_training_learns_and_reports_numbers_that_do_not_depend_on_batches(request_for) -> None:
    lines: list[str] = []
    train = dataclasses.replace(request_for().train, epochs=6)
    model, history = training.train(request_for(train=train), VOCABULARIES, lines.append)
    first, last = history.points[0], history.points[-1]
    assert last.train_loss < 0.8 * first.train_loss
    plan = batching.plan(request_for().train_files, Lengths(8, 8), request_for().batch)
    assert history.steps == history.batches == 6 * plan.batches_per_epoch
    assert history.traces == 1
    assert sum(history.goodput.values()) - history.goodput["setup"] == pytest.approx(
        history.seconds, rel=0.02
    )
    assert history.useful_tokens > 0
    assert 0 <= history.padding_share < 0.3
    objective = training.Objective(model, SETTINGS, LossOptions())
    whole = batching.evaluation_batches(
        request_for().eval_files, Lengths(8, 8), size=60, multiple=1
    )
    loss = float(objective.plain(next(iter(whole))).mean)
    assert history.validation["masked_token_loss"] == pytest.approx(loss, rel=1e-6)
    assert "useful tokens/s" in lines[-1]
    assert "0 s left" in lines[-1]
    for shown in [
        f"{history.steps} steps",
        f"loss {last.train_loss:.4f}",
        f"validation {loss:.4f}",
        "useful",
    ]:
        assert shown in history.summary()
    json.dumps(history.to_dict())


def test_same_seed_same_weights_to_the_bit(request_for) -> None:
    request = request_for(model=ModelOptions(units=16, dropout=0.2))

    def weights(seed: int) -> list[np.ndarray]:
        train = dataclasses.replace(request.train, seed=seed, epochs=1)
        model, _ = training.train(
            dataclasses.replace(request, train=train), VOCABULARIES, lambda text: None
        )
        return [variable.numpy() for variable in model.trainable_variables]

    one, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_loss_that_is_not_finite_stops_training_with_advice(request_for) -> None:
    train = dataclasses.replace(
        request_for().train, optimizer="sgd", learning_rate=3e38, clip_norm=0.0
    )
    with pytest.raises(
        FloatingPointError,
        match=r"^step \d+: (non-finite loss .* example 0 position \d+ got|the loss of the batch is inf)"
        r".*train.learning_rate",
    ):
        training.train(request_for(train=train), VOCABULARIES, lambda text: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [(1, "got one of epoch 1, expected one of epoch 0"), (-1, "got one of epoch 0, expected one")],
)
def test_an_epoch_of_another_size_than_planned_is_an_error(
    request_for, monkeypatch, change: int, message: str
) -> None:
    plan = batching.plan(request_for().train_files, Lengths(8, 8), request_for().batch)
    other = dataclasses.replace(plan, batches_per_epoch=plan.batches_per_epoch + change)
    monkeypatch.setattr(batching, "plan", lambda *_: other)
    with pytest.raises(RuntimeError, match=message):
        training.train(request_for(), VOCABULARIES, lambda text: None)


def test_windows_of_batches_run_over_the_ends_of_epochs(request_for) -> None:
    train = dataclasses.replace(request_for().train, accumulation_steps=3, log_steps=1)
    plan = batching.plan(request_for().train_files, Lengths(8, 8), request_for().batch)
    _, history = training.train(request_for(train=train), VOCABULARIES, lambda text: None)
    assert history.batches == 2 * plan.batches_per_epoch
    assert history.batches % 3, "the last window of the run is to be a partial one"
    assert history.steps == history.batches // 3 + 1
    assert history.points[-1].step == history.steps
    assert history.points[-1].train_loss < history.points[0].train_loss


def test_bfloat16_trains_alike_and_gives_a_float32_model(request_for) -> None:
    losses = {}
    for precision in ("float32", "mixed_bfloat16"):
        train = dataclasses.replace(request_for().train, precision=precision, ema=0.5)
        request = request_for(train=train)
        model, history = training.train(request, VOCABULARIES, lambda text: None)
        losses[precision] = history.validation["masked_token_loss"]
        assert model.body.encoder.embedding.compute_dtype == "float32"
        objective = training.Objective(model, SETTINGS, LossOptions())
        whole = batching.evaluation_batches(request.eval_files, Lengths(8, 8), size=60, multiple=1)
        shown = float(objective.plain(next(iter(whole))).mean)
        assert losses[precision] == pytest.approx(shown, rel=1e-6)
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.03)
    assert losses["mixed_bfloat16"] != losses["float32"]


def test_bad_batches_are_skipped_up_to_the_limit_and_all_are_saved(request_for, tmp_path) -> None:
    train = dataclasses.replace(
        request_for().train,
        optimizer="sgd",
        learning_rate=3e38,
        clip_norm=0.0,
        on_bad_batch="skip",
        max_bad_batches=2,
    )
    told = r"; (that example is|the batch has \d+ rows:) '[a-e ]+'.*; .*3 bad batches, "
    told += r".*; all \d+ rows of the batch: "
    with pytest.raises(FloatingPointError, match=told):
        training.train(
            request_for(train=train, state_folder=str(tmp_path)), VOCABULARIES, lambda text: None
        )
    assert len(list((tmp_path / "bad_batches").iterdir())) == 3
    (written,) = tmp_path.glob("metrics/*/metrics.jsonl")  # a run that failed leaves them, too
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    assert [line["kind"] for line in lines[-2:]] == ["bad_batch", "bad_batch"]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))


def test_a_validation_that_is_not_finite_says_after_which_step(request_for, monkeypatch) -> None:
    def fails(*_: object) -> None:
        message = "assertion failed: [non-finite loss: example] [4] [position] [2] [got] [nan]"
        raise tf.errors.InvalidArgumentError(None, None, message)

    monkeypatch.setattr(Shown, "sums", fails)
    train = dataclasses.replace(request_for().train, epochs=None, steps=2)
    told = r"^validation after step 2: non-finite loss: example 4 position 2 got nan; lower train\."
    with pytest.raises(FloatingPointError, match=told):
        training.train(request_for(train=train), VOCABULARIES, lambda text: None)


def test_batches_without_weight_are_counted_and_limited(
    request_for, write_rows, copy_rows, tmp_path
) -> None:
    rows = copy_rows(32, seed=4)
    empty = write_rows(tmp_path / "empty.gz", [row | {"loss_weights": [0.0] * 8} for row in rows])
    with pytest.raises(InputError, match=r"train.max_empty_batches: got 1 of \d+ batches"):
        training.train(request_for(train_files=(empty,)), VOCABULARIES, lambda text: None)
    train = dataclasses.replace(request_for().train, max_empty_batches=1.0)
    request = request_for(train_files=(empty,), train=train)
    _, history = training.train(request, VOCABULARIES, lambda text: None)
    assert history.empty_batches == history.batches
    assert history.points[-1].train_loss == 0.0


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        ("constant", 0, 0.1),  # 1/10 of the warm-up
        ("constant", 9, 1.0),
        ("constant", 99, 1.0),
        ("linear", 10, 1.0),
        ("linear", 55, 0.5),
        ("linear", 100, 0.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
        ("inverse_square_root", 39, 0.5),  # sqrt(10 / 40)
    ],
)
def test_schedules(schedule: str, step: int, rate: float) -> None:
    made = optimizers.WarmupThen(schedule, 1.0, 10, 100)
    assert float(made(tf.constant(step))) == pytest.approx(rate, abs=1e-6)


def test_options_refuse_a_key_they_do_not_have() -> None:
    assert options(ModelOptions, '{"units": 7}').units == 7
    with pytest.raises(ValueError, match="unitz"):
        options(ModelOptions, '{"unitz": 7}')
