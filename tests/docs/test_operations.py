"""examples/operations: the unit starts a watch, and starts it again whatever code that ends with."""

import configparser
import pathlib
import shlex

from pipeline.__main__ import _parser

UNIT = pathlib.Path(__file__).resolve().parents[2] / "examples/operations/tokenline-retrain.service"


def test_the_unit_starts_a_watch_again_also_after_a_2() -> None:
    """A disk that is late is a 2 as well; the limit ends what is wrong for good."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    _, *arguments = shlex.split(service["ExecStart"])
    chosen = _parser().parse_args(arguments)
    assert (chosen.watch, chosen.json) == (True, True)
    assert service["Restart"] == "on-failure"
    assert "RestartPreventExitStatus" not in service
    burst, seconds = unit["Unit"]["StartLimitBurst"], service["RestartSec"]
    assert int(burst) * int(seconds) < 3600
    assert unit["Unit"]["StartLimitIntervalSec"] == "1h"
