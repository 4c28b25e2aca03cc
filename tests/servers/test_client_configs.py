"""What MCP clients are told to start is what works."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import InvalidArgument, McpServerFault, NotFound
from fleetlog.runtime.servers.client_configs import CLIENTS, check_config, config_for
from tests.crash.stdio_client import kill_daemon

PROGRAM = Path(sys.executable).with_name("fleetlog")
KEYS = {
    "claude-code": ("mcpServers",),
    "opencode": ("mcp",),
    "codex": ("mcp_servers",),
    "cursor": ("mcpServers",),
    "vscode": ("servers",),
    "generic": ("mcpServers",),
}


def written(client: str, text: str) -> dict[str, Any]:
    return tomllib.loads(text) if client == "codex" else dict(json.loads(text))


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_in_its_own_shape(client: str) -> None:
    found: Any = written(client, config_for(client).text)
    for key in (*KEYS[client], "fleetlog"):
        found = found[key]
    words = found["command"] if client == "opencode" else [found["command"], *found["args"]]
    assert words == ["fleetlog", "mcp"]


def test_the_readme_shows_what_the_command_prints() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for client in CLIENTS:
        assert config_for(client).text in readme, client


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_is_told_to_start_works(client: str, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    text = config_for(client, str(directory)).text.replace('"fleetlog"', json.dumps(str(PROGRAM)), 2)
    if client != "codex":  # the name of the server is the same word: it stays
        text = text.replace(f"{json.dumps(str(PROGRAM))}: {{", '"fleetlog": {')
    file = tmp_path / "config"
    file.write_text(text)
    try:
        started = check_config(client, file)
    finally:
        kill_daemon(directory)
    assert started.command == (str(PROGRAM), "mcp", "--dir", str(directory))
    assert started.tools > 30


def test_what_does_not_work_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(InvalidArgument, match="'client' must be exactly one of claude-code"):
        config_for("emacs")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        check_config("cursor", file)
    file.write_text('{"mcpServers": {"other": {}}}')
    with pytest.raises(NotFound, match=r"names no server mcpServers\.fleetlog"):
        check_config("cursor", file)
    file.write_text(json.dumps({"mcpServers": {"fleetlog": {"command": "/no/such/program"}}}))
    with pytest.raises(McpServerFault, match="/no/such/program cannot be started"):
        check_config("cursor", file)
    file.write_text(json.dumps({"mcpServers": {"fleetlog": {"command": "/bin/echo", "args": ["hello"]}}}))
    with pytest.raises(McpServerFault, match="does not speak MCP"):
        check_config("cursor", file)
