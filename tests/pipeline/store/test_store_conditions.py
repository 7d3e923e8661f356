"""What is asked of a metadata store, of an ml_metadata with queries and of one without."""

import itertools

import pytest
from ml_metadata.errors import UnimplementedError
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as proto

from pipeline.store import conditions
from pipeline.store.conditions import LIVE

TEXT = """{"a": "it's \\\\ b"}"""


@pytest.fixture(params=["queries", "none", "none since 1.21"])
def read(request, monkeypatch):
    """Reads the artifacts of a store: ids 1 to 240, kinds A and B by turns, each third one deleted."""
    config = proto.ConnectionConfig()
    config.fake_database.SetInParent()
    rows = MetadataStore(config)
    kinds = [rows.put_artifact_type(proto.ArtifactType(name=name)) for name in "AB"]
    context_type = rows.put_context_type(proto.ContextType(name="pipeline"))
    (context,) = rows.put_contexts([proto.Context(type_id=context_type, name="p")])
    for number, kind in zip(range(1, 241), itertools.cycle(kinds)):
        state = proto.Artifact.LIVE if number % 3 else proto.Artifact.DELETED
        one = proto.Artifact(type_id=kind, state=state)
        if number % 5 == 0:
            one.custom_properties["n"].int_value = number % 2
            one.custom_properties["t"].string_value = TEXT if number % 4 == 0 else TEXT + " "
        (made,) = rows.put_artifacts([one])
        assert made == number
        link = proto.Attribution(artifact_id=made, context_id=context)
        rows.put_attributions_and_associations([link], [])

    monkeypatch.setattr(conditions, "_answers_queries", request.param != "none")
    asked = []

    def call(options):
        asked.append(options)
        if options.filter_query and request.param != "queries":
            assert request.param != "none", "asked again what is not answered"
            raise UnimplementedError("filter_query is not supported - ZetaSQL dependency removed")
        return rows.get_artifacts_by_context(context, options)

    call.asked = asked
    return call


EVERY_FIFTH = range(5, 241, 5)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (LIVE, [one for one in range(1, 241) if one % 3]),
        (conditions.of_type("A") & LIVE, [one for one in range(1, 241, 2) if one % 3]),
        (conditions.number("n", 1), [one for one in EVERY_FIFTH if one % 2]),
        (conditions.number("n", 0), [one for one in EVERY_FIFTH if one % 2 == 0]),
        (conditions.number("n", 0, 1), [*EVERY_FIFTH]),
        (conditions.text("t", TEXT), [one for one in EVERY_FIFTH if one % 4 == 0]),
        (conditions.since(238), [238, 239, 240]),
    ],
)
def test_the_same_rows_are_found(read, condition, expected):
    assert [one.id for one in conditions.find(read, condition)] == expected
    newest = [one.id for one in conditions.newest_first(read, condition)]
    assert newest == expected[::-1]


def test_only_what_is_looked_at_is_read_where_there_are_queries(read):
    found = conditions.newest_first(read, LIVE)
    assert [one.id for one in itertools.islice(found, 3)] == [239, 238, 236]
    if read.asked[-1].filter_query:
        assert len(read.asked) == 1


@pytest.mark.parametrize(("state", "wanted"), [("NEW", 1), ("RUNNING", 1), ("FAILED", 0)])
def test_what_runs(state, wanted):
    one = proto.Execution(last_known_state=proto.Execution.State.Value(state))
    assert conditions.RUNNING.holds(one) == wanted
