"""NumPy batches of the feature contract: rows, padding cut, padding added, padding changed."""

import numpy as np

from pipeline.verify.sample import Arrays
from transform import features

_LENGTH_OF = {
    features.TARGETS: features.TARGET_LENGTHS,
    features.LOSS_WEIGHTS: features.TARGET_LENGTHS,
    features.INPUTS: features.INPUT_LENGTHS,
    features.INPUT_CHARS: features.INPUT_LENGTHS,
}


def rows(batch: Arrays, index: slice | list[int] | np.ndarray) -> Arrays:
    """Some rows, in that order."""
    return {name: value[index] for name, value in batch.items()}


def trimmed(batch: Arrays) -> Arrays:
    """The padding that all rows share is cut; at least one position stays."""
    return {
        name: value[:, : max(1, int(batch[_LENGTH_OF[name]].max(initial=0)))]
        if name in _LENGTH_OF
        else value
        for name, value in batch.items()
    }


def longer(batch: Arrays, *, target: int, source: int, pad_id: int) -> Arrays:
    """Padded on the right by so many target and source positions."""
    by = {features.TARGET_LENGTHS: target, features.INPUT_LENGTHS: source}
    return {name: _padded(name, value, by, pad_id) for name, value in batch.items()}


def _padded(name: str, value: np.ndarray, by: dict[str, int], pad_id: int) -> np.ndarray:
    if name not in _LENGTH_OF:
        return value
    fill = 0.0 if name == features.LOSS_WEIGHTS else pad_id
    widths = [(0, 0), (0, by[_LENGTH_OF[name]])] + [(0, 0)] * (value.ndim - 2)
    return np.pad(value, widths, constant_values=fill)


def padding(batch: Arrays, name: str) -> np.ndarray:
    """bool, like the feature: the positions at and past the row's length."""
    value, lengths = batch[name], batch[_LENGTH_OF[name]]
    past = np.arange(value.shape[1]) >= lengths[:, None]
    return np.broadcast_to(past.reshape(past.shape + (1,) * (value.ndim - 2)), value.shape)


def with_padding(batch: Arrays, ids: np.ndarray, random: np.random.Generator) -> Arrays:
    """Every padded id is replaced by one drawn from `ids`; weights stay 0 there."""
    changed = dict(batch)
    for name in (features.TARGETS, features.INPUTS, features.INPUT_CHARS):
        if name in batch:
            drawn = random.choice(ids, batch[name].shape).astype(batch[name].dtype)
            changed[name] = np.where(padding(batch, name), drawn, batch[name])
    return changed
