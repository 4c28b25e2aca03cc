"""The abbreviations of `lexicon.toml`: those everybody in software knows, and those a reviewer's field knows."""

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

__all__ = ["everyday", "meanings"]


@functools.cache
def everyday() -> frozenset[str]:
    """What is not worth explaining in a spec."""
    return frozenset(_lexicon()["everyday"].split())


def meanings(reviewer: str) -> Mapping[str, str]:
    """Term -> what it means in the reviewer's field."""
    found: Mapping[str, str] = _lexicon()[reviewer]
    return found


@functools.cache
def _lexicon() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))
