"""What makes TFX's cache miss: another byte of data, another line of code, another schema."""

import os
import pathlib
import shutil

import pytest

pytestmark = pytest.mark.pipeline

CONFIG = """
pipeline: {name: cache, root: runs}
task: lm
data: {path: rows, columns: {text: text}, split: {train: 3, eval: 1}}
model: {units: 8}
train: {epochs: 1}
serving: {check: {enabled: false}}
"""
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A project, and a copy of the packages that may be edited."""
    folder = tmp_path_factory.mktemp("cache")
    for name in ("transform", "components", "pipeline"):
        shutil.copytree(REPOSITORY / name, folder / "code" / name)
    (folder / "rows").mkdir()
    rows = [f'{{"text": "some words number {n}"}}\n' for n in range(60)]
    (folder / "rows" / "a.jsonl").write_text("".join(rows))
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def run(tokenline, folder):
    def call() -> dict[str, str]:
        finished = tokenline("run", cwd=folder, code=folder / "code")
        assert finished.code == 0, finished.out + finished.err
        return finished.states()

    return call


def test_edits_of_data_and_of_code_are_seen(run, folder) -> None:
    assert set(run().values()) == {"done"}

    # The same size and the same time: what TFX itself looks at has not changed.
    data = folder / "rows" / "a.jsonl"
    before = data.stat()
    data.write_text(data.read_text().replace("number 7", "number 8", 1))
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data.stat().st_size == before.st_size
    states = run()
    assert states["SpanWindow"] == states["ExampleGen"] == "done"

    with (folder / "code/transform/tokenizers.py").open("a") as file:
        file.write("# edited\n")
    states = run()
    assert states["SpanWindow"] == states["ExampleGen"] == states["StatisticsGen"] == "cached"
    assert states["VocabularyGen"] == states["Transform"] == states["SequenceTrainer"] == "done"


def test_an_edited_schema_is_read_again(tokenline, run, folder) -> None:
    schemas = sorted(folder.glob("runs/cache/artifacts/SchemaGen/schema/*/schema.pbtxt"))
    (folder / "schema.pbtxt").write_text(schemas[-1].read_text())
    config = CONFIG.replace("path: rows", "path: rows, schema: schema.pbtxt")
    (folder / "pipeline_config.yaml").write_text(config)
    assert run()["ImportSchemaGen"] == "done"

    broken = schemas[-1].read_text().replace('name: "text"', 'name: "texts"')
    (folder / "schema.pbtxt").write_text(broken)
    failed = tokenline("run", cwd=folder, code=folder / "code")
    assert failed.code == 2
    assert "'text'" in failed.err
    assert "Traceback" not in failed.err
