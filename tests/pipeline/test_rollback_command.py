"""`tokenline rollback`: what is said, and that no run is compared with a withdrawn model."""

import dataclasses
import fcntl
import io
import pathlib

import pytest
from store_book import Book

from components import storage
from components.errors import InputError
from pipeline import paths, rollback_command, run
from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.config.cloud import CloudConfig
from pipeline.store import questions
from pipeline.terminal import Terminal

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
    book = Book(runs)
    ids = {}
    for version, name in enumerate("AB", start=1):
        write_model(runs / f"artifacts/{name}/Format-Serving", name)
        write_model(runs / f"serving/{version}", name)
        ids[name] = book.artifact("Model", f"artifacts/{name}")
    for name, given in (("A", 1), ("A", 0), ("B", 1), ("B", 1)):
        place = f"blessing of {name}"
        book.artifact("ModelBlessing", place, blessed=given, current_model_id=ids[name])
    return book


def blessed(book):
    """(model, blessed) of each blessing, in the order in which they were given."""
    found = book.rows.get_artifacts_by_type("ModelBlessing")
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
    assert questions.set_aside(two_versions.store) == 0  # withdrawn by a person, not for a check
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
    again = two_versions.rows.get_artifacts_by_type("ModelBlessing")[-1]
    again.custom_properties["blessed"].int_value = 1
    two_versions.rows.put_artifacts([again])
    rollback_command.agree(two_versions.store, config.serving.push_to)
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
    models = two_versions.rows.get_artifacts_by_type("Model")
    model = sorted(each.id for each in models)[index]
    seen, aside = [], []
    for passed in (1, 0, 1):
        two_versions.artifact("InfraBlessing", "check", blessed=passed, current_model_id=model)
        rollback_command.agree(two_versions.store, config.serving.push_to)
        seen.append(blessed(two_versions))
        aside.append(questions.set_aside(two_versions.store))
    assert aside == [0, 1 - index, 0]
    assert seen[0] == seen[2] == [("A", 1), ("A", 0), ("B", 1), ("B", 1)]
    assert seen[1] == while_failed


@pytest.mark.parametrize(
    ("failed", "enabled", "said"),
    [
        (0, False, []),
        (1, True, []),  # the check said so itself
        (
            1,
            False,
            [
                "  1 earlier model failed its serving check; turning the check off does not make it a "
                "baseline again (docs/serving.md)"
            ],
        ),
        (
            2,
            False,
            [
                "  2 earlier models failed their serving check; turning the check off does not make "
                "them baselines again (docs/serving.md)"
            ],
        ),
    ],
)
def test_a_check_that_is_off_does_not_forget_in_silence(config, monkeypatch, failed, enabled, said):
    monkeypatch.setattr(questions, "set_aside", lambda database: failed)
    check = dataclasses.replace(config.serving.check, enabled=enabled)
    changed = dataclasses.replace(config, serving=dataclasses.replace(config.serving, check=check))
    stream = io.StringIO()
    run._tell_set_aside(changed, Terminal(stream))
    assert stream.getvalue().splitlines() == said


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


@pytest.fixture
def in_cloud(config, tmp_path):
    """The configuration with a cloud, and two versions where the compiled line pushes."""
    address = f"ram://{tmp_path.name}-{id(tmp_path)}/served"
    for number in (1, 2):
        path = f"{address}/{number}/saved_model.pb"
        storage.write_whole(path, lambda file: file.write(b"graph"))
    cloud = CloudConfig(root="gs://bucket", image="image:1", push_to=address)
    return dataclasses.replace(config, cloud=cloud)


def test_back_and_forth_in_the_cloud(in_cloud, capsys):
    place = in_cloud.cloud.push_to
    assert rollback_command.run_in_cloud(in_cloud, to=None, only_list=False) == 0
    assert capsys.readouterr().out == (
        f"version 2 is withdrawn: it is in {place}/.withdrawn/2\n"
        f"version 1 is the highest, which is served: {place}\n"
        "what is withdrawn is not pushed again; on Kubeflow Pipelines no run starts from it, Vertex keeps "
        "its blessing (docs/serving.md)\n"
    )
    assert rollback_command.run_in_cloud(in_cloud, to=None, only_list=True) == 0
    assert capsys.readouterr().out == f"{place}\n       2  withdrawn\n       1  served\n"
    assert rollback_command.run_in_cloud(in_cloud, to=2, only_list=False) == 0
    assert capsys.readouterr().out == (
        f"version 2 is back\nversion 2 is the highest, which is served: {place}\n"
    )
    with pytest.raises(InputError, match=f"--to: got 9, expected a version of {place}: 1, 2$"):
        rollback_command.run_in_cloud(in_cloud, to=9, only_list=False)


def test_a_cloud_without_a_version_or_without_its_store_is_one_line(in_cloud, capsys):
    def at(address: str):
        cloud = dataclasses.replace(in_cloud.cloud, push_to=address)
        return dataclasses.replace(in_cloud, cloud=cloud)

    assert rollback_command.run_in_cloud(at("ram://none"), to=None, only_list=True) == 0
    none = "ram://none: no version yet: a job of the compiled line makes one\n"
    assert capsys.readouterr().out == none
    with pytest.raises(InputError) as error:
        rollback_command.run_in_cloud(at("nowhere://b/x"), to=None, only_list=True)
    assert str(error.value).startswith("cloud.push_to: nowhere://b/x: File system scheme 'nowhere'")
    assert "\n" not in str(error.value)


def test_without_a_cloud_there_is_nothing_to_go_back_to_there(config, capsys):
    assert main(["rollback", "--cloud"]) == 2
    expected = "tokenline: pipeline_config.yaml:1: cloud: missing, expected a section with"
    assert capsys.readouterr().err.startswith(expected)
