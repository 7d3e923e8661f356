"""Whether what two runs give is the same, for values made of dictionaries, lists and numbers."""

import math
from typing import Any

DIGITS = 1e-9


def same(here: Any, there: Any, where: str = "") -> None:
    """Equal; numbers to 1e-9, relative to the larger, or absolute below 1.

    Raises:
      AssertionError: they are not, with the place where.
    """
    if isinstance(here, dict):
        assert here.keys() == there.keys(), where
        for name in here:
            same(here[name], there[name], f"{where}.{name}")
    elif isinstance(here, list | tuple):
        assert len(here) == len(there), where
        for number, pair in enumerate(zip(here, there, strict=True)):
            same(*pair, f"{where}[{number}]")
    elif isinstance(here, float):
        assert math.isclose(here, there, rel_tol=DIGITS, abs_tol=DIGITS) or (
            math.isnan(here) and math.isnan(there)
        ), (where, here, there)
    else:
        assert here == there, where
