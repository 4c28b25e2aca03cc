"""Markdown that survives strange file names. Pure."""

from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Text for a table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str, most: int = 160) -> str:
    """Text of foreign origin as a code span: inside one only a backtick or a line's end acts."""
    quiet = "".join(letter if letter.isprintable() else " " for letter in text.replace("`", "'"))
    return f"`{quiet[:most].strip()}`"


def plain(text: str, most: int = 60) -> str:
    """A person's name or a message of foreign origin, without anything Markdown would act upon."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in "|`*_<>[]#\\")[:most].strip()
