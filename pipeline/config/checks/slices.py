"""Which slices there can be: `eval.slices`."""

from typing import TYPE_CHECKING

from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

# As `components.evaluator.slicing.DERIVED`, which would load TensorFlow; a test compares them.
DERIVED = (
    "target_length",
    "span",
    "token_position",
    "token_frequency",
    "token_unknown",
    "token_region",
    "token_class",
)


def check_slices(config: "Config", problems: Problems) -> None:
    """Adds what is wrong with `eval.slices` to `problems`."""
    if not problems.clean("data.extra_columns", "eval.slices"):
        return
    known = [*config.data.extra_columns, *DERIVED]
    for index, name in enumerate(config.eval.slices):
        if text := _problem(config, known, index, name):
            problems.add(f"eval.slices[{index}]", text)


def _problem(config: "Config", known: list[str], index: int, name: str) -> str:
    if name not in known:
        return f"got {name!r}, expected one of {', '.join(known)} (see data.extra_columns)"
    if name in config.eval.slices[:index]:
        return f"got {name!r} twice, first in eval.slices[{config.eval.slices.index(name)}]"
    if name in DERIVED and name in config.data.extra_columns:
        return f"got {name!r}, which is a slice of its own: expected another name in data.columns"
    if name == "token_class" and config.task != "tagging":
        return f"got 'token_class' with task {config.task}, expected tagging: its classes are tags"
    if name == "span" and "{SPAN}" not in config.data.path:
        return f"got 'span' with data.path {config.data.path}, expected a path with {{SPAN}}"
    return ""
