"""Numbers as a reader wants them; the page and the markdown write them alike."""

import datetime
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

NOTHING = "–"


def number(value: object, *, sign: bool = False) -> str:
    """A measured value with four significant digits; with a sign, a difference, with three."""
    if not is_finite(value):
        return NOTHING
    size = abs(float(value))
    plus, digits = ("+", 3) if sign else ("", 4)
    if size == 0:
        text = "0"
    elif size < 1e-4:
        text = f"{value:{plus}.2e}"
    elif size < 1e4:
        text = f"{value:{plus},.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    else:
        text = f"{value:{plus},.0f}"
    return text.replace("-", "−") if size else text


def percent(value: object, *, sign: bool = False) -> str:
    """A share as a percentage; a share just below 1 does not round up to 100 %."""
    if not is_finite(value):
        return NOTHING
    share = 100 * float(value)
    if 99.995 <= share < 100:
        share = 99.99
    return f"{share:{'+' if sign else ''}.2f}".replace("-", "−") + " %"


def share(value: object) -> str:
    """A share to a tenth of a percent, where more would only be noise."""
    return f"{100 * float(value):.1f} %" if is_finite(value) else NOTHING


def count(value: object) -> str:
    """A whole number with thousands marked; other text as it is."""
    if not is_finite(value):
        return NOTHING if value is None or isinstance(value, float) else str(value)
    return f"{round(float(value)):,}"


def counts(values: Mapping[str, Any] | None) -> str:
    """`name: count` of each, in one line."""
    return ", ".join(f"{name}: {count(value)}" for name, value in (values or {}).items())


def size(value: object) -> str:
    """Bytes in a unit that suits them."""
    if not is_finite(value):
        return NOTHING
    left = float(value)
    for unit in ("B", "kB", "MB"):
        if left < 1000:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} GB"


def seconds(value: object) -> str:
    """A duration."""
    if not is_finite(value):
        return NOTHING
    whole = float(value)
    if whole < 60:
        return f"{whole:.1f} s"
    minutes, rest = divmod(round(whole), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(milliseconds: object) -> str:
    """A point in time, of milliseconds since 1970; in UTC, so that it is the same everywhere."""
    if not is_finite(milliseconds):
        return NOTHING
    at = datetime.datetime.fromtimestamp(float(milliseconds) / 1000, datetime.UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def is_finite(value: object) -> TypeGuard[float]:
    """Whether this is a number that can be shown."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
