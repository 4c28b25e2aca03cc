"""Placeholders in the texts of a template: `${topic}`. `$${topic}` stands for the text `${topic}` itself.

A single brace is left alone, so that a prompt may hold JSON; and what replaces a placeholder is not looked through
again.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, FleetSpec, TemplateVariable

__all__ = ["MAX_VALUE_CHARS", "check_uses", "check_variables", "filled", "values_for"]

MAX_VARIABLES = 100
MAX_VALUE_CHARS = 100_000
_NAME = re.compile(r"[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?\Z")
_PLACEHOLDER = re.compile(r"(\$?)\$\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}")
_FLEET_TEXTS = ("name", "goal", "workspace")
_AGENT_TEXTS = ("role", "prompt", "name", "agent", "model", "brain")
_AGENT_LISTS = ("skills", "depends_on")

Change = Callable[[str, str], str]
"""(where it stands, a text) -> the text in its place."""


def check_variables(variables: Sequence[TemplateVariable]) -> None:
    """Refuse declarations that are none, or that repeat a name."""
    if len(variables) > MAX_VARIABLES:
        raise InvalidArgument(f"'variables' declares {len(variables)} variables (limit {MAX_VARIABLES})")
    seen: set[str] = set()
    for variable in variables:
        if not _NAME.match(variable.name):
            raise InvalidArgument(
                "'variables': a name is 1 to 40 lower-case letters, digits or '_', beginning with a letter and not "
                f"ending with '_', got {checks.shown(variable.name)}"
            )
        if variable.name in seen:
            raise InvalidArgument(f"'variables' declares \"{variable.name}\" twice")
        seen.add(variable.name)
        checks.text(f"variables.{variable.name}.description", variable.description, max_chars=2_000)
        if variable.default is not None:
            checks.text(f"variables.{variable.name}.default", variable.default, max_chars=MAX_VALUE_CHARS)


def check_uses(spec: FleetSpec, variables: Sequence[TemplateVariable]) -> None:
    """Refuse a placeholder that no variable is declared for."""
    known = [variable.name for variable in variables]

    def check(at: str, text: str) -> str:
        for escape, name in _PLACEHOLDER.findall(text):
            if not escape and name not in known:
                raise InvalidArgument(
                    f"'{at}' has the placeholder ${{{name}}}, which is not among the variables{_hint(name, known)} "
                    f"(write $${{{name}}} for the text itself)"
                )
        return text

    _mapped(spec, check)


def values_for(variables: Sequence[TemplateVariable], given: Mapping[str, str]) -> dict[str, str]:
    """A value for every variable: the given one, else its default. Refuses unknown names, and missing values."""
    known = [variable.name for variable in variables]
    for name, value in given.items():
        if name not in known:
            raise InvalidArgument(
                f"'variables' names {checks.shown(name)}, which the template does not have{_hint(name, known)}"
            )
        checks.text(f"variables.{name}", value, max_chars=MAX_VALUE_CHARS)
    found = {variable.name: given.get(variable.name, variable.default) for variable in variables}
    missing = [variable for variable in variables if found[variable.name] is None]
    if missing:
        raise InvalidArgument(f"'variables' lacks {', '.join(map(_described, missing))}")
    return {name: value for name, value in found.items() if value is not None}


def filled(spec: FleetSpec, values: Mapping[str, str]) -> FleetSpec:
    """The spec with its placeholders replaced."""

    def replaced(match: re.Match[str]) -> str:
        return match[0][1:] if match[1] else values[match[2]]

    return _mapped(spec, lambda _, text: _PLACEHOLDER.sub(replaced, text))


def _mapped(spec: FleetSpec, change: Change) -> FleetSpec:
    """The spec with every text changed in which placeholders count."""
    texts = {field: change(field, text) for field, text in _texts(spec, _FLEET_TEXTS)}
    agents = tuple(_mapped_agent(agent, f"agents[{i}].", change) for i, agent in enumerate(spec.agents))
    return msgspec.structs.replace(spec, agents=agents, **texts)


def _mapped_agent(agent: AgentSpec, at: str, change: Change) -> AgentSpec:
    texts = {field: change(at + field, text) for field, text in _texts(agent, _AGENT_TEXTS)}
    fields = msgspec.structs.asdict(agent)
    lists = {field: tuple(change(at + field, text) for text in fields[field]) for field in _AGENT_LISTS}
    return msgspec.structs.replace(agent, **texts, **lists)


def _texts(struct: msgspec.Struct, names: Iterable[str]) -> list[tuple[str, str]]:
    fields = msgspec.structs.asdict(struct)
    return [(name, fields[name]) for name in names]


def _described(variable: TemplateVariable) -> str:
    return f"{variable.name} ({variable.description})" if variable.description else variable.name


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, 1)
    listed = f"(known: {', '.join(known) or 'none'})"
    return f"; did you mean '{near[0]}'? {listed}" if near else f" {listed}"
