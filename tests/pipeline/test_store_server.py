"""A metadata store on a PostgreSQL server, which the test starts."""

import glob
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from components.errors import InputError
from pipeline import stale, store, store_owner
from pipeline.config_store import ServerStoreConfig
from pipeline.store_connection import Store

PASSWORD = "open sesame"
HERE = pathlib.Path(__file__).parent
ACCESS = """
host all owner 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass
class Server:
    port: int
    programs: str

    def asked(self, question: str) -> str:
        """Of the server's own client, as its owner."""
        command = [f"{self.programs}/psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "owner"]
        done = subprocess.run(
            [*command, "-AtX", "postgres", "-c", question],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def store(self, name: str = "p", database: str = "metadata", user: str = "line") -> Store:
        server = ServerStoreConfig(
            kind="postgresql",
            host="127.0.0.1",
            port=self.port,
            database=database,
            user=user,
            password_env="STORE_PASSWORD",
        )
        return Store(name, "", server)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if not initdb:
        pytest.skip("no PostgreSQL server on this machine (Debian's package postgresql)")
    programs = os.path.dirname(initdb)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not tmp_path, which only its owner can enter; the server refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="tokenline-postgres-") as folder:
        user = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = f"{folder}/data"
        made = [initdb, "-D", data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **user)
        pathlib.Path(data, "pg_hba.conf").write_text(ACCESS)
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        control = [f"{programs}/pg_ctl", "-D", data, "-l", f"{folder}/log", "-w"]
        subprocess.run(
            [*control, "-o", options, "start"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **user,
        )
        try:
            running = Server(port, programs)
            running.asked(f"create role line login password '{PASSWORD}'")
            running.asked("create database metadata owner line")
            yield running
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)


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
        metadata = (
            f"{{kind: postgresql, host: 127.0.0.1, port: {server.port}, database: metadata, "
            "user: line, password_env: STORE_PASSWORD}"
        )
        text = f"pipeline: {{name: {name}, root: runs, metadata: {metadata}}}\n"
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
        (ran,) = store.lineage(kept, run)
        folder = str(tmp_path / "runs" / name)
        assert {made.uri.startswith(f"{folder}/artifacts/") for made in ran.outputs} == {True}
        assert set(store.run_outputs(kept, run)["ExampleGen"]) == {"examples", "ingest_report"}
        assert store.models(kept) == store.vocabularies(kept) == []
        assert stale.clean(kept, folder, folder) == []
        with pytest.raises(
            InputError, match=f"has a pipeline '{name}' in {folder}, expected anoth"
        ):
            store_owner.claim(kept, "/elsewhere")
        assert PASSWORD not in said


def test_what_keeps_one_out_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(kept: Store) -> str:
        with pytest.raises(InputError) as caught:
            store.models(kept)
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
        store.models(server.store())


def test_what_fails_while_a_run_goes_on_is_named_too(server: Server) -> None:
    kept = server.store()
    end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'line'"

    def go_on() -> None:
        with kept.opened() as rows:
            server.asked(end)
            rows.get_artifacts()

    with pytest.raises(InputError, match="the server does not answer, or refuses"):
        go_on()
