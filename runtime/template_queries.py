"""What people ask about templates: answered from the views alone. A template's name has been checked."""

import sqlite3
from collections.abc import Callable, Mapping

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import FleetSpec, TemplateVariable
from fleetlog.runtime.views import Reader

__all__ = ["BUNDLED_VERSION", "TemplateQueries", "TemplateRow", "TemplateSummary"]

BUNDLED_VERSION = 0


class TemplateSummary(msgspec.Struct, frozen=True):
    """A template as lists show it. `saved_at` is UTC epoch milliseconds; what comes along has version 0, and was saved
    by nobody."""

    name: str
    version: int
    description: str
    agent_count: int
    variables: tuple[TemplateVariable, ...]
    saved_at: int
    saved_by: str


class TemplateRow(msgspec.Struct, frozen=True):
    """One version of a template; `latest` is its last one. `spec` still has its placeholders."""

    name: str
    version: int
    latest: int
    description: str
    variables: tuple[TemplateVariable, ...]
    spec: FleetSpec
    saved_at: int
    saved_by: str
    position: int = 0


class TemplateQueries:
    """Queries over one view file, and over the templates that come along, which stand behind saved ones of their name.
    Any thread."""

    def __init__(self, reader: Reader, bundled: Callable[[], Mapping[str, TemplateRow]]) -> None:
        self._reader, self._bundled = reader, bundled

    def _rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with self._reader.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def all(self, query: str = "") -> list[TemplateSummary]:
        """The last versions of all templates that are not deleted, by name; with a query those that have it in name or
        description."""
        rows = self._rows(
            "SELECT v.* FROM templates t JOIN template_versions v USING (name, version) WHERE t.deleted_ms IS NULL"
            " AND instr(lower(v.name||' '||v.description), lower(?)) ORDER BY name",
            query,
        )
        saved = [_summary(row) for row in rows]
        hidden = {row["name"] for row in self._rows("SELECT name FROM templates WHERE deleted_ms IS NULL")}
        bundled = [
            _bundled_summary(row)
            for row in self._bundled().values()
            if row.name not in hidden and query.lower() in f"{row.name} {row.description}".lower()
        ]
        return sorted([*saved, *bundled], key=lambda one: one.name)

    def one(self, name: str, version: int | None = None, *, also_deleted: bool = False) -> TemplateRow:
        """A version of a template, or its last one; raises `NotFound`."""
        known = self._rows("SELECT version, deleted_ms FROM templates WHERE name=?", name)
        is_there = bool(known) and (known[0]["deleted_ms"] is None or also_deleted)
        if version == BUNDLED_VERSION or not is_there:
            return self._that_comes_along(name, version)
        latest = int(known[0]["version"])
        wanted = latest if version is None else version
        rows = self._rows("SELECT * FROM template_versions WHERE name=? AND version=?", name, wanted)
        if not rows:
            raise NotFound(f'Template "{name}" has no version {wanted} (the last one is {latest})')
        row, saved = rows[0], _saved(rows[0])
        return TemplateRow(
            name, wanted, latest, saved.description, saved.variables, saved.spec, row["saved_ms"], row["saved_by"]
        )

    def _that_comes_along(self, name: str, version: int | None) -> TemplateRow:
        found = self._bundled().get(name)
        if found is None or version not in (None, BUNDLED_VERSION):
            raise NotFound(f'Template "{name}" not found')
        return found


def _bundled_summary(row: TemplateRow) -> TemplateSummary:
    return TemplateSummary(
        row.name, row.version, row.description, len(row.spec.agents), row.variables, row.saved_at, row.saved_by
    )


def _saved(row: sqlite3.Row) -> e.TemplateSaved:
    return msgspec.msgpack.decode(row["content"], type=e.TemplateSaved)


def _summary(row: sqlite3.Row) -> TemplateSummary:
    return TemplateSummary(
        row["name"],
        row["version"],
        row["description"],
        row["agent_count"],
        _saved(row).variables,
        row["saved_ms"],
        row["saved_by"],
    )
