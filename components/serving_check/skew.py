"""Invariant 9: what Transform wrote is what the served model computes from the same raw row, exactly."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.errors import excerpt
from components.serving_check.rows import Row

_MOST = 3  # rows that are named


def differences(
    rows: Sequence[Row], served: Mapping[str, np.ndarray], *, shown_column: str = ""
) -> list[str]:
    """One line for each row and feature that differ, the first value that does; the first few.

    Args:
      rows: B rows.
      served: `transform_features` of them, [B, ...] by feature.
      shown_column: raw column by whose text a row is named, beside its place.
    """
    found: list[str] = []
    more = 0
    for place, row in enumerate(rows):
        told = _differences(row, {name: value[place] for name, value in served.items()})
        if told and len(found) >= _MOST:
            more += 1
        elif told:
            found.append(f"{row.place}{_shown(row, shown_column)}: {told[0]}")
    return [*found, *([f"and {more} more rows"] if more else [])]


def _differences(row: Row, served: Mapping[str, np.ndarray]) -> list[str]:
    written = tf.train.Example.FromString(row.transformed).features.feature
    told = [
        f"{name}: got it from Transform only, expected it of the served model too"
        for name in sorted(set(written) - set(served))
    ]
    for name in sorted(served):
        if name not in written:
            told.append(
                f"{name}: got it from the served model only, expected Transform to write it"
            )
            continue
        text = _difference(name, _values(written[name]), np.ravel(served[name]))
        told += [text] if text else []
    return told


def _values(feature: tf.train.Feature) -> np.ndarray:
    if feature.WhichOneof("kind") == "float_list":
        return np.array(feature.float_list.value, np.float32)
    return np.array(feature.int64_list.value, np.int64)


def _difference(name: str, written: np.ndarray, served: np.ndarray) -> str:
    if len(written) != len(served):
        return f"{name}: got {len(served)} values from the served model, Transform wrote {len(written)}"
    if written.dtype != served.dtype:
        return f"{name}: got {served.dtype} from the served model, Transform wrote {written.dtype}"
    unlike = np.flatnonzero(written != served)  # NaN is unlike itself, and never right
    if not len(unlike):
        return ""
    first = int(unlike[0])
    where = f"{name}[{first}]" if len(written) > 1 else name
    return f"{where}: got {served[first]} from the served model, Transform wrote {written[first]}"


def _shown(row: Row, column: str) -> str:
    feature = tf.train.Example.FromString(row.raw).features.feature[column]
    values = [*feature.bytes_list.value, *feature.int64_list.value]
    return f" ({excerpt(values)!r})" if values else ""
