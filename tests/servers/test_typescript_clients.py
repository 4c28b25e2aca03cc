"""The official TypeScript clients, of both generations, and the inspector's command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetlog.runtime.servers.tools.all import all_tools
from tests.servers.house import House

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "node"
NAMES = [tool.name for tool in all_tools(default_brain="", stream_url="http://127.0.0.1:1")]


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, installed in a folder of their own."""
    version = (
        subprocess.run(["node", "--version"], capture_output=True, text=True).stdout if shutil.which("npm") else ""
    )
    if int(version.lstrip("v").partition(".")[0] or 0) < 20:
        pytest.skip("npm with node 20 or newer is not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode and any(sign in done.stderr for sign in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN")):
        pytest.skip("the npm registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def stdio_words(house: House) -> tuple[str, ...]:
    return (sys.executable, "-m", "fleetlog.runtime.entry", "mcp", "--dir", str(house.directory))


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize("way", ["http", "stdio"])
def test_a_typescript_client_works_a_fleet(house: House, node_folder: Path, generation: str, way: str) -> None:
    target = (f"{house.url}/mcp",) if way == "http" else stdio_words(house)
    seen = run(node_folder, "node", "work.mjs", generation, way, *target)
    assert seen["tools"] == NAMES
    assert seen["inbox"] == [[seen["messageId"], "hello"]]
    assert seen["refused"][0] is True
    assert seen["refused"][1].startswith("send_message: 'type' must be exactly one of ")
    assert seen["status"] == "running"
    assert "research" in seen["prompts"]


@pytest.mark.parametrize("way", ["http", "stdio"])
def test_the_inspector_lists_and_calls(house: House, node_folder: Path, way: str) -> None:
    inspector = str(node_folder / "node_modules" / ".bin" / "mcp-inspector")
    target = (f"{house.url}/mcp",) if way == "http" else stdio_words(house)
    listed = run(node_folder, inspector, "--cli", *target, "--method", "tools/list")
    assert [tool["name"] for tool in listed["tools"]] == NAMES
    called = run(node_folder, inspector, "--cli", *target, "--method", "tools/call", "--tool-name", "ping")
    assert called["structuredContent"]["status"] == "ok"
