"""The command line of a run: a preset's, or a person's own, with its placeholders filled in."""

import json
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

import msgspec

from fleetlog.domain.command_spec import CommandSpec, OutputKind
from fleetlog.domain.errors import Fault

__all__ = ["CommandForm", "form_of", "mcp_file", "mcp_toml", "presets"]

McpFormat = Literal["claude", "codex", "opencode"]

_PLACE = re.compile(r"\{(prompt|model|session|workspace|mcp_config|mcp_toml)\}")


class CommandForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a program is called; see presets.toml. `restart` is a whole line of its own that goes on with a session."""

    argv: tuple[str, ...]
    output: OutputKind = "text"
    mcp_format: McpFormat = "claude"
    model: tuple[str, ...] = ()
    mesh: tuple[str, ...] = ()
    mesh_env: dict[str, str] = {}
    args: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    idle_timeout_s: float | None = None

    @property
    def can_resume(self) -> bool:
        """It can go on with a session."""
        return bool(self.resume or self.restart)

    def words(self, fill: Mapping[str, str], *, has_mesh: bool) -> list[str]:
        """The line for a run; it resumes when `fill` has a session."""
        if fill["session"] and self.restart:
            line = self.restart
        else:
            ending = self.resume if fill["session"] else self.last
            line = (
                *self.argv,
                *(self.model if fill["model"] else ()),
                *(self.mesh if has_mesh else ()),
                *self.args,
                *ending,
            )
        return [filled(word, fill) for word in line]


def filled(word: str, fill: Mapping[str, str]) -> str:
    """The word with its placeholders filled in, once: what is filled in is not looked at again."""
    return _PLACE.sub(lambda found: fill[found[1]], word)


@lru_cache(1)
def presets() -> dict[str, CommandForm]:
    """The programs that are known, by name."""
    text = resources.files("fleetlog.runtime.brains.command").joinpath("presets.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, CommandForm])


def form_of(spec: CommandSpec) -> CommandForm:
    """How the spec's program is called."""
    if spec.preset:
        preset = presets()[spec.preset]
        idle_s = preset.idle_timeout_s if spec.idle_timeout_s is None else spec.idle_timeout_s
        return msgspec.structs.replace(preset, args=spec.args, idle_timeout_s=idle_s)
    return CommandForm(
        argv=spec.argv, restart=spec.resume, output=spec.output or "text", idle_timeout_s=spec.idle_timeout_s
    )


# --- MCP configurations ----------------------------------------------------------------------------


def mcp_file(config_json: str, format: McpFormat) -> str:
    """The configuration as the program reads it from a file."""
    if format != "opencode":
        return config_json
    servers = {name: _opencode_server(server) for name, server in _servers(config_json).items()}
    return json.dumps({"$schema": "https://opencode.ai/config.json", "mcp": servers})


def _opencode_server(server: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in server:
        return {"type": "remote", "url": server["url"], "headers": server.get("headers", {}), "enabled": True}
    command = [server["command"], *server.get("args", [])]
    return {"type": "local", "command": command, "environment": server.get("env", {}), "enabled": True}


def mcp_toml(config_json: str) -> tuple[str, dict[str, str]]:
    """The (only) server as an inline table, and the variables it needs: they are named there, and not said."""
    servers = _servers(config_json)
    if not servers:
        return "{}", {}
    server = next(iter(servers.values()))
    variables: dict[str, str] = server.get("env", {})
    table = {"command": server["command"], "args": server.get("args", []), "env_vars": list(variables)}
    shown = ", ".join(f"{key} = {_toml(value)}" for key, value in table.items())
    return f'{{{shown}, default_tools_approval_mode = "approve"}}', variables


def _toml(value: str | list[str]) -> str:
    """JSON of texts is TOML, but for what lies outside of the first plane and for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _servers(config_json: str) -> dict[str, Any]:
    try:
        servers: dict[str, Any] = json.loads(config_json)["mcpServers"]
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"the MCP configuration of the mesh cannot be read: {error}") from error
    return servers
