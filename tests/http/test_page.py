"""The page about HTTP holds: its commands run against a daemon, and answer what it says."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.servers.house import House
from tests.test_docs import ROOT, Block, blocks

PAGE = ROOT / "docs" / "http.md"
CUT = "----- cut -----"


def in_shell(house: House, folder: Path) -> list[str]:
    """What each of the page's shell blocks prints, run from top to bottom in one shell."""
    shell = [block.text for block in blocks(PAGE) if block.language == "sh"]
    script = f"\necho '{CUT}'\n".join(["set -eu", *shell]).replace("http://127.0.0.1:7420", house.url)
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split(CUT)[1:]


def shape(value: Any) -> Any:
    """Keys, types, and what an error says: the rest is another time and another place."""
    if isinstance(value, dict) and "error" in value:
        return value
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page is written with curl")
def test_the_commands_of_the_page_answer_what_it_says(house: House, tmp_path: Path) -> None:
    printed = iter(in_shell(house, tmp_path))
    answers: dict[Block, str] = {block: next(printed) for block in blocks(PAGE) if block.language == "sh"}
    for asked, told in pairwise(block for block in blocks(PAGE) if block.language in {"sh", "json"}):
        if told.language == "json":
            assert shape(json.loads(answers[asked])) == shape(json.loads(told.text)), f"{PAGE}:{told.line}"
    assert "event: message\n" in list(answers.values())[-1]
    assert "The draft is in draft.md." in list(answers.values())[-1]


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    house = House(tmp_path / ".fleetlog")
    try:
        for block in blocks(PAGE):
            if block.language == "python":
                exec(compile(block.text, PAGE, "exec"), {})
    finally:
        house.close()
