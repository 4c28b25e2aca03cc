"""When cron lines are due, in their own time zones; cronsim's room.

Daylight saving is treated as Debian's cron (Vixie's) does. A line with a fixed hour and minute is due once on every
day: what falls into the hour that is left out comes right after it, what falls into the hour that comes twice is due
the first time. A line with `*` in its hours or minutes follows the clock on the wall: nothing is due in the hour left
out, and the hour that comes twice counts twice.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from fleetlog.domain.errors import InvalidArgument

__all__ = ["check_line", "next_due_s", "zone_of"]

_FIELDS = 5


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name. Raises `InvalidArgument`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidArgument(f"'{name}' is no time zone; it must be a name like Europe/Berlin, or UTC") from error


def check_line(cron: str, zone: str) -> None:
    """Refuse a line that is none, or is never due."""
    if len(cron.split()) != _FIELDS:
        raise InvalidArgument(
            f"'{cron}' has {len(cron.split())} fields; a cron line has five: minute hour day month weekday"
        )
    next_due_s(cron, zone, 0.0)


def next_due_s(cron: str, zone: str, after_s: float) -> float:
    """The first moment behind `after_s` (both epoch seconds) at which the line is due."""
    after = datetime.fromtimestamp(after_s, UTC).astimezone(zone_of(zone))
    try:
        return next(CronSim(cron, after)).timestamp()
    except CronSimError as error:
        raise InvalidArgument(f"'{cron}' is no cron line: {error}") from error
    except StopIteration as error:
        raise InvalidArgument(f"'{cron}' is never due") from error
