"""Two pipelines that retrain at once, their metadata in one database of a PostgreSQL server."""

import pathlib
from collections.abc import Iterator

import postgres_server
import pytest
import retrain_project
from postgres_server import PASSWORD, Server
from retrain_project import Project

from pipeline import store

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.started() as running:
        yield running


def test_whole_lines_side_by_side(server: Server, tmp_path: pathlib.Path, monkeypatch) -> None:
    """Each finds its own baseline and its own vocabulary; neither hears of the other."""
    monkeypatch.setenv("STORE_PASSWORD", PASSWORD)
    projects = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        named = f"{{name: {name}, root: runs, metadata: {server.config}}}"
        config = retrain_project.CONFIG.replace("{name: killed, root: runs}", named)
        # With backslashes, which ml_metadata cannot write there by itself.
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
        made = store.models(server.store(name))
        assert {model.uri.startswith(str(project.folder)) for model in made} == {True}
        assert not (project.folder / "runs" / name / "metadata.db").exists()
