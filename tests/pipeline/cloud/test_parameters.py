"""Runtime parameters: whose value counts, and what is wrong with one."""

import pytest

from components.errors import InputError
from pipeline.submit import parameters

DECLARED = parameters.declared_by(
    {
        "path": {"parameterType": "STRING"},
        "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 5},
        "rate": {"parameterType": "NUMBER_DOUBLE", "isOptional": True},
        "flag": {"parameterType": "BOOLEAN", "defaultValue": False},
        "spans": {"parameterType": "LIST", "defaultValue": []},
    }
)
PLACE = parameters.declared_by(
    {"place": {"parameterType": "STRING", "defaultValue": "gs://bucket/served"}}
)


def test_what_is_given_comes_before_the_defaults() -> None:
    found = parameters.complete({"path": "a"}, DECLARED, "the line")
    assert found == {"path": "a", "steps": 5, "flag": False, "spans": []}
    texts = ["path=b=c", "steps=7", "rate=0.5", "flag=true", "spans=[1, 2]"]
    given = parameters.from_texts(texts, DECLARED)
    expected = {"path": "b=c", "steps": 7, "rate": 0.5, "flag": True, "spans": [1, 2]}
    assert parameters.complete(given, DECLARED, "the line") == expected


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["steps=x"], "--parameter steps: got 'x', expected an integer of at most"),
        (["steps=1.5"], "--parameter steps: got '1.5', expected an integer of at most"),
        (["steps=true"], "--parameter steps: got 'true', expected an integer of at most"),
        (["rate="], "--parameter rate: got '', expected a finite number"),
        (["rate=nan"], "--parameter rate: got 'nan', expected a finite number"),
        (["flag=1"], "--parameter flag: got '1', expected true or false"),
        (["stpes=1"], "--parameter stpes: the pipeline has no such parameter, did you mean steps?"),
        (["path"], "--parameter: got 'path', expected NAME=VALUE"),
        (["path=a", "path=b"], "--parameter path: given twice, expected one value"),
    ],
)
def test_bad_texts_are_told_in_a_line(texts: list[str], says: str) -> None:
    with pytest.raises(InputError) as raised:
        parameters.from_texts(texts, DECLARED)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)


def test_all_that_is_wrong_with_the_values_of_a_file_is_told() -> None:
    with pytest.raises(InputError) as raised:
        parameters.complete({"steps": "many", "stpes": 1}, DECLARED, "line.json")
    assert str(raised.value).splitlines() == [
        "line.json: parameter path: missing, expected text: it has no default",
        f"line.json: parameter steps: got 'many', expected an integer of at most {2**53}",
        "line.json: parameter stpes: the pipeline has no such parameter, did you mean steps?",
    ]


def test_a_text_stays_a_text() -> None:
    assert parameters.from_texts(["path=7"], DECLARED) == {"path": "7"}


@pytest.mark.parametrize("text", ["/home/me/served", "served", ""])
def test_where_the_default_is_an_address_a_path_is_refused(text: str) -> None:
    says = f"place: got {text!r}, expected an address, as its default at gs://"
    with pytest.raises(InputError) as raised:
        parameters.from_texts([f"place={text}"], PLACE)
    assert str(raised.value) == f"--parameter {says}"
    with pytest.raises(InputError) as raised:
        parameters.complete({"place": text}, PLACE, "line.json")
    assert str(raised.value) == f"line.json: parameter {says}"
    assert parameters.from_texts(["place=s3://b/x"], PLACE) == {"place": "s3://b/x"}
