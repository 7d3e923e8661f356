"""Invariant 1: masking equals deleting, for the loss and through the model."""

from collections.abc import Iterator

import numpy as np

from pipeline.verify import batches, measure
from pipeline.verify.case import Case, Probe, size_of
from pipeline.verify.certificate import Check
from pipeline.verify.compare import GRADIENT, VALUE, Pair, close, not_exercised
from pipeline.verify.sample import Arrays
from transform import features

# The others keep rows apart, or count positions whatever their weight (batch_mean, length_mean).
_OF_TOKENS = ("token_mean", "token_sum", "nonzero_mean")
_OF_ROWS = ("per_example", "per_example_sum", "example_mean")
_MOST_ROWS = 16  # that are run one by one


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 1."""
    own = case.probe
    if own.masked:
        yield from _deleted(case, own, f"the data's {own.masked:,} masked positions")
    else:
        yield not_exercised(1, "loss: the data's masked positions", "no padding in the sample")
    grown = own.longer(case.random())
    yield from _deleted(case, grown, f"with {grown.masked - own.masked:,} more of weight 0")
    yield from _through_the_model(case)


def _deleted(case: Case, probe: Probe, what: str) -> Iterator[Check]:
    """Loss and gradient with masked positions against those of the arrays without them."""
    alone = _tokens_alone(probe)
    found = [_compared(name, probe, alone) for name in _OF_TOKENS]
    if case.smoothing:
        found.append(_compared("token_mean", probe, alone, **case.smoothing))
    few = probe.rows(slice(0, _MOST_ROWS))
    found += [_row_by_row(name, few) for name in _OF_ROWS]
    values, gradients = zip(*found, strict=True)
    yield close(1, f"loss: {what}", values, relative=VALUE, size=probe.size)
    compared = f"gradient to the logits: {what}"
    yield close(1, compared, gradients, relative=GRADIENT, size=probe.size)


def _tokens_alone(probe: Probe) -> Probe:
    """The live positions as one row without padding."""
    live = probe.live
    return Probe(
        probe.hidden[live][None],
        probe.logits[live][None],
        probe.targets[live][None],
        probe.weights[live][None],
        np.array([live.sum()]),
    )


def _compared(name: str, masked: Probe, alone: Probe, **options: float) -> tuple[Pair, Pair]:
    """A reduction over all tokens: (value, gradient)."""
    got = measure.measure(masked, name, **options)
    wanted = measure.measure(alone, name, **options)
    gradient = np.zeros_like(got.gradient)
    gradient[masked.live] = wanted.gradient[0]
    nats = measure.nats(masked, name), measure.gradient_nats(masked, name)
    said = ", ".join([name, *options])
    return (
        Pair(said, got.value, wanted.value, nats[0]),
        Pair(said, got.gradient, gradient, nats[1]),
    )


def _row_by_row(name: str, probe: Probe) -> tuple[Pair, Pair]:
    """The same for a reduction that keeps rows apart: each row alone, without its padding."""
    got = measure.measure(probe, name)
    rows = [probe.rows([row]) for row in range(len(probe.weights))]
    own = "per_example" if name == "example_mean" else name
    alone = [measure.measure(_tokens_alone(row), own) for row in rows if row.live.any()]
    full = [row for row, one in enumerate(rows) if one.live.any()]
    values, gradient = np.zeros(len(rows)), np.zeros_like(got.gradient)
    for row, one in zip(full, alone, strict=True):
        values[row] = one.value[0]
        gradient[row][probe.live[row]] = one.gradient[0]
    if name == "example_mean":
        counted = max(1, len(full))
        values, gradient = np.asarray(values.sum() / counted), gradient / counted
    nats = measure.nats(probe, name), measure.gradient_nats(probe, name)
    return Pair(name, got.value, values, nats[0]), Pair(name, got.gradient, gradient, nats[1])


def _through_the_model(case: Case) -> Iterator[Check]:
    """Loss and gradient to every variable: padding changed, and each row alone without padding."""
    batch = case.longest(case.passes)
    padded = int(sum(batches.padding(batch, name).sum() for name in _ids(batch)))
    changed = "model: ids at padding changed"
    if not padded:
        yield not_exercised(1, changed, "no padding, and the model has no position for more")
        return
    ids = np.arange(case.model.vocabulary_size)
    if features.INPUTS in batch:
        ids = ids[: case.model.network.spec.input_vocabulary_size]
    other = batches.with_padding(batch, ids, case.random())
    before, after = case.model.sums_and_gradient(batch), case.model.sums_and_gradient(other)
    yield measure.close_sums(1, f"{changed} ({padded:,})", [after], before, size_of(batch))
    few = batches.rows(batch, slice(0, _MOST_ROWS))
    alone = [batches.trimmed(batches.rows(few, [row])) for row in range(size_of(few).rows)]
    parts = [case.model.sums_and_gradient(row) for row in alone]
    whole = case.model.sums_and_gradient(few)
    yield measure.close_sums(
        1, "model: each row alone, without padding", parts, whole, size_of(few)
    )


def _ids(batch: Arrays) -> list[str]:
    wanted = (features.TARGETS, features.INPUTS, features.INPUT_CHARS)
    return [name for name in wanted if name in batch]
