"""Ports that Beam opens for workers of this machine: on loopback, where Beam has all interfaces.

What reaches such a port can have its own code run, and nobody is asked for a name. Beam has no option.
"""

import contextlib
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_ANYWHERE, _LOOPBACK = "[::]:", "localhost:"
_one_at_a_time = threading.Lock()


def keep(*modules: ModuleType) -> None:
    """From now on servers that these modules of Beam make listen on loopback only.

    Their workers are told `localhost` as it is.
    """
    for module in modules:
        module.grpc = _Grpc()  # type: ignore[attr-defined]


@contextlib.contextmanager
def kept(module: ModuleType) -> Iterator[None]:
    """The same for servers that are made within; another thread's meanwhile, too."""
    with _one_at_a_time:
        before = module.grpc
        keep(module)
        try:
            yield
        finally:
            module.grpc = before  # type: ignore[attr-defined]


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
