"""Services on loopback, and a guard: nothing here leaves this machine."""

import ipaddress
import json
import pathlib
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import fake_storage
import fake_vertex
from small_pipeline import CONFIG, compiled

from pipeline.config import load_config


@pytest.fixture(autouse=True)
def left(monkeypatch):
    """The addresses other than loopback that were asked for: connecting to them is refused."""
    found = []
    connect = socket.socket.connect
    look_up = socket.getaddrinfo

    def guarded(self, address):
        internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if internet and not ipaddress.ip_address(address[0]).is_loopback:
            found.append(address)
            raise PermissionError(f"{address} is not on loopback")
        return connect(self, address)

    def guarded_look_up(host, *arguments, **more):
        if host not in ("localhost", "127.0.0.1", "::1", None):
            found.append(host)
            raise PermissionError(f"{host} is not on loopback")
        return look_up(host, *arguments, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield found
    assert found == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return fake_vertex.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def vertex(certificate, monkeypatch):
    """A Vertex that the real client is pointed at."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    service = fake_vertex.FakeVertex()
    with fake_vertex.serving(lambda call: service.answer(call), certificate) as port:
        service.port = port
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
        before = dict(vars(aiplatform.initializer.global_config))
        aiplatform.init(
            api_endpoint=f"localhost:{port}",
            api_transport="rest",
            credentials=AnonymousCredentials(),
        )
        yield service
        vars(aiplatform.initializer.global_config).update(before)


@pytest.fixture
def store(monkeypatch):
    """Google Cloud Storage on loopback, to which Google's client is led."""
    found = fake_storage.FakeStorage()
    with fake_storage.serving(found) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        yield found


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    """Of a project with a cloud; the test works in its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows-1").mkdir()
    (tmp_path / "rows-1" / "a.jsonl").write_text('{"text": "a"}\n')
    path = tmp_path / "pipeline_config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def config(config_file):
    return load_config(config_file)


@pytest.fixture
def spec_file(tmp_path):
    """A compiled pipeline of three steps and an importer, small enough to be read."""
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(compiled()))
    return str(path)
