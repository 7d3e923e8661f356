"""`tokenline rollback`: what is said, and that no run is compared with a withdrawn model."""

import fcntl
import pathlib

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from pipeline import paths, rollback_command, store
from pipeline.__main__ import main
from pipeline.config import load_config

CONFIG = """
pipeline: {name: p, root: runs}
task: lm
data: {path: rows}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "pipeline_config.yaml").write_text(CONFIG)
    return load_config("pipeline_config.yaml")


def write_model(folder, content):
    folder = pathlib.Path(folder)
    (folder / "variables").mkdir(parents=True)
    (folder / "fingerprint.pb").write_text(f"of {content}")
    (folder / "variables" / "data").write_text(content)


@pytest.fixture
def two_versions(config, tmp_path):
    """Models A and B, both blessed (B twice) and pushed as versions 1 and 2."""
    runs = tmp_path / "runs/p"
    runs.mkdir(parents=True)
    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(runs / "metadata.db")
    connection.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    database = metadata_store.MetadataStore(connection)
    types = {
        name: database.put_artifact_type(proto.ArtifactType(name=name))
        for name in ("Model", "ModelBlessing")
    }
    ids = {}
    for version, name in enumerate("AB", start=1):
        write_model(runs / f"artifacts/{name}/Format-Serving", name)
        write_model(runs / f"serving/{version}", name)
        model = proto.Artifact(type_id=types["Model"], uri=str(runs / f"artifacts/{name}"))
        (ids[name],) = database.put_artifacts([model])
    for name, blessed in (("A", 1), ("A", 0), ("B", 1), ("B", 1)):
        blessing = proto.Artifact(type_id=types["ModelBlessing"], uri=f"blessing of {name}")
        blessing.custom_properties["blessed"].int_value = blessed
        blessing.custom_properties["current_model_id"].int_value = ids[name]
        database.put_artifacts([blessing])
    return str(runs / "metadata.db")


def blessed(database):
    """(model, blessed) of each blessing, in the order in which they were given."""
    found = store._open(database).get_artifacts_by_type("ModelBlessing")
    found.sort(key=lambda each: each.id)
    return [(each.uri[-1], each.custom_properties["blessed"].int_value) for each in found]


def test_back_and_forth(two_versions, tmp_path, capsys):
    before = blessed(two_versions)
    assert main(["rollback"]) == 0
    assert capsys.readouterr().out == (
        "version 2 is withdrawn: it is in runs/p/serving/.withdrawn/2\n"
        "version 1 is the highest, which is served: runs/p/serving\n"
        "what is withdrawn is not pushed again, and no run is compared with it or starts from it\n"
    )
    assert blessed(two_versions) == [("A", 1), ("A", 0), ("B", 0), ("B", 0)]
    assert main(["rollback", "--list"]) == 0
    assert capsys.readouterr().out == ("runs/p/serving\n       2  withdrawn\n       1  served\n")
    assert main(["rollback", "--to", "2"]) == 0
    assert capsys.readouterr().out == (
        "version 2 is back, and blessed as before\n"
        "version 2 is the highest, which is served: runs/p/serving\n"
    )
    assert blessed(two_versions) == before
    assert main(["rollback", "--list"]) == 0
    assert capsys.readouterr().out == "runs/p/serving\n       2  served\n       1  kept\n"


def test_a_blessing_that_a_run_gives_again_does_not_last(two_versions, config):
    main(["rollback"])
    database = store._open(two_versions)
    again = database.get_artifacts_by_type("ModelBlessing")[-1]
    again.custom_properties["blessed"].int_value = 1
    database.put_artifacts([again])
    rollback_command.agree(two_versions, config.serving.push_to)
    assert blessed(two_versions) == [("A", 1), ("A", 0), ("B", 0), ("B", 0)]


@pytest.mark.parametrize(
    ("index", "while_failed"),
    [
        (0, [("A", 0), ("A", 0), ("B", 1), ("B", 1)]),
        # B is served: were it no baseline, the next model would be pushed as the first.
        (1, [("A", 1), ("A", 0), ("B", 1), ("B", 1)]),
    ],
)
def test_a_model_whose_last_check_failed_is_no_baseline_until_it_passes_or_is_served(
    two_versions, config, index, while_failed
):
    database = store._open(two_versions)
    kind = database.put_artifact_type(proto.ArtifactType(name="InfraBlessing"))
    models = sorted(database.get_artifacts_by_type("Model"), key=lambda each: each.id)
    seen = []
    for passed in (1, 0, 1):
        check = proto.Artifact(type_id=kind, uri="check")
        check.custom_properties["blessed"].int_value = passed
        check.custom_properties["current_model_id"].int_value = models[index].id
        database.put_artifacts([check])
        rollback_command.agree(two_versions, config.serving.push_to)
        seen.append(blessed(two_versions))
    assert seen[0] == seen[2] == [("A", 1), ("A", 0), ("B", 1), ("B", 1)]
    assert seen[1] == while_failed


def test_pushed_versions_that_are_gone_are_counted(two_versions, tmp_path):
    assert store.lost_pushes(two_versions) == 0
    database = store._open(two_versions)
    kind = database.put_artifact_type(proto.ArtifactType(name="PushedModel"))
    for number, pushed in ((1, 1), (7, 1), (8, 0)):  # of which only 1 is there
        made = proto.Artifact(type_id=kind, uri="pushed")
        made.custom_properties["pushed"].int_value = pushed
        folder = str(tmp_path / f"runs/p/serving/{number}")
        made.custom_properties["pushed_destination"].string_value = folder
        database.put_artifacts([made])
    assert store.lost_pushes(two_versions) == 1
    assert store.lost_pushes("no/metadata.db") == 0


def test_a_model_that_is_served_under_another_number_stays_blessed(two_versions, tmp_path):
    write_model(tmp_path / "runs/p/serving/3", "A")
    assert main(["rollback"]) == 0  # version 3 is A, as version 1 is
    assert blessed(two_versions) == [("A", 0), ("A", 0), ("B", 1), ("B", 1)]
    assert main(["rollback", "--to", "1"]) == 0
    assert blessed(two_versions) == [("A", 1), ("A", 0), ("B", 0), ("B", 0)]


def test_what_cannot_be_done_is_one_line_and_exit_2(config, capsys, tmp_path):
    assert main(["rollback"]) == 2
    assert capsys.readouterr().err == (
        "tokenline: runs/p/serving: got no version, expected one before it to go back to\n"
    )
    write_model(tmp_path / "runs/p/serving/4", "A")
    assert main(["rollback", "--to", "9"]) == 2
    expected = "tokenline: --to: got 9, expected a version of runs/p/serving: 4\n"
    assert capsys.readouterr().err == expected
    assert main(["rollback", "--list"]) == 0
    assert capsys.readouterr().out == "runs/p/serving\n       4  served\n"


def test_nothing_moves_while_a_run_is_in_progress(two_versions, config, capsys):
    folder = pathlib.Path(paths.pipeline_folder(config))
    with open(folder / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["rollback"]) == 2
    assert "a run of this pipeline is in progress" in capsys.readouterr().err
    assert (folder / "serving/2").is_dir()


def test_folders_are_one_model_if_every_byte_is_the_same(tmp_path):
    for name in ("one", "other", "changed", "more"):
        write_model(tmp_path / name, "A")
    (tmp_path / "changed/variables/data").write_text("B")
    (tmp_path / "more/extra").write_text("")
    one = str(tmp_path / "one")
    found = [
        rollback_command.same_model(one, str(tmp_path / name))
        for name in ("one", "other", "changed", "more", "absent")
    ]
    assert found == [True, True, False, False, False]
    assert not rollback_command.same_model(str(tmp_path / "absent"), str(tmp_path / "gone"))
