"""Serialized tf.Examples of dense arrays: all rows at once, always the same bytes for the same row.

TFX's own encoder is as fast, but puts the features of each row in a random order: no two runs then
write the same file, and gzip finds less to save. Here they are in reverse alphabetical order: the
end of `targets`, `target_lengths` and `loss_weights` then follow each other, and where the weights
are a mask this stretch is the same for all rows of a length, and gzip stores padding for little:
`make bench-transform` prints how much.

Wire format: protobuf.dev, "Encoding"; fields and their numbers: tensorflow/tensorflow,
tensorflow/core/example/{example,feature}.proto.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# One byte says which field follows, and that its length comes first.
_FIRST_FIELD = 0x0A  # Example.features, Features.feature, a map entry's key, a list's values
_ENTRY_VALUE = 0x12
_LIST_OF = {"f": 0x12, "i": 0x1A}  # Feature.float_list and .int64_list, by NumPy's kind
_STORED = {"f": np.dtype("<f4"), "i": np.dtype("<i8")}
_PAYLOAD_BITS = 7
_MORE = 0x80


@dataclass(frozen=True)
class _Bytes:
    """Some bytes of each of B rows, in pieces: of `data` [B, W] those where `used` [B, W]."""

    pieces: list[tuple[np.ndarray, np.ndarray]]
    lengths: np.ndarray  # [B], of all pieces together

    def __add__(self, other: "_Bytes") -> "_Bytes":
        return _Bytes(self.pieces + other.pieces, self.lengths + other.lengths)


def serialize(features: Mapping[str, np.ndarray]) -> list[bytes]:
    """A tf.Example of each row, its features in reverse alphabetical order.

    Args:
      features: dense float32 or int64 [B, ...], at least one value a row.

    Raises:
      TypeError: a feature is neither float32 nor int64.
    """
    first, *others = [_entry(name, features[name]) for name in sorted(features, reverse=True)]
    found = _after_length(_FIRST_FIELD, sum(others, start=first))
    data, used = (np.concatenate(arrays, axis=1) for arrays in zip(*found.pieces, strict=True))
    flat = data[used].tobytes()
    ends = np.cumsum(found.lengths).tolist()
    return [flat[start:end] for start, end in itertools.pairwise([0, *ends])]


def _entry(name: str, values: np.ndarray) -> _Bytes:
    """The map entry `name: Feature` of each row."""
    kind = values.dtype.kind
    if _STORED.get(kind) != values.dtype:
        raise TypeError(f"{name}: got {values.dtype}, expected float32 or int64")
    rows = np.ascontiguousarray(values).reshape(len(values), math.prod(values.shape[1:]))
    packed = _whole(rows.view(np.uint8)) if kind == "f" else _varints(rows.view(np.uint64))
    feature = _after_length(_LIST_OF[kind], _after_length(_FIRST_FIELD, packed))
    text = name.encode()
    key = _constant(bytes([_FIRST_FIELD]) + _varint(len(text)) + text, len(rows))
    return _after_length(_FIRST_FIELD, key + _after_length(_ENTRY_VALUE, feature))


def _after_length(field: int, content: _Bytes) -> _Bytes:
    """The content as a field of the message around it."""
    lengths = _varints(content.lengths.astype(np.uint64)[:, None])
    return _constant(bytes([field]), len(content.lengths)) + lengths + content


def _varints(numbers: np.ndarray) -> _Bytes:
    """uint64 [B, N] seven bits a byte, the lowest first; all bytes but a number's last say "more"."""
    largest = int(numbers.max(initial=0))
    if largest < 1 << 32:
        numbers = numbers.astype(np.uint32)  # half the memory to go through
    shape = (*numbers.shape, max(1, -(-largest.bit_length() // _PAYLOAD_BITS)))
    data, used = np.empty(shape, np.uint8), np.ones(shape, bool)
    for step in range(shape[2]):
        if step:
            numbers = numbers >> _PAYLOAD_BITS
            np.greater(numbers, 0, out=used[:, :, step])
            data[:, :, step - 1] |= used[:, :, step] * np.uint8(_MORE)
        np.bitwise_and(numbers, _MORE - 1, out=data[:, :, step], casting="unsafe")
    flat = (len(numbers), shape[1] * shape[2])
    used = used.reshape(flat)
    return _Bytes([(data.reshape(flat), used)], np.count_nonzero(used, axis=1))


def _varint(number: int) -> bytes:
    return _varints(np.array([[number]], np.uint64)).pieces[0][0].tobytes()


def _constant(text: bytes, rows: int) -> _Bytes:
    return _whole(np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text))))


def _whole(data: np.ndarray) -> _Bytes:
    return _Bytes([(data, np.ones(data.shape, bool))], np.full(len(data), data.shape[1]))
