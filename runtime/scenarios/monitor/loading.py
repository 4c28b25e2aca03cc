"""A runbooks file, read strictly: what is not understood wholly is refused, with its place and the nearest name.

Values may hold `${VAR}` in `url`: the environment's variable, looked up when the check is made, so that no secret is
recorded.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.configuration import near_name
from fleetlog.runtime.scenarios.monitor.cron import check_line, zone_of
from fleetlog.runtime.scenarios.monitor.runbooks import Action, Check, Limits, People, Plan, Runbook, Schedule, When

__all__ = ["RESPONDER_SKILLS", "load_plan", "plan_of"]

RESPONDER_SKILLS: Mapping[str, tuple[str, ...]] = {
    "database-responder": ("database", "sql", "disk"),
    "network-responder": ("network", "web", "process", "disk"),
    "auth-responder": ("auth", "certificates"),
}
"""Who responds, and to what."""

_TABLES: Mapping[str, type] = {
    "watch": Check,
    "check": Check,
    "schedule": Schedule,
    "runbook": Runbook,
    "limits": Limits,
    "people": People,
}
_INNER: Mapping[str, type] = {"when": When, "action": Action}
_ALWAYS = frozenset(
    {"name", "kind", "every_s", "timeout_s", "fails_after", "passes_after", "skills", "severity"}
)  # fmt: skip
_NEEDS: Mapping[str, tuple[frozenset[str], ...]] = {
    "http": (frozenset({"url"}),),
    "tcp": (frozenset({"port"}),),
    "disk": (frozenset({"path"}), frozenset({"min_free_mb", "max_used_percent", "max_size_mb"})),
    "process": (frozenset({"command", "pid_file"}),),
    "sql": (frozenset({"url"}), frozenset({"query"}), frozenset({"equals", "at_least", "at_most"})),
}
"""Of each group, a check of this kind needs one."""
_MAY: Mapping[str, frozenset[str]] = {
    kind: _ALWAYS | frozenset().union(*groups) | extra
    for kind, groups, extra in (
        (
            kind,
            groups,
            frozenset({"status", "contains"}) if kind == "http" else frozenset({"host"} if kind == "tcp" else ()),
        )
        for kind, groups in _NEEDS.items()
    )
}
_NAME = re.compile(r"[\w][\w .-]{0,79}\Z")
MIN_EVERY_S = 0.05


def load_plan(path: str) -> Plan:
    """The plan in a file. Raises `InvalidArgument`, which names the file and the place in it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"the runbooks {path} cannot be read: {error}") from error
    try:
        return plan_of(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"{path}: {error}") from error


def plan_of(text: str) -> Plan:
    """The plan in a text of TOML."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(str(error)) from error
    _check_names(data)
    try:
        plan = msgspec.convert(data, Plan)
    except msgspec.ValidationError as error:
        raise InvalidArgument(_with_place(str(error), data)) from error
    if not plan.watch and not plan.schedule:
        raise InvalidArgument("there is neither a [[watch]] nor a [[schedule]]: nothing would ever happen")
    _refuse_doubles(plan)
    for watch in plan.watch:
        _check_check(watch, "watch")
    for check in plan.check:
        _check_check(check, "check")
    for schedule in plan.schedule:
        _check_schedule(schedule, plan)
    _check_numbers("limits", plan.limits)
    _check_numbers("people", plan.people)
    return replace(plan, runbook=tuple(_checked_runbook(one, plan) for one in plan.runbook))


# --- names ---------------------------------------------------------------------------------------


def _check_names(data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        if name not in _TABLES:
            raise InvalidArgument(f"unknown table '{name}'{near_name(name, _TABLES)}")
        for place, row in _rows(name, value):
            _check_row(place, row, _TABLES[name])


def _rows(name: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables of an array (or the one table), each with its place in words."""
    is_array = name not in ("limits", "people", "when")
    if not isinstance(value, list if is_array else dict):
        brackets = f"[[{name}]]" if is_array else f"[{name}]"
        raise InvalidArgument(f"'{name}' must be written as {brackets}")
    for number, row in enumerate(value if is_array else [value], 1):
        if not isinstance(row, dict):
            raise InvalidArgument(f"'{name}' must be a table")
        named = f" '{row['name']}'" if isinstance(row.get("name"), str) else f" number {number}" * is_array
        yield f"{name}{named}", row


def _check_row(place: str, row: Mapping[str, Any], kind: type) -> None:
    known = kind.__struct_fields__  # type: ignore[attr-defined]  # all of them are structs
    for key, value in row.items():
        if key not in known:
            raise InvalidArgument(f"{place}: unknown key '{key}'{near_name(key, known)}")
        if kind is Runbook and key in _INNER:
            for inner, table in _rows(key, value):
                _check_row(f"{place}, {inner}", table, _INNER[key])


def _with_place(error: str, data: Mapping[str, Any]) -> str:
    """msgspec's words, with the table's name in the place of its number."""
    what, _, path = error.partition(" - at `$")
    found = re.match(r"\.(\w+)\[(\d+)\]\.?(.*)`", path)
    if not found:
        return f"{path.strip('.`')}: {what}" if path else what
    row = data[found[1]][int(found[2])]
    named = (
        f"{found[1]} '{row['name']}'" if isinstance(row.get("name"), str) else f"{found[1]} number {int(found[2]) + 1}"
    )
    return f"{named}: {found[3] + ': ' if found[3] else ''}{what}"


def _refuse_doubles(plan: Plan) -> None:
    """Checks and watches share their names: runbooks mean both by them."""
    for kind, rows in (("check", (*plan.watch, *plan.check)), ("schedule", plan.schedule), ("runbook", plan.runbook)):
        seen: set[str] = set()
        for row in rows:
            if not _NAME.match(row.name):
                raise InvalidArgument(
                    f"{kind} '{row.name}': a name has letters, digits, spaces, dots and dashes, up to 80"
                )
            if row.name in seen:
                raise InvalidArgument(
                    f"there are two called '{row.name}' among the {kind}s: give each a name of its own"
                )
            seen.add(row.name)


def _known(place: str, key: str, names: tuple[str, ...], known: Mapping[str, Any] | tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise InvalidArgument(f"{place}: '{key}' names '{name}', which is not there{near_name(name, known)}")


def _check_skills(place: str, skills: tuple[str, ...]) -> None:
    known = tuple(sorted({skill for skills in RESPONDER_SKILLS.values() for skill in skills}))
    _known(place, "skills", skills, known)


# --- values --------------------------------------------------------------------------------------


_MAY_BE_ZERO = frozenset({"every_s", "retries", "settle_s", "port", "cooldown_s", "actions_per_hour"})
_ANY_NUMBER = frozenset({"at_least", "at_most"})


def _check_numbers(place: str, row: msgspec.Struct) -> None:
    for key, value in msgspec.structs.asdict(row).items():
        if key in _ANY_NUMBER or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not value >= 0 or (value == 0 and key not in _MAY_BE_ZERO) or value == float("inf"):
            wanted = "at least 0" if key in _MAY_BE_ZERO else "greater than 0"
            raise InvalidArgument(f"{place}: '{key}' must be {wanted}, got {value:g}")


def _check_check(check: Check, table: str) -> None:
    place = f"{table} '{check.name}'"
    _check_numbers(place, check)
    _check_skills(place, check.skills)
    if (table == "watch") != (check.every_s > 0):
        wants = "needs" if table == "watch" else "cannot have"
        raise InvalidArgument(f"{place}: a [[{table}]] {wants} 'every_s'")
    if table == "watch" and check.every_s < MIN_EVERY_S:
        raise InvalidArgument(f"{place}: 'every_s' must be at least {MIN_EVERY_S:g}")
    given = {key for key, value in msgspec.structs.asdict(check).items() if value != _DEFAULTS.get(key)}
    for key in sorted(given - _MAY[check.kind]):
        raise InvalidArgument(f"{place}: '{key}' is not for kind {check.kind}")
    for group in _NEEDS[check.kind]:
        if not group & given:
            raise InvalidArgument(f"{place}: kind {check.kind} needs {' or '.join(map(repr, sorted(group)))}")
    _check_url(place, check)


_DEFAULTS = msgspec.structs.asdict(Check(name="", kind="tcp"))


def _check_url(place: str, check: Check) -> None:
    starts = {"http": ("http://", "https://", "${"), "sql": ("sqlite:", "postgresql://", "postgres://", "${")}
    if check.kind in starts and not check.url.startswith(starts[check.kind]):
        raise InvalidArgument(f"{place}: 'url' must begin with {' or '.join(starts[check.kind][:-1])}")
    if check.kind == "sql" and urlsplit(check.url).password:
        raise InvalidArgument(f"{place}: 'url' must not hold a password, which would be recorded: write ${{VARIABLE}}")
    if check.port > 65_535:
        raise InvalidArgument(f"{place}: 'port' must be at most 65535, got {check.port}")


def _check_schedule(schedule: Schedule, plan: Plan) -> None:
    place = f"schedule '{schedule.name}'"
    if bool(schedule.runbook) == bool(schedule.checks):
        raise InvalidArgument(f"{place}: needs either 'runbook' or 'checks'")
    _known(place, "runbook", (schedule.runbook,) if schedule.runbook else (), plan.runbooks)
    _known(place, "checks", schedule.checks, plan.checks)
    _check_skills(place, schedule.skills)
    try:
        zone_of(schedule.zone)
        check_line(schedule.cron, schedule.zone)
    except InvalidArgument as error:
        raise InvalidArgument(f"{place}: {error}") from error


def _checked_runbook(runbook: Runbook, plan: Plan) -> Runbook:
    """The runbook with its `verify`: what it names, else what must fail, else the watches it is for."""
    place = f"runbook '{runbook.name}'"
    for key in ("if_fails", "if_passes", "verify"):
        _known(place, key, getattr(runbook, key), plan.checks)
    _known(place, "when.watches", runbook.when.watches, {watch.name: watch for watch in plan.watch})
    _check_skills(place, runbook.skills)
    verify = runbook.verify or runbook.if_fails or runbook.when.watches
    if not verify:
        raise InvalidArgument(f"{place}: needs 'verify': the checks that pass when it has healed")
    if not runbook.skills:
        raise InvalidArgument(f"{place}: needs 'skills', so that somebody responds")
    _check_when(place, runbook, plan)
    if not runbook.action:
        raise InvalidArgument(f"{place}: needs an [[runbook.action]]")
    for number, action in enumerate(runbook.action, 1):
        _check_numbers(f"{place}, action number {number}", action)
        if not action.command or not all(action.command):
            raise InvalidArgument(f"{place}, action number {number}: 'command' must be a program and its arguments")
    return replace(runbook, verify=verify)


def _check_when(place: str, runbook: Runbook, plan: Plan) -> None:
    when = runbook.when
    scheduled = any(schedule.runbook == runbook.name for schedule in plan.schedule)
    if not scheduled and not (when.watches or when.text or when.labels):
        raise InvalidArgument(
            f"{place}: 'when' must name 'watches', 'text' or 'labels', or a schedule must name the runbook"
        )
    try:
        re.compile(when.text)
    except re.error as error:
        raise InvalidArgument(f"{place}: 'when.text' is no regular expression: {error}") from error
