"""Runtime parameters: whose value counts, and what is wrong with one."""

import pytest

from components.errors import InputError
from pipeline.emulator.parameters import typed, values

DECLARED = {
    "path": {"parameterType": "STRING"},
    "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 5},
    "rate": {"parameterType": "NUMBER_DOUBLE", "isOptional": True},
    "flag": {"parameterType": "BOOLEAN", "defaultValue": False},
}


def test_the_user_comes_before_the_file_and_the_file_before_the_default() -> None:
    assert values(DECLARED, {"path": "a"}, {}) == {"path": "a", "steps": 5, "flag": False}
    given = typed(["path=b=c", "steps=7", "rate=0.5", "flag=true"], DECLARED)
    expected = {"path": "b=c", "steps": 7, "rate": 0.5, "flag": True}
    assert values(DECLARED, {"path": "a", "steps": 6}, given) == expected


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "parameter path: got none, expected --parameter path=text"),
        (["path=a", "steps=x"], "parameter steps: got 'x', expected an integer"),
        (["path=a", "steps=1.5"], "parameter steps: got 1.5, expected an integer"),
        (["path=a", "steps=true"], "parameter steps: got True, expected an integer"),
        (["path=a", "rate="], "parameter rate: got '', expected a number"),
        (["path=a", "flag=1"], "parameter flag: got 1, expected true or false"),
        (
            ["path=a", "stpes=1"],
            "parameter stpes: there is none, expected one of path, steps, rate, flag",
        ),
        (["path"], "--parameter: got 'path', expected NAME=VALUE"),
        (["path=a", "path=b"], "--parameter path: got two, expected one"),
    ],
)
def test_bad_values_are_told_in_a_line(texts: list[str], says: str) -> None:
    with pytest.raises(InputError) as raised:
        values(DECLARED, {}, typed(texts, DECLARED))
    assert str(raised.value) == says


def test_a_text_stays_a_text() -> None:
    assert values(DECLARED, {}, typed(["path=7"], DECLARED))["path"] == "7"
