"""`fleetlog.toml`: what commands take for granted. The file, then the environment, then flags: later wins.

The file is looked for in the working directory and above it, up to the root of the repository or the home folder.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain.errors import InvalidArgument

__all__ = ["FILE", "VARIABLES", "Settings", "find_file", "flag_defaults", "load_settings", "near_name", "template_text"]

FILE = "fleetlog.toml"
VARIABLE = "FLEETLOG_CONFIG"


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fleet may spend that names no budget of its own. Nothing is without limit."""

    tokens: int | None = None
    cost_usd: float | str | None = None
    turns: int | None = None
    wall_s: float | None = None


class PermissionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What agents may do without asking a person: write, run, run:PROGRAM, network, unsandboxed."""

    grants: tuple[str, ...] = ()


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `fleetlog serve` listens, and to whom it answers."""

    host: str = "127.0.0.1"
    port: int = 7420
    require_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    directory: str = ".fleetlog"
    brain: str = ""
    model: str = ""
    workspace: str = ""
    workers: int = 16
    notify: str = ""
    budget: BudgetSettings = BudgetSettings()
    permissions: PermissionSettings = PermissionSettings()
    server: ServerSettings = ServerSettings()


VARIABLES: Mapping[str, str] = {
    "directory": "FLEETLOG_DIR",
    "brain": "FLEETLOG_BRAIN",
    "model": "FLEETLOG_MODEL",
    "workspace": "FLEETLOG_WORKSPACE",
    "workers": "FLEETLOG_WORKERS",
    "notify": "FLEETLOG_NOTIFY",
    "budget.tokens": "FLEETLOG_BUDGET_TOKENS",
    "budget.cost_usd": "FLEETLOG_BUDGET_USD",
    "budget.turns": "FLEETLOG_BUDGET_TURNS",
    "budget.wall_s": "FLEETLOG_BUDGET_WALL_S",
    "permissions.grants": "FLEETLOG_GRANTS",
    "server.host": "FLEETLOG_HOST",
    "server.port": "FLEETLOG_PORT",
    "server.require_token": "FLEETLOG_REQUIRE_TOKEN",
    "server.allowed_hosts": "FLEETLOG_ALLOWED_HOSTS",
    "server.allowed_origins": "FLEETLOG_ALLOWED_ORIGINS",
}
"""The environment's name of each setting. Lists are separated by commas."""

_FLAGS = {
    "directory": "directory",
    "brain": "brain",
    "model": "model",
    "workspace": "workspace",
    "host": "server.host",
    "port": "server.port",
    "require_token": "server.require_token",
    "allow_host": "server.allowed_hosts",
    "allow_origin": "server.allowed_origins",
}
"""The parameter of a command -> the setting it has its default from."""


def find_file(start: Path | None = None) -> Path | None:
    """The configuration that counts here: the one that `FLEETLOG_CONFIG` names, or the nearest; None if there is none.
    Raises `InvalidArgument` when the named one is not there."""
    if named := os.environ.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise InvalidArgument(f"'{VARIABLE}' names {path}, which is not there")
        return path
    folder = (start or Path.cwd()).absolute()
    for one in (folder, *folder.parents):
        if (one / FILE).is_file():
            return one / FILE
        if (one / ".git").exists() or one == Path.home():
            return None
    return None


def load_settings(path: Path | None = None) -> Settings:
    """The settings of this file (none: the nearest), with the environment's over them. Raises `InvalidArgument`, which
    names the line."""
    path = path or find_file()
    text = ""
    if path is not None:
        try:
            text = path.read_text()
            data = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidArgument(f"{path}: {error}") from error
    else:
        data = {}
    _check_keys(data, path, text)
    _take_environment(data)
    try:
        return msgspec.convert(data, Settings, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidArgument(_said(str(error), path, text)) from error


def _check_keys(data: Mapping[str, Any], path: Path | None, text: str) -> None:
    """Refuse what nobody knows, with the nearest name."""
    known = set(VARIABLES)
    tables = {name.partition(".")[0] for name in known if "." in name}
    for name in _names(data):
        if name in known or name in tables:
            continue
        raise InvalidArgument(
            f"{path}{_line_of(name, text)}: unknown setting '{name}'{near_name(name, known, meant=[*known, *tables])}"
        )


def near_name(name: str, known: Iterable[str], *, meant: Sequence[str] = ()) -> str:
    """What follows an unknown name in a message: the nearest one (of `meant`, if given), or all that are known."""
    near = difflib.get_close_matches(name, meant or list(known), 1, 0.5)
    return f"; did you mean '{near[0]}'?" if near else f" (known: {', '.join(sorted(known)) or 'none'})"


def _names(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)


def _said(error: str, path: Path | None, text: str) -> str:
    """msgspec's words, with the setting's name and where it stands."""
    what, _, place = error.partition(" - at `$.")
    name = place.rstrip("`").partition("[")[0]
    variable = VARIABLES.get(name, "")
    if variable and variable in os.environ:
        return f"{variable}: {what}"
    return f"{path}{_line_of(name, text)}: '{name}': {what}"


def _line_of(name: str, text: str) -> str:
    """`:LINE` of the setting in the file, as far as it is plain."""
    table, _, key = name.rpartition(".")
    inside = not table
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[([^\]]+)\]", line):
            inside = heading[1].strip() == table
            if heading[1].strip() == name:
                return f":{number}"
        elif inside and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f":{number}"
    return ""


def _take_environment(data: dict[str, Any]) -> None:
    for name, variable in VARIABLES.items():
        if (text := os.environ.get(variable)) is None or not text:
            continue
        table, _, key = name.rpartition(".")
        target = data.setdefault(table, {}) if table else data
        if isinstance(target, dict):
            target[key] = _value(name, text)


def _value(name: str, text: str) -> Any:
    """The environment's text as the setting's type; what does not fit is left as text, and refused with the rest."""
    if name in ("permissions.grants", "server.allowed_hosts", "server.allowed_origins"):
        return [part.strip() for part in text.split(",") if part.strip()]
    if name == "server.require_token":
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower(), text)
    if name in ("workers", "server.port", "budget.tokens", "budget.turns") and text.isdecimal():
        return int(text)
    if name == "budget.wall_s" and re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    return text


def flag_defaults(settings: Settings) -> dict[str, Any]:
    """What the parameters of commands have as defaults: those that differ from the built-in ones."""
    found, plain = msgspec.to_builtins(settings), msgspec.to_builtins(Settings())
    defaults = {}
    for parameter, name in _FLAGS.items():
        value, usual = _at(found, name), _at(plain, name)
        if value != usual:
            defaults[parameter] = value
    return defaults


def _at(data: Mapping[str, Any], name: str) -> Any:
    table, _, key = name.rpartition(".")
    return (data[table] if table else data)[key]


def template_text() -> str:
    """A file that sets nothing and says what can be set."""
    return _TEMPLATE


_TEMPLATE = """\
# fleetlog: what commands in this folder, and below it, take for granted.
# The environment comes before this file, and flags come before the environment.

# directory = ".fleetlog"        # where the log, the views and the artifacts are, or postgresql://... (FLEETLOG_DIR)
# brain = "claude"               # what drives agents that name no brain: claude, command, external (FLEETLOG_BRAIN)
# model = "sonnet"               # the model of agents that name none (FLEETLOG_MODEL)
# workspace = "."                # the folder agents work in (FLEETLOG_WORKSPACE)
# workers = 16                   # so many brains run at once (FLEETLOG_WORKERS)
# notify = "notify-send fleetlog"  # run for every ticket, with the notice as JSON on its stdin (FLEETLOG_NOTIFY)

[budget]                         # of a fleet that names none; it pauses there
# cost_usd = "5.00"              # dollars (FLEETLOG_BUDGET_USD)
# tokens = 2000000               # (FLEETLOG_BUDGET_TOKENS)
# turns = 500                    # model calls (FLEETLOG_BUDGET_TURNS)
# wall_s = 7200                  # seconds in which the runtime was up (FLEETLOG_BUDGET_WALL_S)

[permissions]
# grants = ["write", "run:pytest"]  # what agents may do without asking a person (FLEETLOG_GRANTS)

[server]                         # fleetlog serve
# host = "127.0.0.1"             # any other address needs require_token (FLEETLOG_HOST)
# port = 7420                    # (FLEETLOG_PORT)
# require_token = false          # refuse callers without a token (FLEETLOG_REQUIRE_TOKEN)
# allowed_hosts = []             # further names of this server (FLEETLOG_ALLOWED_HOSTS)
# allowed_origins = []           # web sites whose pages may call it (FLEETLOG_ALLOWED_ORIGINS)
"""
