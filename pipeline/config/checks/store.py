"""What no single key can tell of the metadata store."""

import re
from typing import TYPE_CHECKING

from pipeline.config.problems import Problems
from pipeline.config.store import ServerStoreConfig, StoreSslConfig

if TYPE_CHECKING:
    from pipeline.config import Config

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    server = config.pipeline.metadata
    if not problems.clean("pipeline.metadata") or not isinstance(server, ServerStoreConfig):
        return
    for key in ("host", "database", "user"):
        if not getattr(server, key):
            problems.add(f"pipeline.metadata.{key}", "got '', expected a name")
    if server.password_env and not _VARIABLE.fullmatch(server.password_env):
        # Not shown: it may be the password itself.
        text = "got no name of an environment variable, expected one; the password is not put here"
        problems.add("pipeline.metadata.password_env", text)
    ssl = server.ssl
    if ssl != StoreSslConfig() and server.kind == "postgresql":
        text = "ml-metadata's PostgreSQL client has no TLS; expected no value, and a tunnel to loopback"
        problems.add("pipeline.metadata.ssl", text)
    if bool(ssl.certificate) != bool(ssl.key):
        text = "got one of certificate and key, expected both or neither"
        problems.add("pipeline.metadata.ssl", text)
    if ssl.verify and not ssl.root_certificate:
        text = "has no effect without root_certificate; expected that too"
        problems.add("pipeline.metadata.ssl.verify", text)
