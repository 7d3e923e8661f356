"""Two pipelines that retrain at once, their metadata in one database of a server."""

import pathlib
from collections.abc import Iterator

import mariadb_server
import postgres_server
import pytest
import retrain_project
from postgres_server import PASSWORD
from retrain_project import Project

from pipeline.config import load_config
from pipeline.store import questions
from pipeline.store.connection import store_of

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(params=["postgresql", "mysql"])
def server(request) -> Iterator[str]:
    """The value of `pipeline.metadata`."""
    if request.param == "mysql":
        with mariadb_server.started() as config:
            yield config
    else:
        with postgres_server.started() as running:
            yield running.config


def test_whole_lines_side_by_side(server: str, tmp_path: pathlib.Path, monkeypatch) -> None:
    """Each finds its own baseline and its own vocabulary; neither hears of the other."""
    monkeypatch.setenv("STORE_PASSWORD", PASSWORD)
    projects = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        named = f"{{name: {name}, root: runs, metadata: {server}}}"
        config = retrain_project.CONFIG.replace("{name: killed, root: runs}", named)
        # With a backslash, which ml_metadata cannot write to PostgreSQL by itself.
        config += "transform: {target_tokenizer: regex, target_pattern: '\\w+'}\n"
        (folder / "pipeline_config.yaml").write_text(config)
        projects[name] = Project(folder, folder / "kept")
    for number in (1, 2):
        for project in projects.values():
            project.span(number)
        both = [project.begin() for project in projects.values()]
        for process in both:
            out, err = process.communicate()
            assert process.returncode == 0, out + err
            assert PASSWORD not in out + err
    for name, project in projects.items():
        assert [run["state"] for run in project.ledger()] == ["pushed", "pushed"]
        serving = project.folder / "runs" / name / "serving"
        assert sorted(path.name for path in serving.iterdir()) == [".runs", "1", "2"]
        made = questions.models(store_of(load_config(project.folder / "pipeline_config.yaml")))
        assert {model.uri.startswith(str(project.folder)) for model in made} == {True}
        assert not (project.folder / "runs" / name / "metadata.db").exists()
