"""A metadata store on a PostgreSQL server, which the test starts."""

import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import postgres_server
import pytest
from ml_metadata.proto import metadata_store_pb2
from postgres_server import PASSWORD, Server

from components.errors import InputError
from pipeline.store import lineage, owner, questions, stale
from pipeline.store.connection import Store

HERE = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.started() as running:
        yield running


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_PASSWORD", PASSWORD)
    monkeypatch.delenv("PGPASSWORD", raising=False)


def test_two_pipelines_at_once_in_one_database(server: Server, tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = "".join(f'{{"text": "a row of text {number}"}}\n' for number in range(20))
    (tmp_path / "rows/a.jsonl").write_text(rows)
    workers = {}
    for name in ("one", "two"):
        text = f"pipeline: {{name: {name}, root: runs, metadata: {server.config}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text + "task: lm\ndata: {path: rows}\n")
        workers[name] = subprocess.Popen(
            [sys.executable, str(HERE / "store_worker.py"), str(tmp_path / f"{name}.yaml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )
    for name, worker in workers.items():
        out, said = worker.communicate()
        assert worker.returncode == 0, said[-2000:]
        run, state = out.split()
        assert state == "done"
        kept = server.store(name)
        (ran,) = lineage.executions(kept, run)
        folder = str(tmp_path / "runs" / name)
        assert {made.uri.startswith(f"{folder}/artifacts/") for made in ran.outputs} == {True}
        assert set(lineage.run_outputs(kept, run)["ExampleGen"]) == {"examples", "ingest_report"}
        assert questions.models(kept) == questions.vocabularies(kept) == []
        assert stale.clean(kept, folder, folder) == []
        with pytest.raises(
            InputError, match=f"has a pipeline '{name}' in {folder}, expected anoth"
        ):
            owner.claim(kept, "/elsewhere")
        assert PASSWORD not in said


def test_what_keeps_one_out_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(kept: Store) -> str:
        with pytest.raises(InputError) as caught:
            questions.models(kept)
        problem = str(caught.value)
        assert problem.startswith(f"{kept.place}: ")
        assert PASSWORD not in problem
        return problem.removeprefix(f"{kept.place}: ")

    assert refusal(server.store(database="other")) == (
        "the server has no such database: make it, or see pipeline.metadata.database"
    )
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        nobody = Server(taken.getsockname()[1], "")
        assert refusal(nobody.store()) == (
            "no server answers there: start it, or see pipeline.metadata.host and port"
        )
    monkeypatch.setenv("STORE_PASSWORD", "guessed")
    wrong = "the server refuses this user with this password: see pipeline.metadata.user and password_env"
    assert refusal(server.store()) == wrong
    monkeypatch.delenv("STORE_PASSWORD")
    with pytest.raises(InputError, match="the environment has no STORE_PASSWORD"):
        questions.models(server.store())


def test_what_fails_while_a_run_goes_on_is_named_too(server: Server) -> None:
    kept = server.store()
    end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'line'"

    def go_on() -> None:
        with kept.opened() as rows:
            server.asked(end)
            rows.get_artifacts()

    with pytest.raises(InputError, match="the server does not answer, or refuses"):
        go_on()


def test_a_value_is_found_whatever_quotes_are_in_it(server: Server) -> None:
    text = '{"content": "a b", "it\'s": [1, 2], "back": "\\\\"}'
    kept = server.store("quotes")
    with kept.opened() as rows:
        kind = rows.put_artifact_type(metadata_store_pb2.ArtifactType(name="Quoted"))
        pipelines = rows.put_context_type(metadata_store_pb2.ContextType(name="pipeline"))
        (pipeline,) = rows.put_contexts(
            [metadata_store_pb2.Context(type_id=pipelines, name="quotes")]
        )
        made = []
        for value in (text, text.replace('"', "'")):
            one = metadata_store_pb2.Artifact(type_id=kind, state=metadata_store_pb2.Artifact.LIVE)
            one.custom_properties["key"].string_value = value
            made += rows.put_artifacts([one])
            link = metadata_store_pb2.Attribution(artifact_id=made[-1], context_id=pipeline)
            rows.put_attributions_and_associations([link], [])
        found = questions.of_value(rows, kept, "Quoted", "key", text)
    assert [one.id for one in found] == made[:1]
