"""What to write into an MCP client's configuration so that it starts `fleetlog mcp`; and whether that works.

The shapes are those of the clients' documentation, read in November 2026.
"""

import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain.errors import InvalidArgument, McpServerFault, NotFound

__all__ = ["CLIENTS", "ClientConfig", "Started", "check_config", "config_for"]

_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "fleetlog", "version": "1"}}


class ClientConfig(msgspec.Struct, frozen=True):
    """Where a client's configuration is, and what to add to it."""

    client: str
    path: str
    text: str


class Started(msgspec.Struct, frozen=True):
    """A configured server was started and asked."""

    command: tuple[str, ...]
    tools: int


class _Shape(msgspec.Struct, frozen=True):
    """How a client writes down a server. `keys` lead to the servers; `is_flat`: the command is one list."""

    path: str
    keys: tuple[str, ...]
    extra: Mapping[str, Any] = {}
    is_flat: bool = False
    is_toml: bool = False


_SHAPES = {
    "claude-code": _Shape(".mcp.json", ("mcpServers",)),
    "opencode": _Shape("opencode.json", ("mcp",), {"type": "local", "enabled": True}, is_flat=True),
    "codex": _Shape("~/.codex/config.toml", ("mcp_servers",), is_toml=True),
    "cursor": _Shape(".cursor/mcp.json", ("mcpServers",)),
    "vscode": _Shape(".vscode/mcp.json", ("servers",), {"type": "stdio"}),
    "generic": _Shape("mcp.json", ("mcpServers",)),
}
CLIENTS = tuple(_SHAPES)


def config_for(client: str, directory: str = "") -> ClientConfig:
    """What to add for this client; the directory is named only if it is given. Raises `InvalidArgument`."""
    shape = _shape_of(client)
    words = ["fleetlog", "mcp", *(["--dir", directory] if directory else [])]
    if shape.is_toml:
        entry = f"[{'.'.join(shape.keys)}.fleetlog]\ncommand = {_toml(words[0])}\nargs = {_toml(words[1:])}\n"
        return ClientConfig(client, shape.path, entry)
    command = {"command": words} if shape.is_flat else {"command": words[0], "args": words[1:]}
    found: dict[str, Any] = {"fleetlog": {**shape.extra, **command}}
    for key in reversed(shape.keys):
        found = {key: found}
    return ClientConfig(client, shape.path, json.dumps(found, indent=2) + "\n")


def check_config(client: str, path: Path) -> Started:
    """Start the server as the file says, and ask for its tools. Raises `NotFound` where the file names no server
    called fleetlog, `McpServerFault` where what it names does not work."""
    words = _words_in(_shape_of(client), path)
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise McpServerFault(f"{path}: {words[0]} cannot be started: {error}") from error
    requests = (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process:
            process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in requests))
            process.stdin.flush()
            answers = [json.loads(process.stdout.readline() or b"{}") for _ in range(2)]
            process.stdin.close()
            complaint = process.stderr.read().decode(errors="replace") if process.stderr else ""
    except (OSError, ValueError) as error:
        raise McpServerFault(f"{path}: {' '.join(words)} does not speak MCP: {error}") from error
    if "result" not in answers[1]:
        said = complaint.strip().splitlines()[-1:] or [json.dumps(answers[1])]
        raise McpServerFault(f"{path}: {' '.join(words)} gave no tools: {said[0]}")
    return Started(tuple(words), len(answers[1]["result"]["tools"]))


def _shape_of(client: str) -> _Shape:
    shape = _SHAPES.get(client)
    if shape is None:
        raise InvalidArgument(f"'client' must be exactly one of {' | '.join(CLIENTS)}, got {client!r}")
    return shape


def _words_in(shape: _Shape, path: Path) -> Sequence[str]:
    try:
        text = path.expanduser().read_text()
        found: Any = tomllib.loads(text) if shape.is_toml else json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be read: {error}") from error
    for key in (*shape.keys, "fleetlog"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise NotFound(f"{path} names no server {'.'.join((*shape.keys, 'fleetlog'))}")
    command = found.get("command")
    words = command if shape.is_flat else [command, *found.get("args", [])]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InvalidArgument(f"{path}: the command of the server fleetlog must be words")
    return words


def _toml(value: str | list[str]) -> str:
    """TOML's basic strings are written as JSON's are."""
    return json.dumps(value)
