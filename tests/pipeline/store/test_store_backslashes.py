"""Text that PostgreSQL would not be given as it is."""

import pytest
from ml_metadata.proto import metadata_store_pb2 as rows
from ml_metadata.proto import metadata_store_service_pb2 as service

from pipeline.store import backslashes


@pytest.mark.parametrize("text", ["", "plain", r"\w+", "\\\\", "\ue05c", "\ue05c0\\1", "\\\ue05c1"])
def test_what_is_read_is_what_was_written(text):
    assert "\\" not in backslashes.written(text)
    assert backslashes.read(backslashes.written(text)) == text


def test_every_text_of_a_request_is_changed_and_nothing_else():
    request = service.PutExecutionRequest()
    request.execution.custom_properties["k\\"].string_value = "a\\"
    request.execution.custom_properties["n"].int_value = 7
    request.execution.name = "b\\"
    pair = request.artifact_event_pairs.add()
    pair.artifact.uri = "c\\"
    pair.event.path.steps.add().key = "d\\"
    request.contexts.add().properties["x"].string_value = "e\\"
    backslashes._change(request, str.upper)
    changed = request.execution.custom_properties
    assert {name: one.string_value for name, one in changed.items()} == {"k\\": "A\\", "n": ""}
    assert changed["n"].int_value == 7
    assert (request.execution.name, pair.artifact.uri) == ("B\\", "C\\")
    assert pair.event.path.steps[0].key == "D\\"
    assert request.contexts[0].properties["x"].string_value == "E\\"


def test_other_databases_get_what_is_sent():
    from ml_metadata.metadata_store.metadata_store import MetadataStore

    before = MetadataStore._call_method
    postgresql, sqlite = rows.ConnectionConfig(), rows.ConnectionConfig()
    postgresql.postgresql.host, sqlite.sqlite.filename_uri = "h", "f"
    with backslashes.kept(sqlite):
        assert MetadataStore._call_method is before
    with backslashes.kept(postgresql):
        once = MetadataStore._call_method
        assert once is not before
        with backslashes.kept(postgresql):  # not changed twice
            assert MetadataStore._call_method is once
        assert MetadataStore._call_method is once
    assert MetadataStore._call_method is before
