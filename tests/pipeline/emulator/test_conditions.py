"""The part of CEL that conditions are written in."""

import pytest

from pipeline.emulator.conditions import ConditionError, holds

BLESSED = {"metadata": {"blessed": 1.0, "name": "a"}, "uri": "gs://b/x"}
INPUTS = {
    "artifacts": {"b": {"artifacts": [BLESSED]}, "none": {"artifacts": []}},
    "parameter_values": {"n": 3, "text": "a'b", "flag": True},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0", True),
        ("(inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 0.0)", False),
        ("!(inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 0.0)", True),
        ("inputs.artifacts['b'].artifacts[0].uri == 'gs://b/x'", True),
        ("inputs.parameter_values['n'] > 2 && inputs.parameter_values['n'] < 3.5", True),
        ("inputs.parameter_values['n'] >= 3 && inputs.parameter_values['n'] <= 2", False),
        ("1 == 2 || 2 == 2 && 3 == 4", False),  # && binds more closely
        ("(1 == 2 || 2 == 2) && 3 != 4", True),
        ("'a' + 'b' == 'ab'", True),
        ("int('3') - 1 == 2 && double('1.5') == 1.5 && string(7) == '7'", True),
        ("-1 < 0 && true", True),
        ('inputs.parameter_values["text"] == "a\'b"', True),
        ("inputs.parameter_values['flag'] == true", True),
        ("inputs.parameter_values['flag'] == null", False),
        # What comes after a decision is not looked at.
        ("false && inputs.artifacts['none'].artifacts[0].uri == ''", False),
        ("true || inputs.absent", True),
    ],
)
def test_value(condition: str, expected: bool) -> None:
    assert holds(condition, INPUTS) is expected


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("inputs.artifacts['x'].artifacts[0].uri == ''", "there is no 'x'"),
        ("inputs.artifacts['none'].artifacts[0].uri == ''", "there is no 0"),
        ("'a' == 1", "cannot compare 'a' with 1"),
        ("1 ==", "ends too soon"),
        ("1 == 2 3", "unexpected '3'"),
        ("(1 == 2", "expected ')'"),
        ("1 == #", "unexpected '#'"),
        ("1 + 2", "got 3, expected true or false"),
        ("has(inputs.x)", "unexpected '('"),
    ],
)
def test_what_cannot_be_decided_is_an_error_with_the_condition(condition: str, says: str) -> None:
    with pytest.raises(ConditionError) as raised:
        holds(condition, INPUTS)
    assert condition in str(raised.value)
    assert says in str(raised.value)
