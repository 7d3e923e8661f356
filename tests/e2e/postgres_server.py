"""A PostgreSQL server on loopback, which tests start for a metadata store and stop again."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline.config.store import ServerStoreConfig
from pipeline.store.connection import Store

PASSWORD = "open sesame"
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

    @property
    def config(self) -> str:
        """As the value of `pipeline.metadata`."""
        return (
            f"{{kind: postgresql, host: 127.0.0.1, port: {self.port}, database: metadata, "
            "user: line, password_env: STORE_PASSWORD}"
        )

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


@contextlib.contextmanager
def started() -> Iterator[Server]:
    """A server with an empty database `metadata` of user `line`; skips where there is none to start."""
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
