"""Everything that moves: the facade, the log, the actors, the workers.

`Runtime` and its three other shapes are found here by name, and loaded when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetlog.runtime.aio import AsyncRuntime
    from fleetlog.runtime.async_client import AsyncClient
    from fleetlog.runtime.client import Client
    from fleetlog.runtime.host import Runtime

__all__ = ["AsyncClient", "AsyncRuntime", "Client", "Runtime"]

_HOMES = {"AsyncClient": "async_client", "AsyncRuntime": "aio", "Client": "client", "Runtime": "host"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
