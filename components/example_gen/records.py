"""Reading TFRecord files of tf.Example.

The framing is read here rather than by TensorFlow, which reads a .gz file that lost its end as if
it were whole, and needs no TensorFlow to look at the first records. Format: little-endian uint64
length, masked CRC-32C of the length, data, masked CRC-32C of the data
(tensorflow/tensorflow: tensorflow/core/lib/io/record_writer.h).
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import google_crc32c

from components.example_gen.columns import CellError, Column, Kind
from components.example_gen.faults import Fault
from components.example_gen.rows import Row

_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_LARGEST = 1 << 31  # a protocol buffer cannot be larger
_KINDS = {
    Kind.TEXT: ("bytes_list",),
    Kind.TEXT_LIST: ("bytes_list",),
    Kind.FLOAT_LIST: ("float_list", "int64_list"),
    Kind.WEIGHT_LIST: ("float_list", "int64_list"),
    Kind.NUMBER: ("float_list", "int64_list"),
    Kind.WEIGHT: ("float_list", "int64_list"),
    Kind.ID_LIST: ("int64_list",),
    Kind.INTEGER: ("int64_list",),
}


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the payload of each record.

    Raises:
      Fault: the file is cut off or damaged, with the number of the record.
    """
    number = 0
    while head := stream.read(_LENGTH.size):
        number += 1
        if len(head) < _LENGTH.size:
            raise Fault("got a record that is cut off, expected a whole TFRecord", line=number)
        length, checksum = _LENGTH.unpack(head)
        if _masked_crc(head[:8]) != checksum or length > _LARGEST:
            raise Fault("got a wrong length checksum, expected a TFRecord", line=number)
        data = stream.read(length + _CHECKSUM.size)
        if len(data) < length + _CHECKSUM.size:
            raise Fault("got a record that is cut off, expected a whole TFRecord", line=number)
        payload = data[:length]
        if _masked_crc(payload) != _CHECKSUM.unpack_from(data, length)[0]:
            raise Fault("got a wrong checksum, expected an undamaged TFRecord", line=number)
        yield payload


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read(stream: BinaryIO, columns: Sequence[Column]) -> Iterator[Row]:
    """Yield the rows of an opened file of tf.Example.

    Raises:
      Fault: the file is cut off or damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    for line, payload in enumerate(frames(stream), 1):
        try:
            features = tf.train.Example.FromString(payload).features.feature
        except DecodeError:
            yield Row(line, {}, "got a record that is not a tf.Example, expected a tf.Example")
            continue
        yield _example_row(line, features, columns)


def _example_row(line: int, features: Any, columns: Sequence[Column]) -> Row:
    values: dict[str, Any] = dict.fromkeys(features)
    try:
        for column in columns:
            if column.name in values:
                values[column.name] = _value(column, features[column.name])
    except CellError as error:
        return Row(line, {}, str(error))
    return Row(line, values)


def _value(column: Column, feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    if kind not in _KINDS[column.kind]:
        raise CellError(column, f"a feature of kind {kind}")
    found = list(getattr(feature, kind).value)
    if kind == "bytes_list":
        found = [_decode(column, item, raw) for item, raw in enumerate(found)]
    if column.kind.is_list:
        return found
    if len(found) > 1:
        raise CellError(column, f"{len(found)} values")
    return found[0] if found else None


def _decode(column: Column, item: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        found = f"invalid UTF-8 (the byte 0x{raw[error.start]:02x} at byte {error.start + 1})"
        raise CellError(column, found, item=item if column.kind.is_list else None) from None
