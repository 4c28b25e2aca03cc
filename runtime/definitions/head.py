"""The YAML head of a Markdown file: its fields, and the line each stands in.

Its rule: a head is read and nothing else. A value is the text that was written (`1.10` is no number, `no` no truth
value), a list or a map; aliases and tags, with which a small file could grow or make objects, are errors.
"""

from typing import Any

import yaml
from msgspec import Struct

__all__ = ["Head", "Malformed", "read_head", "split_head"]

MAX_CHARS = 32_768
_FIRST_LINE = 2
"""Of the head, in its file: the line below the first `---`."""
_PLAIN = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp", "seq", "map", "merge")
) | {"tag:yaml.org,2002:value"}


class Malformed(Exception):
    """The file cannot be read as what it should be: why, and at which of its lines."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class Head(Struct, frozen=True):
    """The fields by name: text, None, lists and maps of those; and the line of each in the file."""

    fields: dict[str, Any]
    lines: dict[str, int]

    def get(self, name: str) -> Any:
        """The field's value, or None."""
        return self.fields.get(name)

    def line(self, name: str) -> int:
        """Where the field stands; of one that is missing: where it could."""
        return self.lines.get(name, _FIRST_LINE)


def split_head(text: str) -> tuple[str, str, int]:
    """(head, body, the body's first line). Raises `Malformed`."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise Malformed("there is no head: the first line must be ---, then name and description, then --- again")
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == "---"), None)
    if end is None:
        raise Malformed("the head has no end: a second line --- is missing", len(lines))
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]).strip(), end + 2


def read_head(text: str) -> Head:
    """The head's fields. Raises `Malformed`."""
    if len(text) > MAX_CHARS:
        raise Malformed(f"the head has {len(text)} characters (limit {MAX_CHARS})")
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise Malformed("the head is empty: it needs name and description", _FIRST_LINE)
        if not isinstance(node, yaml.MappingNode):
            raise Malformed("the head must be fields like `name: value`", _FIRST_LINE)
        return Head(_map(node, text), {key.value: _line(key.start_mark, text) for key, _ in node.value})
    except yaml.MarkedYAMLError as error:
        why = error.problem or error.context or "it cannot be read"
        raise Malformed(f"the head is not YAML: {why}", _line(error.problem_mark, text)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + _FIRST_LINE
        raise Malformed("the head is not YAML: there is a control character in it", line) from error
    except RecursionError as error:
        raise Malformed("the head is nested too deeply", _FIRST_LINE) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Malformed(f"the head is not YAML: {str(error)[:200]}", _FIRST_LINE) from error


class _Loader(yaml.SafeLoader):
    """Composes nodes; never constructs objects of them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read here", event.start_mark)
        return super().compose_node(parent, index)


def _line(mark: Any, text: str) -> int:
    """The mark's line in the file. By its index: YAML counts other characters as line ends than editors do."""
    return _FIRST_LINE if mark is None else text.count("\n", 0, mark.index) + _FIRST_LINE


def _value(node: yaml.Node, text: str) -> Any:
    if node.tag not in _PLAIN:
        raise Malformed("tags (!name) are not read here", _line(node.start_mark, text))
    if isinstance(node, yaml.MappingNode):
        return _map(node, text)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, text) for item in node.value]
    return _scalar(node, text)


def _scalar(node: yaml.Node, text: str) -> str | None:
    if node.tag == "tag:yaml.org,2002:null":
        return None
    value = str(node.value)
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise Malformed("there is half a character (\\ud800 to \\udfff) in the head", _line(node.start_mark, text))
    return value


def _map(node: yaml.MappingNode, text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = _line(key.start_mark, text)
        name = _scalar(key, text) if isinstance(key, yaml.ScalarNode) else None
        if name is None:
            raise Malformed("a field's name must be a word", line)
        if name in values:
            raise Malformed(f"'{name}' is there twice (first in line {lines[name]})", line)
        values[name], lines[name] = _value(value, text), line
    return values
