"""Ports that Beam opens for workers of this machine: on loopback, where Beam has all interfaces.

What reaches such a port can have its own code run, and nobody is asked for a name. Beam has no option.
"""

from types import ModuleType
from typing import Any

_ANYWHERE, _LOOPBACK = "[::]:", "localhost:"


def keep(*modules: ModuleType) -> None:
    """From now on servers that these modules of Beam make listen on loopback only.

    Their workers are told `localhost` as it is.
    """
    for module in modules:
        module.grpc = _Grpc()  # type: ignore[attr-defined]


class _Grpc:
    """The package `grpc`, but for its servers."""

    def __getattr__(self, name: str) -> Any:
        import grpc

        return getattr(grpc, name)

    def server(self, *args: Any, **kwargs: Any) -> Any:
        """A server whose ports are on loopback where all interfaces were asked for."""
        import grpc

        made = grpc.server(*args, **kwargs)
        add = made.add_insecure_port
        made.add_insecure_port = lambda address: add(address.replace(_ANYWHERE, _LOOPBACK, 1))
        return made
