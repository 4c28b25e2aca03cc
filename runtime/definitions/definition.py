"""One agent definition: a Markdown file whose YAML head says what the agent is, and whose body is its prompt.

Its rule: what is wrong with a file is a `Problem` with its line; reading one never raises. Both dialects are read:
that of `.claude/agents` (tools as a list or a comma string) and that of `.opencode/agents` (tools as a map of what is
switched on and off, the name from the file's name).
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from fleetlog.runtime.definitions.head import Head, Malformed, read_head, split_head

__all__ = ["MAX_BYTES", "OUR_TOOLS", "AgentDefinition", "Problem", "Scope", "parsed", "shown_path"]

Scope = Literal["project", "user", "bundled"]

MAX_BYTES = 262_144
READING = ("list_files", "read_file", "search_files")
"""What an agent is offered when nothing is said: what a map of tools adds to and takes from."""
_WORKSPACE = (*READING, "write_file", "edit_file", "run_command")
OUR_TOOLS = frozenset({*_WORKSPACE, "web_search", "web_fetch", "code_execution"})
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
_FIELDS = ("name", "description", "tools", "model", "skills", "disable")
_OF_OTHERS = frozenset(
    {
        *("color", "mode", "temperature", "top_p", "permission", "permissionMode", "steps", "maxSteps", "maxTurns"),
        *("hidden", "disallowedTools", "hooks", "mcpServers", "memory", "background", "isolation"),
        *("effort", "initialPrompt", "prompt", "options", "variant", "reasoningEffort", "textVerbosity"),
    }
)
"""Head fields of the programs these files are written for, which mean nothing here."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,99}")
_LISTED = re.compile(r"(?:[^,(]|\([^)]*\)?)+")
"""One of several words with commas between; commas in brackets, as in `Bash(a *, b *)`, belong to the word."""


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


def parsed(path: Path, content: bytes, scope: Scope) -> tuple[AgentDefinition | None, list[Problem]]:
    """The definition in a file, if it holds one, and what is wrong with it."""
    shown = shown_path(path)
    try:
        head_text, body, body_line = split_head(_text(content))
        head = read_head(head_text)
        if _is_on(head.get("disable")):
            message = "the definition is switched off by its 'disable'"
            return None, [Problem(shown, head.line("disable"), message, "warning")]
        problems = [Problem(shown, line, message, "warning") for line, message in _strange(head)]
        return _definition(path, head, (body, body_line), scope), problems
    except Malformed as wrong:
        return None, [Problem(shown, wrong.line, str(wrong))]


def shown_path(path: str | Path) -> str:
    """The path as text that can be written down: names of files need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Malformed(f"the file is too large (limit {MAX_BYTES} bytes)")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise Malformed("the file is not UTF-8 text", content[: error.start].count(b"\n") + 1) from error


def _strange(head: Head) -> list[tuple[int, str]]:
    """What is not understood, and ignored (fields) or kept (tools)."""
    found = []
    for name in head.fields:
        if name not in _FIELDS and name not in _OF_OTHERS:
            message = f"'{name}' is not a field of an agent definition{_hint(name, _FIELDS)}"
            found.append((head.line(name), message))
    unknown = [tool for tool in _tools(head) or () if tool not in OUR_TOOLS and not tool.startswith("mcp__")]
    message = "'tools' names {}, which is not known here{}"
    return found + [(head.line("tools"), message.format(tool, _hint(tool, OUR_TOOLS))) for tool in unknown]


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:100], list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _definition(path: Path, head: Head, body: tuple[str, int], scope: Scope) -> AgentDefinition:
    text, body_line = body
    description = _word(head, "description")
    if not description:
        what = "one sentence that says when to use the agent"
        raise Malformed(f"'description' is required: {what}", head.line("description"))
    if not text:
        raise Malformed("the body is empty: below the head, say what the agent is to do and how", body_line)
    return AgentDefinition(
        name=_name(path, head),
        description=description,
        prompt=text,
        tools=_tools(head),
        model=_word(head, "model").removeprefix("anthropic/"),
        skills=tuple(_listed(head, "skills") or ()),
        path=shown_path(path),
        scope=scope,
    )


def _name(path: Path, head: Head) -> str:
    name = _word(head, "name") or path.stem
    if not _NAME.fullmatch(name):
        whose = "'name'" if _word(head, "name") else "without 'name', the file's name is the agent's; it"
        raise Malformed(
            f"{whose} must be letters, digits, spaces, '-', '_' and '.', at most 100 characters", head.line("name")
        )
    return name


def _word(head: Head, name: str) -> str:
    value = head.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"'{name}' must be text, got {_kind(value)}", head.line(name))
    return " ".join(value.split())


def _tools(head: Head) -> tuple[str, ...] | None:
    """The tools a head names, by our names; None when it does not say."""
    value = head.get("tools")
    if isinstance(value, Mapping):
        return tuple(_switched(value))
    words = _listed(head, "tools")
    if words is None:
        return None
    return tuple(dict.fromkeys(tool for word in words for tool in _ours(word)))


def _switched(switches: Mapping[str, Any]) -> dict[str, None]:
    """A map says what is on and off beside what agents are offered anyway; later entries win."""
    tools = dict.fromkeys(READING)
    for name, value in switches.items():
        if _is_on(value):
            tools |= dict.fromkeys(_ours(name))
        else:
            tools = {tool: None for tool in tools if name != "*" and tool not in _ours(name)}
    return tools


def _is_on(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in ("true", "yes", "on")


def _ours(tool: str) -> tuple[str, ...]:
    if tool == "*":
        return _WORKSPACE
    return (_FOREIGN_TOOLS.get(tool.partition("(")[0].strip().lower(), tool),)


def _listed(head: Head, name: str) -> list[str] | None:
    value = head.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return [word.strip() for word in _LISTED.findall(value) if word.strip()]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value if item.strip()]
    raise Malformed(f"'{name}' must be a list of words, or words with commas between", head.line(name))


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a map"
