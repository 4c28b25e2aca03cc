"""Which templates are there, and what is in each of their versions?"""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.template import PREFIX
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Templates"]

_INSERT = "INSERT OR REPLACE INTO templates (name, version, deleted_ms) VALUES (?,?,NULL)"
_INSERT_VERSION = (
    "INSERT OR REPLACE INTO template_versions (name, version, description, agent_count, saved_ms, saved_by, content)"
    " VALUES (?,?,?,?,?,?,?)"
)


class Templates:
    """One row a template with its last version, one for each version. `content` is the event that saved it, as
    msgpack."""

    name = "templates"
    version = 1
    tables: Sequence[str] = ("templates", "template_versions")
    schema: Sequence[str] = (
        "CREATE TABLE templates (name TEXT PRIMARY KEY, version INTEGER NOT NULL, deleted_ms INTEGER) WITHOUT ROWID",
        """CREATE TABLE template_versions (
            name TEXT NOT NULL, version INTEGER NOT NULL, description TEXT NOT NULL, agent_count INTEGER NOT NULL,
            saved_ms INTEGER NOT NULL, saved_by TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (name, version)
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {e.TemplateSaved: self._saved, e.TemplateDeleted: self._deleted}

    def _saved(self, recorded: Recorded, rows: Rows) -> None:
        event: e.TemplateSaved = recorded.event
        name, content = recorded.stream_id.removeprefix(PREFIX), msgspec.msgpack.encode(event)
        rows.add(_INSERT, name, event.version)
        saved = (event.description, len(event.spec.agents), recorded.at_ms, recorded.by, content)
        rows.add(_INSERT_VERSION, name, event.version, *saved)

    def _deleted(self, recorded: Recorded, rows: Rows) -> None:
        name = recorded.stream_id.removeprefix(PREFIX)
        rows.add("UPDATE templates SET deleted_ms=? WHERE name=?", recorded.at_ms, name)
