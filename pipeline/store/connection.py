"""Where a pipeline's metadata are, and how to get at them."""

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.errors import InputError, Passing
from pipeline import paths
from pipeline.config import Config
from pipeline.config.store import ServerStoreConfig
from pipeline.store import backslashes, errors

_ATTEMPTS = 5  # where two make the tables of a database at the same time


@dataclass(frozen=True)
class Store:
    """The rows of one pipeline in a metadata store, which may hold other pipelines' too.

    `pipeline`: its name; `file`: of an sqlite store, not used where there is a `server`.
    """

    pipeline: str
    file: str
    server: ServerStoreConfig | None = None

    @property
    def place(self) -> str:
        """As errors name it."""
        return self.server.place if self.server else self.file

    def exists(self) -> bool:
        """False before the first run; what a server has can be told by asking it alone."""
        return bool(self.server) or os.path.exists(self.file)

    def connection(self) -> Any:
        """ml_metadata's ConnectionConfig, which makes the tables if they are not there.

        Raises:
          InputError: the environment does not hold the password.
        """
        if self.server:
            return _server(self.server)
        from ml_metadata.proto import metadata_store_pb2

        os.makedirs(os.path.dirname(self.file), exist_ok=True)
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = self.file
        config.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        )
        return config

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """ml_metadata's client of the store.

        Raises:
          InputError: the store cannot be used: it is gone, locked, damaged, or the like.
        """
        from ml_metadata import metadata_store
        from ml_metadata.errors import StatusError

        config = self.connection()
        for attempt in range(_ATTEMPTS):
            said: list[str] = []
            try:
                with _standard_error(said) if self.server else contextlib.nullcontext():
                    client = metadata_store.MetadataStore(config)
                break
            except (RuntimeError, StatusError) as error:
                text = "\n".join([str(error), *said])
                if attempt + 1 == _ATTEMPTS or not errors.is_made_by_another(text):
                    raise Passing(f"{self.place}: {errors.reason(text)}") from error
                time.sleep(1 + random.random())
        try:
            with backslashes.kept(config):
                yield client
        except StatusError as error:
            if not errors.is_of_a_store(error):
                raise
            raise Passing(f"{self.place}: {errors.reason(str(error))}") from error

    def problem(self, error: BaseException) -> str:
        """What is wrong with the store if an error of TFX's comes from that, in one line; or ""."""
        if not errors.is_of_a_store(error):
            return ""
        try:
            with self.opened() as rows:  # says why, which TFX's error may not
                rows.get_artifact_types()
        except InputError as found:
            return str(found)
        return f"{self.place}: {errors.reason(str(error))}"


def store_of(config: Config) -> Store:
    """The store that a pipeline's configuration names."""
    file = os.path.join(paths.pipeline_folder(config), "metadata.db")
    server = config.pipeline.metadata
    return Store(config.pipeline.name, file, None if server == "sqlite" else server)


def _server(server: ServerStoreConfig) -> Any:
    from ml_metadata.proto import metadata_store_pb2

    password = _password(server)
    config = metadata_store_pb2.ConnectionConfig()
    if server.kind == "postgresql":
        found = config.postgresql
        found.dbname, found.port = server.database, str(server.number)
        found.host = server.host
        if password:
            # Read by libpq. In the configuration it would be in the pipeline that TFX passes around.
            os.environ["PGPASSWORD"] = password
    else:
        found = config.mysql
        found.database, found.port, found.password = server.database, server.number, password
        if server.host.startswith("/"):
            found.socket = server.host
        else:
            found.host = server.host
        if server.ssl.root_certificate or server.ssl.certificate:
            options = found.ssl_options
            options.ca, options.cert = server.ssl.root_certificate, server.ssl.certificate
            options.key, options.verify_server_cert = server.ssl.key, server.ssl.verify
    found.user, found.skip_db_creation = server.user, True
    return config


def _password(server: ServerStoreConfig) -> str:
    if not server.password_env:
        return ""
    if server.password_env not in os.environ:
        raise Passing(
            f"pipeline.metadata.password_env: the environment has no {server.password_env}, "
            f"expected the password of {server.place}"
        )
    return os.environ[server.password_env]


@contextlib.contextmanager
def _standard_error(said: list[str]) -> Iterator[None]:
    """Adds to `said` what C++ writes: a refusal is told there alone. It goes on to where it went."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            text = caught.read()
            said.append(text.decode("utf-8", "replace"))
            os.write(2, text)
