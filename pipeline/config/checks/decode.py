"""What no single key can tell of decoding: settings that the method does not read."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

# The keys that only one method reads; `beam_size: 1` says nothing, and is allowed everywhere.
_READ_BY = {
    "beam": ("beam_size", "length_penalty"),
    "sample": ("temperature", "top_k", "top_p", "seed"),
}
ALL_KEYS = ("method", *_READ_BY["beam"], *_READ_BY["sample"], "forbidden")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    if config.task == "tagging" or not problems.clean("task", "decode"):
        return
    decode = config.decode
    for method, keys in _READ_BY.items():
        for key in keys:
            where, value = f"decode.{key}", getattr(decode, key)
            if where not in problems.given or decode.method == method:
                continue
            if (key, value) != ("beam_size", 1):
                text = f"has no effect with decode.method {decode.method}, expected {method}"
                problems.add(where, f"got {value:g}, which {text}")
    for index, name in enumerate(decode.forbidden):
        if name in decode.forbidden[:index]:
            problems.add(f"decode.forbidden[{index}]", f"got {name!r} twice")
