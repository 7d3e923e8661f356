"""`pipeline.metadata`: a file by default, or a server; a password is never in the configuration."""

import pathlib

import pytest

from components.errors import InputError
from pipeline.config import Config, load_config
from pipeline.config.store import ServerStoreConfig
from pipeline.store.connection import store_of

SERVER = "kind: postgresql, database: d, user: u"


def _load(folder: pathlib.Path, metadata: str) -> Config:
    (folder / "rows").mkdir(exist_ok=True)
    (folder / "rows/a.jsonl").write_text('{"text": "a"}\n')
    text = f"pipeline: {{name: p, root: runs{metadata}}}\ntask: lm\ndata: {{path: rows}}\n"
    (folder / "c.yaml").write_text(text)
    return load_config(folder / "c.yaml")


@pytest.mark.parametrize("metadata", ["", ", metadata: sqlite"])
def test_a_file_in_the_root_by_default(tmp_path: pathlib.Path, metadata: str) -> None:
    config = _load(tmp_path, metadata)
    assert config.pipeline.metadata == "sqlite"
    kept = store_of(config)
    assert (kept.pipeline, kept.place) == ("p", str(tmp_path / "runs/p/metadata.db"))
    assert kept.connection().sqlite.filename_uri == kept.place


@pytest.mark.parametrize(("kind", "port"), [("postgresql", 5432), ("mysql", 3306)])
def test_a_server_by_name(tmp_path: pathlib.Path, monkeypatch, kind: str, port: int) -> None:
    monkeypatch.setenv("SECRET", "sesame")
    monkeypatch.setenv("PGPASSWORD", "")
    text = f", metadata: {{kind: {kind}, host: db, database: d, user: u, password_env: SECRET}}"
    config = _load(tmp_path, text)
    expected = ServerStoreConfig(
        kind=kind, host="db", database="d", user="u", password_env="SECRET"
    )
    assert config.pipeline.metadata == expected
    kept = store_of(config)
    assert kept.place == f"{kind} u@db:{port}/d"
    found = getattr(kept.connection(), kind)
    assert (found.host, str(found.port), found.user) == ("db", str(port), "u")
    assert found.skip_db_creation
    # libpq reads the environment, so that TFX does not carry the password along.
    assert found.password == ("sesame" if kind == "mysql" else "")


def test_mysql_by_a_socket_and_encrypted(tmp_path: pathlib.Path) -> None:
    ssl = "ssl: {root_certificate: ca, verify: true}"
    text = f"{{kind: mysql, host: /run/m.sock, database: d, user: u, {ssl}}}"
    found = store_of(_load(tmp_path, f", metadata: {text}")).connection().mysql
    assert (found.socket, found.host) == ("/run/m.sock", "")
    assert found.ssl_options.ca == str(tmp_path / "ca")
    assert found.ssl_options.verify_server_cert


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("sqlite3", "pipeline.metadata: got 'sqlite3', expected sqlite"),
        (
            "{kind: oracle, database: d, user: u}",
            "kind: got 'oracle', expected one of mysql, postgresql",
        ),
        ("{kind: mysql, user: u}", "pipeline.metadata.database: missing"),
        ("{kind: mysql, user: u, database: d, password: x}", "password: unknown key"),
        (f"{{{SERVER}, port: 0}}", "pipeline.metadata.port: got 0"),
        ("{kind: mysql, database: '', user: u}", "pipeline.metadata.database: got ''"),
        (f"{{{SERVER}, password_env: 'sesame, open'}}", "got no name of an environment variable"),
        (f"{{{SERVER}, ssl: {{verify: true}}}}", "ml-metadata's PostgreSQL client has no TLS"),
        (
            "{kind: mysql, database: d, user: u, ssl: {certificate: c}}",
            "got one of certificate and key, expected both or neither",
        ),
        (
            "{kind: mysql, database: d, user: u, ssl: {verify: true}}",
            "ssl.verify: has no effect without root_certificate",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: pathlib.Path, metadata: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        _load(tmp_path, f", metadata: {metadata}")
    assert problem in str(caught.value)
    assert "sesame" not in str(caught.value)
