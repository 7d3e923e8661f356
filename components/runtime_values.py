"""Parameters of a component that are not known yet where the line is compiled."""

from typing import Any

from tfx.dsl.placeholder import placeholder
from tfx.orchestration import data_types


def known(value: Any) -> Any:
    """What is known of a parameter: of a runtime parameter its default, of another node's output ""."""
    if isinstance(value, data_types.RuntimeParameter):
        return value.default
    return "" if isinstance(value, placeholder.Placeholder) else value
