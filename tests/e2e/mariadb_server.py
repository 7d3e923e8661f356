"""A MariaDB server on loopback, which speaks MySQL's protocol; tests start it and stop it again."""

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
from postgres_server import PASSWORD

PROGRAMS = ("mariadb", "mariadbd", "mariadb-install-db")


@contextlib.contextmanager
def started() -> Iterator[str]:
    """The value of `pipeline.metadata` for an empty database; skips where there is no server to start."""
    found = {name: shutil.which(name) for name in PROGRAMS}
    if not all(found.values()):
        pytest.skip(
            "no MariaDB server on this machine (Debian's packages mariadb-{server,client}-core)"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="tokenline-mariadb-") as folder:
        user = {}
        if os.getuid() == 0:  # as which it refuses to run
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = ["--no-defaults", f"--datadir={folder}/data"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        made = [str(found["mariadb-install-db"]), *data, *options]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **user)
        log = open(f"{folder}/log", "w")  # noqa: SIM115
        server = subprocess.Popen(
            [
                str(found["mariadbd"]), *data, f"--socket={folder}/s", f"--pid-file={folder}/pid",
                "--bind-address=127.0.0.1", f"--port={port}",
            ],
            cwd=folder, stdout=log, stderr=log, **user,
        )  # fmt: skip
        try:
            root = [str(found["mariadb"]), "--no-defaults", "-u", "root", f"--socket={folder}/s"]
            while subprocess.run([*root, "-e", "select 1"], capture_output=True).returncode:
                assert server.poll() is None, pathlib.Path(folder, "log").read_text()[-1000:]
                time.sleep(0.2)
            line = f"line@'127.0.0.1' identified by '{PASSWORD}'"
            grant = "grant all on metadata.* to line@'127.0.0.1'"
            text = f"create database metadata; create user {line}; {grant}"
            subprocess.run([*root, "-e", text], check=True)
            yield (
                f"{{kind: mysql, host: 127.0.0.1, port: {port}, database: metadata, "
                "user: line, password_env: STORE_PASSWORD}"
            )
        finally:
            server.terminate()
            server.wait()
            log.close()
