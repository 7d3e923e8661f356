"""The recorded calls once more in `tf.function` and under XLA: one trace for all of TF 1's flags."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import test_loss_golden as golden

SHAPE = (3, 5, 10)


def key_of(case):
    """What makes two recorded calls the same function: producer, function, flags."""
    return case.producer == "tf-1.13.2", case.function, tuple(sorted(case.flags.items()))


@functools.cache
def recorded(dtype):
    """Cases of one shape with id targets and no custom function."""
    return [
        case
        for case in golden.cases()
        if case.logits.shape == SHAPE
        and case.logits.dtype == dtype
        and case.targets.ndim == 2
        and case.custom is None
    ]


@functools.cache
def compiled(dtype, jit):
    """(logits, targets, weights) -> {call: {kind: array}} for every recorded kind of call."""
    calls = {key_of(case): case for case in recorded(dtype)}

    def everything(logits, targets, weights):
        values = {}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([logits, weights])
            for key, case in calls.items():
                loss = golden.call(case, logits, targets, weights)
                values[key] = loss, tf.reduce_sum(loss)
        found = []
        for loss, total in values.values():
            gradients = tape.gradient(total, [logits, weights])
            found.append(
                dict(zip(("loss", "grad_logits", "grad_weights"), (loss, *gradients), strict=True))
            )
        return found

    function = tf.function(everything, jit_compile=jit, autograph=False)
    return lambda *arrays: dict(zip(calls, function(*arrays), strict=True))


@functools.cache
def results(dtype, jit, inputs):
    """All calls on one set of inputs, given as bytes."""
    arrays = [
        np.frombuffer(data, kind).reshape(SHAPE[:rank])
        for data, kind, rank in zip(inputs, (dtype, np.int64, dtype), (3, 2, 2), strict=True)
    ]
    return compiled(dtype, jit)(*map(tf.constant, arrays))


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_recorded_call_is_reproduced_in_a_compiled_function(dtype, jit):
    tolerance = golden.FLOAT64 if dtype == "float64" else golden.FLOAT32
    found = []
    for case in recorded(dtype):
        targets = case.targets.astype(np.int64)
        inputs = case.logits.tobytes(), targets.tobytes(), case.weights.tobytes()
        got = results(dtype, jit, inputs)[key_of(case)]
        term, slope = golden.terms(case)
        for kind, scale in (("loss", term), ("grad_logits", 0.0), ("grad_weights", slope)):
            if kind in case.outputs:
                factor = golden.miss(got[kind], case.outputs[kind], tolerance, scale)
                found.append((case.name, kind, factor))
    assert [miss for miss in found if not miss[2] <= 1.0] == []
    assert len({key_of(case) for case in recorded(dtype)}) >= 18
    assert len(found) > 400
