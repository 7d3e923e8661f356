"""How many serving checks failed before: what keeps a failed one from being taken from the cache."""

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from pipeline import store


def test_failed_checks_are_counted(tmp_path):
    database = str(tmp_path / "metadata.db")
    assert store.failed_checks(database) == 0
    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = database
    connection.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    made = metadata_store.MetadataStore(connection)
    assert store.failed_checks(database) == 0
    kind = made.put_artifact_type(proto.ArtifactType(name="InfraBlessing"))
    for passed in (1, 0, 1, 0, 0):
        blessing = proto.Artifact(type_id=kind, uri="b")
        blessing.custom_properties["blessed"].int_value = passed
        made.put_artifacts([blessing])
    assert store.failed_checks(database) == 3
