"""What no single key can tell of data.drift and data.skew: columns that are not there."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

_SPAN = "{SPAN}"


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    data = config.data
    if data.drift and problems.clean("data.drift", "data.path") and _SPAN not in data.path:
        text = f"has no effect without {_SPAN} in data.path; expected no value"
        problems.add("data.drift", text)
    if not problems.clean("task", "data.columns", "data.extra_columns"):
        return
    known = sorted({*data.columns.values(), *data.extra_columns})
    optional = any(kind.endswith("?") for kind in data.extra_columns.values())
    for name, limits in (("drift", data.drift), ("skew", data.skew)):
        for column in limits.columns if limits else ():
            if column not in known:
                text = f"unknown column, expected one of {', '.join(known)}"
                problems.add(f"data.{name}.columns.{column}", text)
        if f"data.{name}.missing" in problems.given and not optional:
            text = "has no effect, as no column of data.extra_columns may be missing ('?')"
            problems.add(f"data.{name}.missing", f"{text}; expected no value")
