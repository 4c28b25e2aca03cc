"""The documents hold: their python runs, their command lines parse, and the command line is documented.

A block is skipped by an HTML comment above it, `<!-- no-run: reason -->`; it must still compile.
"""

import importlib
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLI_PAGE = ROOT / "docs" / "cli.md"
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.is_file()]

FENCE = re.compile(r"\s*(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
NO_RUN = re.compile(r"\s*<!-- no-run: \S.*-->\s*")

every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


class Block(NamedTuple):
    language: str
    text: str
    line: int  # of the opening fence, counted from 1
    is_run: bool


def blocks(page: Path) -> Iterator[Block]:
    above = ""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    for number, line in lines:
        if opening := FENCE.match(line):
            body = []
            for _, inner in lines:
                if inner.strip().startswith(opening["fence"]) and not inner.strip(" `~"):
                    break
                body.append(inner)
            text = textwrap.dedent("\n".join(body))
            yield Block(opening["language"], text, number, is_run=not NO_RUN.fullmatch(above))
        above = line if line.strip() else above


def fleetlog_commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """The line number and the arguments of every `$ fleetlog ...`, also behind a pipe or `&&`."""
    for block in blocks(page):
        if block.language not in {"console", "bash"}:
            continue
        for line in re.finditer(r"^\$ (fleetlog (?:[^\\\n]|\\\n|\\.)*)", block.text, re.MULTILINE):
            number = block.line + 1 + block.text.count("\n", 0, line.start())
            yield from ((number, words[1:]) for words in simple_commands(line[1]) if words[0] == "fleetlog")


def simple_commands(line: str) -> Iterator[list[str]]:
    """The shell line cut at its operators: `a b | c > d` gives [a, b], [c], [d]."""
    words = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    for is_operator, group in groupby(words, key=lambda word: word != "" and set(word) <= set("();<>|&")):
        if not is_operator:
            yield list(group)


class CommandLine:
    """The real commands of `fleetlog` with their callbacks taken out: they parse, and do nothing."""

    def __init__(self) -> None:
        from typer.main import get_command  # here: the pages may do without a command line, and it is slow

        self._root = get_command(importlib.import_module("fleetlog.runtime.cli.main").app)
        self.names: list[str] = []
        self._disarm(self._root, "fleetlog")

    def _disarm(self, command: object, name: str) -> None:
        command.callback = None  # type: ignore[attr-defined]
        if not command.hidden:  # type: ignore[attr-defined]
            self.names.append(name)
        for child_name, child in getattr(command, "commands", {}).items():
            self._disarm(child, f"{name} {child_name}")

    def parse(self, arguments: list[str]) -> None:
        """Raise SystemExit: with 0 when the arguments are accepted, else with 2 and a message on stderr."""
        self._root.main(arguments, prog_name="fleetlog")


@every_page
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reader = ModuleType("__main__")  # a page reads as one script, and msgspec looks names up in sys.modules
    monkeypatch.setitem(sys.modules, "__main__", reader)
    for block in blocks(page):
        if block.language == "python":
            at_its_line = "\n" * block.line + block.text  # so that a traceback names the line of the page
            code = compile(at_its_line, page, "exec", dont_inherit=True)
            if block.is_run:
                exec(code, reader.__dict__)


@every_page
def test_the_command_lines_of_a_page_are_accepted_by_the_real_commands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = list(fleetlog_commands(page))
    command_line = CommandLine() if commands else None
    for number, arguments in commands:
        assert command_line is not None
        with pytest.raises(SystemExit) as exited:
            command_line.parse(arguments)
        assert exited.value.code == 0, f"{page}:{number}: {shlex.join(arguments)}\n{capsys.readouterr().err}"


@pytest.mark.skipif(not CLI_PAGE.is_file(), reason="docs/cli.md does not exist")
def test_every_command_is_mentioned_in_the_page_of_the_command_line() -> None:
    text = CLI_PAGE.read_text(encoding="utf-8")
    missing = [name for name in CommandLine().names if not re.search(rf"\b{re.escape(name)}(?![\w-])", text)]
    assert missing == []
