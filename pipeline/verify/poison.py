"""Invariant 2: what stands at weight 0 changes no bit; a bad number at weight > 0 is an error."""

import dataclasses
import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from components import sequence_loss as loss
from pipeline.verify import batches, measure, oracle
from pipeline.verify.case import Case, Probe, size_of
from pipeline.verify.certificate import FAIL, PASS, Check
from pipeline.verify.compare import Pair, identical, not_exercised

_BAD = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], np.float32)


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 2."""
    clean = case.probe.longer(case.random())
    dirty = poisoned(clean, case.random())
    kinds: list[tuple[str, dict[str, float]]] = [(name, {}) for name in oracle.REDUCTIONS]
    if case.smoothing:
        kinds.append(("token_mean", case.smoothing))
    values, gradients = [], []
    for name, options in kinds:
        said = ", ".join([name, *options])
        wanted = measure.measure(clean, name, **options)
        got = measure.measure(dirty, name, **options)
        values.append(Pair(said, got.value, wanted.value))
        gradients.append(Pair(said, got.gradient, wanted.gradient))
        dead = got.gradient[~clean.live]
        gradients.append(Pair(f"{said} at weight 0", dead, np.zeros_like(dead)))
    what = f"NaN, ±Inf, wild ids at {clean.masked:,} masked positions"
    yield identical(2, f"loss: {what}", values, size=clean.size)
    yield identical(2, "gradient to the logits: the same", gradients, size=clean.size)
    yield from _wild_ids(case)
    yield _named(clean, case.random())


def poisoned(probe: Probe, random: np.random.Generator) -> Probe:
    """NaN, infinities and ids outside the vocabulary wherever the weight is 0."""
    size = probe.logits.shape[-1]
    dead = ~probe.live
    garbage = random.choice(_BAD, probe.logits.shape)
    states = random.choice(_BAD, probe.hidden.shape)
    wild = random.choice(np.array([-1, size, 10**9, -(2**31)]), probe.targets.shape)
    return dataclasses.replace(
        probe,
        logits=np.where(dead[..., None], garbage, probe.logits),
        hidden=np.where(dead[..., None], states, probe.hidden),
        targets=np.where(dead, wild, probe.targets),
    )


def _wild_ids(case: Case) -> Iterator[Check]:
    """Ids that no embedding has, at all padding of the model's inputs and targets."""
    compared = "model: ids -1 and 10⁹ at padding"
    batch = case.longest(case.passes)
    dirty = batches.with_padding(batch, np.array([-1, 10**9]), case.random())
    if all(np.array_equal(batch[name], dirty[name]) for name in batch):
        yield not_exercised(2, compared, "no padding, and the model has no position for more")
        return
    before, after = case.model.sums_and_gradient(batch), case.model.sums_and_gradient(dirty)
    pairs = [
        Pair("loss sum", after.numerator, before.numerator),
        Pair("weight sum", after.denominator, before.denominator),
        Pair("gradient", after.gradient, before.gradient),
    ]
    yield identical(2, compared, pairs, size=size_of(batch))


def _named(probe: Probe, random: np.random.Generator) -> Check:
    """One NaN at a position with weight: the error must name the example and the position."""
    compared = "NaN at a weighted position: an error that names it"
    places = np.argwhere(probe.live)
    if not len(places):
        return not_exercised(2, compared, "no position has weight")
    row, position = map(int, random.choice(places))
    logits = probe.logits.copy()
    logits[row, position] = np.nan
    try:
        found = loss.sequence_loss(logits, probe.targets, probe.weights)
        said = f"no error: the loss is {float(found)}"
        named = False
    except tf.errors.InvalidArgumentError as error:
        said = " ".join(error.message.split())[:160]
        named = bool(re.search(rf"example\D+{row}\b\D+position\D+{position}\b", said))
    size = probe.size
    status = PASS if named else FAIL
    return Check(2, compared, size.rows, size.tokens, None, None, "an error", status, said)
