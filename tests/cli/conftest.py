"""The command line called in this process, and brains it can import by name."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fleetlog.runtime.cli.main import main

BRAINS = """
import os

def asks_for_help(ctx):
    return {"report": "# Advice\\n\\n" + ctx.request_help("which [red]door[/red]?\\x1b[2J", "the left one")}

def wants_to_delete(ctx):
    approval = ctx.request_approval("delete", {"path": "a.txt"}, "it is old")
    return {"report": f"# {approval.granted}: {approval.note}"}

def writes(ctx):
    return ctx.step("write", "effectful", lambda: os._exit(9))

def doubtful(ctx):
    return {"report": f"# It gave {ctx.step('write', 'effectful', lambda: os._exit(9))}"}

def waits(ctx):
    return ctx.receive(("alert",)).payload

def fails(ctx):
    raise ValueError("the disk said:\\x1b]0;owned\\x07 no")
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        document: dict[str, object] = msgspec.json.decode(self.out)
        return document


Fleetlog = Callable[..., Said]


@pytest.fixture
def fleetlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fleetlog:
    """`fleetlog("status", "--json")`, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEETLOG_DIR", raising=False)

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        code = exited.value.code
        return Said(0 if code is None else int(code), *capsys.readouterr())

    return call


@pytest.fixture
def brains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of brains that can be imported, here and in child processes."""
    name = f"brains_of_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / f"{name}.py").write_text(BRAINS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return name


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A small code base."""
    folder = tmp_path / "code"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "__init__.py").touch()
    (folder / "app" / "core.py").write_text("def run(x):\n    return 1 if x else 2\n")
    (folder / "app" / "main.py").write_text("from app.core import run\n\nif __name__ == '__main__':\n    run(1)\n")
    return folder
