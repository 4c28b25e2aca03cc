"""One agent definition: a Markdown file whose YAML head says what the agent is, and whose body is its prompt.

Its rule: what is wrong with a file is a `Problem` with its line; reading one never raises. Both dialects are read:
that of `.claude/agents` (tools as a list or a comma string) and that of `.opencode/agents` (tools as a map, the name
from the file's name).
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from msgspec import Struct

__all__ = ["AgentDefinition", "Problem", "Scope", "parsed"]

Scope = Literal["project", "user", "bundled"]

MAX_BYTES = 262_144
OUR_TOOLS = frozenset(
    {
        *("list_files", "read_file", "search_files", "write_file", "edit_file", "run_command"),
        *("web_search", "web_fetch", "code_execution"),
    }
)
_FOREIGN_TOOLS = {
    "read": "read_file",
    "grep": "search_files",
    "glob": "list_files",
    "ls": "list_files",
    "list": "list_files",
    "write": "write_file",
    "edit": "edit_file",
    "multiedit": "edit_file",
    "patch": "edit_file",
    "bash": "run_command",
    "websearch": "web_search",
    "webfetch": "web_fetch",
}
_FIELDS = ("name", "description", "tools", "model", "skills")
_OF_OTHERS = frozenset(
    {
        *("color", "mode", "temperature", "top_p", "permission", "permissionMode", "steps", "maxSteps", "maxTurns"),
        *("hidden", "disable", "disallowedTools", "hooks", "mcpServers", "memory", "background", "isolation"),
        *("effort", "initialPrompt", "prompt", "options", "variant", "reasoningEffort", "textVerbosity"),
    }
)
"""Head fields of the programs these files are written for, which mean nothing here."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,99}")


class Problem(Struct, frozen=True):
    """What is wrong with a file. An `error` hides the definition, a `warning` does not."""

    path: str
    line: int
    message: str
    severity: Literal["error", "warning"] = "error"


class AgentDefinition(Struct, frozen=True):
    """An agent one can spawn by its name. `tools` is None when the file does not say; `model` is an id or a short name,
    empty for the default."""

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...] | None = None
    model: str = ""
    skills: tuple[str, ...] = ()
    path: str = ""
    scope: Scope = "bundled"


class _Wrong(Exception):
    """The file holds no definition: why, and at which line."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def parsed(path: Path, content: bytes, scope: Scope) -> tuple[AgentDefinition | None, list[Problem]]:
    """The definition in a file, if it holds one, and what is wrong with it."""
    try:
        head_text, body, body_line = _split(_text(content))
        fields, lines = _head(head_text)
        problems = [Problem(str(path), line, message, "warning") for line, message in _strange(fields, lines)]
        return _definition(path, fields, lines, (body, body_line), scope), problems
    except _Wrong as wrong:
        return None, [Problem(str(path), wrong.line, str(wrong))]


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _Wrong(f"the file has {len(content)} bytes (limit {MAX_BYTES})")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _Wrong("the file is not UTF-8 text", content[: error.start].count(b"\n") + 1) from error


def _split(text: str) -> tuple[str, str, int]:
    """(head, body, the body's first line)."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise _Wrong("there is no head: the first line must be ---, then name and description, then --- again")
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == "---"), None)
    if end is None:
        raise _Wrong("the head has no end: a second line --- is missing", len(lines))
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]).strip(), end + 2


def _head(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The head's fields, and the line of each in the file."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise _Wrong("the head is empty: it needs name and description", 2)
        if not isinstance(node, yaml.MappingNode):
            raise _Wrong("the head must be fields like `name: value`", 2)
        lines = _lines(node)
        return yaml.load(text, Loader=_Loader), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark is not None else 2
        raise _Wrong(f"the head is not YAML: {error.problem or error.context or 'it cannot be read'}", line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _Wrong(f"the head is not YAML: {str(error).splitlines()[0][:200]}", 2) from error


def _lines(node: yaml.MappingNode) -> dict[str, int]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name = str(key.value)
        line = key.start_mark.line + 2
        if name in lines:
            raise _Wrong(f"'{name}' is there twice (first in line {lines[name]})", line)
        lines[name] = line
    return lines


class _Loader(yaml.SafeLoader):
    """Plain values only; no aliases, with which a small head could grow without end."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read here", event.start_mark)
        return super().compose_node(parent, index)


def _strange(fields: Mapping[str, Any], lines: Mapping[str, int]) -> list[tuple[int, str]]:
    """What is not understood, and ignored."""
    found = []
    for name in fields:
        if name not in _FIELDS and name not in _OF_OTHERS:
            near = difflib.get_close_matches(str(name), _FIELDS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            found.append((lines.get(str(name), 2), f"'{name}' is not a field of an agent definition{hint}"))
    tools = _tool_words(fields.get("tools"), lines.get("tools", 2)) or ()
    unknown = [tool for tool in tools if _ours(tool) not in OUR_TOOLS and not tool.startswith("mcp__")]
    return found + [(lines.get("tools", 2), f"'tools' names {tool}, which is not known here") for tool in unknown]


def _definition(
    path: Path, fields: Mapping[str, Any], lines: Mapping[str, int], body: tuple[str, int], scope: Scope
) -> AgentDefinition:
    text, body_line = body
    name = _word(fields, lines, "name") or path.stem
    if not _NAME.fullmatch(name):
        raise _Wrong("'name' must be letters, digits, '-', '_' and '.', at most 100 characters", lines.get("name", 1))
    description = _word(fields, lines, "description")
    if not description:
        raise _Wrong(
            "'description' is required: one sentence that says when to use the agent", lines.get("description", 2)
        )
    if not text:
        raise _Wrong("the body is empty: below the head, say what the agent is to do and how", body_line)
    words = _tool_words(fields.get("tools"), lines.get("tools", 2))
    tools = None if words is None else tuple(dict.fromkeys(_ours(word) for word in words))
    model = _word(fields, lines, "model").removeprefix("anthropic/")
    skills = tuple(_listed(fields.get("skills"), "skills", lines.get("skills", 2)) or ())
    return AgentDefinition(name, description, text, tools, model, skills, str(path), scope)


def _word(fields: Mapping[str, Any], lines: Mapping[str, int], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _Wrong(f"'{name}' must be text, got {type(value).__name__}", lines.get(name, 2))
    return " ".join(str(value).split())


def _tool_words(value: Any, line: int) -> list[str] | None:
    """The tools a head names, in either dialect; a map names those that are on."""
    if isinstance(value, Mapping):
        return [str(name) for name, is_on in value.items() if is_on]
    return _listed(value, "tools", line)


def _listed(value: Any, name: str, line: int) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return [str(item) for item in value]
    raise _Wrong(f"'{name}' must be a list or words with commas between, got {type(value).__name__}", line)


def _ours(tool: str) -> str:
    return _FOREIGN_TOOLS.get(tool.partition("(")[0].strip().lower(), tool)
