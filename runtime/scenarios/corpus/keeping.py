"""The report that grows in the workspace. Writes one file, whole or not at all."""

from pathlib import Path

__all__ = ["keep"]


def keep(folder: str, name: str, text: str) -> str:
    """Write the report; empty, or why it could not be written."""
    path = Path(folder) / name
    try:
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        return f"{name} could not be written: {error.strerror}"
    return ""
