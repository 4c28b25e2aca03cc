"""A runtime directory, opened and served until the process is told to stop."""

from collections.abc import Callable

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.places import place_of
from fleetlog.runtime.servers.daemon import Daemon, ServerConfig
from fleetlog.runtime.servers.mesh_access import DaemonMesh

__all__ = ["serve"]


def serve(
    directory: str, config: ServerConfig, on_ready: Callable[[str], object], runtime_config: RuntimeConfig
) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is told the url. Raises `DirectoryOwned` when another process runs
    the directory's fleets, `InvalidArgument` when it cannot be served so."""
    place = place_of(directory)
    if place is None:
        raise InvalidArgument("'--dir' must be a directory: nobody else finds a runtime in memory")
    mesh = DaemonMesh(place.folder)
    with Runtime.open(directory, config=runtime_config, mesh=mesh) as runtime:
        daemon = Daemon(runtime, place.folder, config)
        mesh.open(runtime, daemon.url)
        on_ready(daemon.url)
        daemon.run()
