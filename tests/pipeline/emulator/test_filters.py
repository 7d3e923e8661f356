"""Queries of resolvers."""

import pytest

from pipeline.emulator.filters import FilterError, matches

ARTIFACT = {
    "schema_title": "tfx.ModelBlessing",
    "state": "LIVE",
    "name": "projects/1/artifacts/2",
    "uri": "gs://b/x",
    "metadata": {"blessed": 1.0, "note": "good AND cheap", "final": True},
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1',
            True,
        ),
        ('schema_title="tfx.ModelBlessing" AND metadata.blessed.number_value=0', False),
        ('schema_title="tfx.Model" AND state=LIVE', False),
        ('name="projects/1/artifacts/2"', True),
        ('name=""', False),
        ("state!=DELETED", True),
        ('metadata.note.string_value="good AND cheap"', True),
        ("metadata.final.bool_value=true", True),
        # Another kind of value, or none, is not equal: 1 is not "1".
        ('metadata.blessed.string_value="1"', False),
        ("metadata.absent.number_value=1", False),
        ("metadata.note.number_value=1", False),
    ],
)
def test_matches(query: str, expected: bool) -> None:
    assert matches(query, ARTIFACT) is expected


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state",
        "state=LIVE OR state=PENDING",
        "state=LIVE AND",
        "colour=red",
        "metadata.blessed=1",
        "metadata.a.b.number_value=1",
    ],
)
def test_other_forms_are_refused_with_the_query(query: str) -> None:
    with pytest.raises(FilterError, match="query"):
        matches(query, ARTIFACT)
