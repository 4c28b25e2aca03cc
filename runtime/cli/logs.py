"""What the runtime and failing brains log goes to a file beside the log, not between the lines of the view."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fleetlog.runtime.places import place_of

__all__ = ["logging_to"]


@contextmanager
def logging_to(directory: str) -> Iterator[None]:
    """Within it, what fleetlog logs is appended to `fleetlog.log` in the runtime directory."""
    place = place_of(directory)
    if place is None:
        yield
        return
    handler = logging.FileHandler(place.folder / "fleetlog.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("fleetlog")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
