"""Fleets and inboxes as MCP resources: `fleet://ID`, its `/report` and `/timeline`, `agent://ID/inbox`."""

import re
from collections.abc import Sequence

import msgspec

from fleetlog.domain.errors import NotFound
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.rows import ResultRow, TimelineEntry

__all__ = ["Listed", "Resources", "uris_of"]

JSON, MARKDOWN = "application/json", "text/markdown"
PAGE = 100
LAST_EVENTS = 1_000

_URI = re.compile(r"fleet://(?P<fleet>[^/]+)(?P<part>/report|/timeline)?|agent://(?P<agent>[^/]+)/inbox")


class Listed(msgspec.Struct, frozen=True):
    """A resource, or a template of resources, in a list. `kind` is its MIME type."""

    uri: str
    name: str
    about: str
    kind: str


class Resources:
    """The resources a caller may read. Blocks; any thread."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @staticmethod
    def templates() -> tuple[Listed, ...]:
        """What resources there are."""
        return (
            Listed("fleet://{id}", "fleet", "A fleet and its agents.", JSON),
            Listed("fleet://{id}/report", "fleet-report", "What a fleet has found out.", MARKDOWN),
            Listed("fleet://{id}/timeline", "fleet-timeline", f"A fleet's first {LAST_EVENTS} events.", JSON),
            Listed("agent://{id}/inbox", "agent-inbox", "The messages an agent has not acknowledged.", JSON),
        )

    def listed(self, cursor: str | None) -> tuple[Sequence[Listed], str | None]:
        """A page of fleets, newest first, and the cursor of the next."""
        page = self._door.list_fleets(limit=PAGE, cursor=cursor)
        found = []
        for fleet in page.fleets:
            called = fleet.name or fleet.goal or fleet.id
            found.append(Listed(f"fleet://{fleet.id}", called[:80], f"{fleet.status}: {called}"[:300], JSON))
        return found, page.next_cursor

    def read(self, uri: str) -> tuple[str, str]:
        """(MIME type, text); raises `NotFound`."""
        known = _URI.fullmatch(uri)
        if known is None:
            raise NotFound(
                f"No such resource: {uri[:200]} (there are fleet://ID, /report, /timeline, agent://ID/inbox)"
            )
        if known["agent"]:
            return JSON, _json(self._door.inbox(known["agent"]))
        match known["part"]:
            case "/report":
                return MARKDOWN, self._report(known["fleet"])
            case "/timeline":
                return JSON, _json(self._door.timeline(known["fleet"], limit=LAST_EVENTS))
            case _:
                return JSON, _json(self._door.fleet_status(known["fleet"]))

    def _report(self, fleet_id: str) -> str:
        """The agents' reports; where there is none, everything they have submitted."""
        results = self._door.collect_results(fleet_id).results
        reports = [_report_of(result) for result in results]
        found = [report for report in reports if report]
        return "\n\n".join(found or [_section(result) for result in results]) or "Nothing has been submitted yet.\n"


def _report_of(result: ResultRow) -> str:
    report = result.output.get("report") if isinstance(result.output, dict) else None
    return report if isinstance(report, str) else ""


def _section(result: ResultRow) -> str:
    output = result.output if isinstance(result.output, str) else f"```json\n{_json(result.output)}\n```"
    return f"## {result.name}: {result.status}\n\n{result.error or output}\n"


def _json(value: FleetStatus | object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def uris_of(entry: TimelineEntry) -> tuple[str, ...]:
    """The resources that an event has changed."""
    fleet = f"fleet://{entry.fleet_id}"
    found = (fleet, f"{fleet}/timeline")
    if entry.what.startswith("message."):
        return (*found, f"agent://{entry.agent_id}/inbox")
    return (*found, f"{fleet}/report") if entry.what == "agent.completed" else found
