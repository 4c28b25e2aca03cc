"""Words that mean the same for routing, and words that mean nothing: a shipped table that the operator may add to."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.routing.words import kin, stems, words

__all__ = ["Asked", "Synonyms"]

MAX_PHRASE_WORDS = 3
_KEYS = ("replace", "ignore", "groups")


class Asked(NamedTuple):
    """What is looked for: the text's own words that mean something; and words and phrases that mean the same, or
    somebody who does it."""

    words: tuple[str, ...]
    synonyms: tuple[str, ...]


class Synonyms:
    """The table. Immutable."""

    def __init__(self, groups: Sequence[Sequence[str]], ignored: Iterable[str]) -> None:
        self._groups = [[" ".join(words(phrase)) for phrase in group] for group in groups]
        self._ignored = frozenset(ignored)
        phrases = [phrase for group in self._groups for phrase in group]
        self._stems = dict(zip(phrases, stems(phrases), strict=True))
        self._groups_of: dict[tuple[str, ...], list[int]] = {}
        for number, group in enumerate(self._groups):
            for phrase in group:
                self._groups_of.setdefault(self._stems[phrase], []).append(number)

    @classmethod
    def load(cls, own: Path | None = None) -> "Synonyms":
        """The shipped table with what a file of the same form adds, or that file alone if it says `replace = true`.
        Raises `InvalidArgument` that names the file and the entry."""
        shipped = resources.files("fleetlog.runtime.routing").joinpath("synonyms.toml").read_text("utf-8")
        tables = [_parsed(shipped, "synonyms.toml")]
        if own is not None and own.exists():
            table = _parsed(_read(own), str(own))
            tables = [table] if table.get("replace") else [*tables, table]
        groups = [group for table in tables for group in table.get("groups", ())]
        return cls(groups, (word.lower() for table in tables for word in table.get("ignore", ())))

    def asked(self, text: str) -> Asked:
        """What to look for when this is the work to be done."""
        said = words(text)
        stemmed = ["".join(stem[:1]) for stem in stems(said)]
        runs = {
            tuple(stemmed[start : start + length])
            for length in range(1, MAX_PHRASE_WORDS + 1)
            for start in range(len(stemmed) - length + 1)
        }
        groups = sorted({number for run in runs for number in self._groups_of.get(run, ())})
        same = {phrase: None for number in groups for phrase in self._groups[number] if self._stems[phrase] not in runs}
        meant = {word: stem for word, stem in zip(said, stemmed, strict=True) if word not in self._ignored}
        related = dict.fromkeys(other for stem in meant.values() for other in kin(stem))
        new = [word for word, stem in zip(related, stems([*related]), strict=True) if stem not in runs]
        return Asked(tuple(meant), (*same, *(word for word in new if word not in same)))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read: {error}") from error


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{where} is not TOML: {error}") from error
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise InvalidArgument(f"{where}: '{key}' is not known{hint} (known: {', '.join(_KEYS)})")
    if not isinstance(table.get("replace", False), bool):
        raise InvalidArgument(f"{where}: 'replace' must be true or false")
    _check_words(table.get("ignore", []), "ignore", where)
    groups = table.get("groups", [])
    if not isinstance(groups, list):
        raise InvalidArgument(f"{where}: 'groups' must be an array of arrays of words")
    for number, group in enumerate(groups):
        _check_words(group, f"groups[{number}]", where)
        _check_phrases(group, f"groups[{number}]", where)
    return table


def _check_words(found: Any, at: str, where: str) -> None:
    if not isinstance(found, list) or not all(isinstance(word, str) and words(word) for word in found):
        raise InvalidArgument(f"{where}: '{at}' must be an array of words")


def _check_phrases(group: Sequence[str], at: str, where: str) -> None:
    for phrase in group:
        if len(words(phrase)) > MAX_PHRASE_WORDS:
            raise InvalidArgument(f"{where}: '{at}' has \"{phrase}\"; at most {MAX_PHRASE_WORDS} words mean the same")
