"""`pipeline.metadata`: a server that keeps the metadata, instead of a file. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Literal

from pipeline.config.loader import required, setting

_PORTS = {"mysql": 3306, "postgresql": 5432}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreSslConfig:
    """mysql: what a connection is encrypted with."""

    root_certificate: str = setting("", "file of the authority that signed the server's", path=True)
    certificate: str = setting("", "file of this client's certificate", path=True)
    key: str = setting("", "file of this client's key", path=True)
    verify: bool = setting(False, "the server's certificate has to be of that authority")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerStoreConfig:
    """A database that is there already; its tables are made by the first run."""

    kind: Literal["mysql", "postgresql"] = required("which server: mysql or postgresql")
    host: str = setting("localhost", "its name or address, or the folder (mysql: file) of a socket")
    port: int | None = setting(None, "null: 3306 for mysql, 5432 for postgresql", ge=1, le=65535)
    database: str = required("name of the database, which exists")
    user: str = required("who connects")
    password_env: str = setting(
        "", "environment variable that holds the password; '': there is none"
    )
    ssl: StoreSslConfig = setting(StoreSslConfig(), "mysql: encrypted connections")

    @property
    def number(self) -> int:
        """The port, also where none is given."""
        return self.port or _PORTS[self.kind]

    @property
    def place(self) -> str:
        """As errors name it."""
        return f"{self.kind} {self.user}@{self.host}:{self.number}/{self.database}"
