"""Who runs a fleet that is begun here: the directory's daemon, if it has one; else this process, to the fleet's end."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fleetlog.domain.errors import DaemonUnreachable, InvalidArgument, NotFound, StoreFault
from fleetlog.runtime.cli.visits import daemon_client
from fleetlog.runtime.client import Client
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.ownership import owner_of
from fleetlog.runtime.places import Place, place_of
from fleetlog.runtime.servers.address import DaemonAddress
from fleetlog.runtime.servers.reaching import Daemons, NoDaemon

__all__ = ["Host", "daemon_for", "host_for", "stop_daemon"]

LOOK_EVERY_S = 0.05

Host = Runtime | Client


@contextmanager
def host_for(directory: str, config: RuntimeConfig) -> Iterator[Host]:
    """The daemon's facade, or a runtime of this process, which recovers nothing by itself."""
    client = daemon_client(place_of(directory))
    if client is not None:
        with client:
            yield client
        return
    with Runtime.open(directory, config=config, recover=False) as runtime:
        yield runtime


def daemon_for(directory: str) -> Client:
    """A client of the directory's daemon, which is started if there is none. Raises `DaemonUnreachable`."""
    place = place_of(directory)
    if place is None:
        raise InvalidArgument("'--dir' must be a directory: a runtime in memory has no daemon")
    return daemon_client(place) or _started(place)


def stop_daemon(directory: str, timeout_s: float) -> int:
    """Ask the directory's daemon to stop, and wait until it has: its process id. Raises `NotFound` when there is none,
    `StoreFault` when it does not end in time."""
    place = place_of(directory)
    address = None if place is None else DaemonAddress.read(place.folder)
    if place is None or address is None or owner_of(place.folder) is None:
        raise NotFound(f"no daemon serves {place or directory}")
    os.kill(address.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while owner_of(place.folder) is not None and DaemonAddress.read(place.folder) in (address, None):
        if time.monotonic() > deadline:
            raise StoreFault(f"the daemon of {place} (process {address.pid}) has not ended within {timeout_s:.0f} s")
        time.sleep(LOOK_EVERY_S)
    return address.pid


def _started(place: Place) -> Client:
    try:
        connection = Daemons(place).connect(may_start=True)
    except NoDaemon as error:
        raise DaemonUnreachable(f"no daemon could be started for {place}: {error}") from error
    if connection is not None:
        connection.close()
    return Client.of(place.folder, patience_s=10.0)
