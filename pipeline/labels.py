"""Google's rules for labels of jobs: https://cloud.google.com/resource-manager/docs/labels-overview."""

import re
from collections.abc import Mapping

KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
VALUE = re.compile(r"[a-z0-9_-]{0,63}")
MOST = 64
_EXPECTED = "expected at most 63 of a-z, 0-9, _ and -; a key starts with a letter"


def faults(labels: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the labels of one job: key -> text; "" stands for all of them."""
    found = {
        key: f"got {value!r}, {_EXPECTED}"
        for key, value in labels.items()
        if not (KEY.fullmatch(key) and VALUE.fullmatch(value))
    }
    if len(labels) > MOST:
        found[""] = f"got {len(labels)} labels, expected at most {MOST}"
    return found
