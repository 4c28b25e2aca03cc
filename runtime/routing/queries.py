"""The ranking itself: bm25 over what the running agents are and can do, weighted by their outcomes, with reasons.

Its rule: for the same log and the same words the answer is the same; equal scores are in the order of the ids.
"""

import re
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fleetlog.projections.capabilities import capability_key
from fleetlog.runtime.routing.outcomes import Record, weight
from fleetlog.runtime.routing.similarity import Similarity
from fleetlog.runtime.routing.synonyms import Asked, Synonyms
from fleetlog.runtime.routing.words import any_of
from fleetlog.runtime.views import Reader

__all__ = ["RouteMatch", "RoutingQueries"]

COLUMNS = ("role", "skills", "description", "prompt")
WEIGHTS = (6.0, 5.0, 3.0, 1.0)
"""Of a word found in each of the columns."""
SYNONYM_SHARE = 0.5
"""A synonym counts so much of a word that was said."""
MEANING_SHARE = 0.4
"""Of nearness in meaning, where a model is there; the rest is that of the words."""
NEAR = 0.35
"""An agent with none of the words is found too, when it is at least so near."""
MAX_COMPARED = 200
"""In more agents than these, only those are compared in meaning that have the words."""
MAX_SHOWN = 5
_BM25 = f"bm25(capability_words, {', '.join(map(str, WEIGHTS))})"
_MAY_WORK = "f.status='running' AND f.pause_kind='' AND a.pause_kind='' AND a.status IN ('pending','running','waiting')"
_FOUND = f"""
    WITH found AS MATERIALIZED (
        SELECT rowid AS position, -{_BM25} AS rank FROM capability_words WHERE capability_words MATCH :query)
    SELECT c.agent_id, c.fleet_id, c.role, c.position, found.rank
    FROM found JOIN capabilities c USING (position) JOIN agents a USING (agent_id) JOIN fleets f
        ON f.fleet_id=c.fleet_id
    WHERE {_MAY_WORK} AND (:fleet_id IS NULL OR c.fleet_id=:fleet_id)"""
_ALL = f"""
    SELECT c.agent_id, c.fleet_id, c.role, c.position
    FROM capabilities c JOIN agents a USING (agent_id) JOIN fleets f ON f.fleet_id=c.fleet_id
    WHERE {_MAY_WORK} AND (:fleet_id IS NULL OR c.fleet_id=:fleet_id) ORDER BY c.agent_id LIMIT {MAX_COMPARED + 1}"""
_TEXT = "SELECT role||'. '||skills||'. '||description||' '||substr(prompt, 1, 500) FROM capability_words WHERE rowid=?"
_MARKED = ", ".join(f"highlight(capability_words, {n}, char(1), char(2)) AS {c}" for n, c in enumerate(COLUMNS))
_WHERE = f"SELECT {_MARKED} FROM capability_words WHERE capability_words MATCH ? AND rowid=?"
_OUTCOMES = """
    SELECT agent_id, role, sum(successes) AS successes, sum(failures) AS failures FROM routing_outcomes
    WHERE key IN (SELECT key FROM capability_keys WHERE capability_keys MATCH ?) GROUP BY agent_id, role"""
_MARK = re.compile("\x01([^\x01\x02]+)\x02")


class RouteMatch(msgspec.Struct, frozen=True):
    """An agent that fits. `score` is above 0 and at most 1.5: 1 is the best fit of the words, and outcomes weigh it by
    0.5 to 1.5. `why` is a sentence."""

    agent_id: str
    fleet_id: str
    role: str
    score: float
    why: str


class _Candidate:
    """An agent in which something was found: how well the words that were said fit, and their synonyms."""

    def __init__(self, row: sqlite3.Row) -> None:
        self.agent_id, self.fleet_id, self.role, self.position = str(row[0]), str(row[1]), str(row[2]), int(row[3])
        self.said = self.synonyms = self.nearness = 0.0
        self.score = 0.0

    @property
    def by_words(self) -> float:
        return self.said + SYNONYM_SHARE * self.synonyms


class _Outcomes:
    """Recorded outcomes of such work, by agent and by role."""

    def __init__(self, rows: Sequence[sqlite3.Row]) -> None:
        own: defaultdict[str, Record] = defaultdict(Record)
        in_role: defaultdict[tuple[str, str], Record] = defaultdict(Record)
        by_role: defaultdict[str, Record] = defaultdict(Record)
        for row in rows:
            agent_id, role, record = row["agent_id"], capability_key(row["role"]), Record(row[2], row[3])
            own[agent_id] = own[agent_id].plus(record)
            in_role[agent_id, role] = in_role[agent_id, role].plus(record)
            by_role[role] = by_role[role].plus(record)
        self._own, self._in_role, self._by_role = own, in_role, by_role

    def of(self, agent_id: str, role: str) -> tuple[Record, Record]:
        """(the agent's own, those of others in its role)."""
        role = capability_key(role)
        others = self._by_role.get(role, Record()).minus(self._in_role.get((agent_id, role), Record()))
        return self._own.get(agent_id, Record()), others


class RoutingQueries:
    """Queries over one view file. Any thread. The synonyms are read again when their file has changed."""

    def __init__(self, reader: Reader, directory: Path | None, similarity: Callable[[], Similarity | None]) -> None:
        """`similarity` gives what knows how near texts are in meaning, if anything here does."""
        self._reader, self._similarity = reader, similarity
        self._file = None if directory is None else directory / "synonyms.toml"
        self._lock = threading.Lock()  # guards _read
        self._read: tuple[object, Synonyms] | None = None

    def asked(self, text: str) -> Asked:
        """What to look for; raises `InvalidArgument` when the directory's synonyms cannot be understood."""
        stamp = _stamp(self._file)
        with self._lock:
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, Synonyms.load(self._file))
            synonyms = self._read[1]
        return synonyms.asked(text)

    def route(self, text: str, asked: Asked, top_n: int, fleet_id: str | None = None) -> list[RouteMatch]:
        """The agents that fit, best first: those that have not ended and are not paused, in fleets that run."""
        query = any_of((*asked.words, *asked.synonyms))
        similarity = self._similarity()
        if not query:
            return []
        with self._reader.connection() as connection:
            connection.execute("BEGIN")
            try:
                candidates = _candidates(connection, asked, fleet_id)
                if similarity is not None:
                    candidates = _compared(connection, similarity, text, candidates, fleet_id)
                outcomes = _Outcomes(connection.execute(_OUTCOMES, (query,)).fetchall() if candidates else ())
                share = 0.0 if similarity is None else MEANING_SHARE
                best = _ranked(candidates, outcomes, share)[:top_n]
                return [_match(connection, one, query, outcomes) for one in best]
            finally:
                connection.execute("COMMIT")


def _stamp(path: Path | None) -> object:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


def _candidates(connection: sqlite3.Connection, asked: Asked, fleet_id: str | None) -> list[_Candidate]:
    found: dict[str, _Candidate] = {}
    for row in _found(connection, asked.words, fleet_id):
        found.setdefault(row["agent_id"], _Candidate(row)).said = row["rank"]
    for row in _found(connection, asked.synonyms, fleet_id):
        found.setdefault(row["agent_id"], _Candidate(row)).synonyms = row["rank"]
    return list(found.values())


def _found(connection: sqlite3.Connection, phrases: Sequence[str], fleet_id: str | None) -> list[sqlite3.Row]:
    if not phrases:
        return []
    return connection.execute(_FOUND, {"query": any_of(phrases), "fleet_id": fleet_id}).fetchall()


def _compared(
    connection: sqlite3.Connection,
    similarity: Similarity,
    text: str,
    candidates: list[_Candidate],
    fleet_id: str | None,
) -> list[_Candidate]:
    """The candidates with their nearness, and others that are near."""
    known = {one.agent_id: one for one in candidates}
    rows = connection.execute(_ALL, {"fleet_id": fleet_id}).fetchall()
    if len(rows) <= MAX_COMPARED:
        known |= {row["agent_id"]: _Candidate(row) for row in rows if row["agent_id"] not in known}
    compared = sorted(known.values(), key=lambda one: (-one.by_words, one.agent_id))[:MAX_COMPARED]
    texts = [str(connection.execute(_TEXT, (one.position,)).fetchone()[0]) for one in compared]
    for one, nearness in zip(compared, similarity.to(text, texts), strict=True):
        one.nearness = max(0.0, nearness)
    return [one for one in known.values() if one.by_words or one.nearness >= NEAR]


def _ranked(candidates: Sequence[_Candidate], outcomes: _Outcomes, meaning: float) -> list[_Candidate]:
    best = max((one.by_words for one in candidates), default=0.0) or 1.0
    for one in candidates:
        fit = (1 - meaning) * one.by_words / best + meaning * one.nearness
        one.score = round(fit * weight(*outcomes.of(one.agent_id, one.role)), 6)
    return sorted(candidates, key=lambda one: (-one.score, one.agent_id))


def _match(connection: sqlite3.Connection, one: _Candidate, query: str, outcomes: _Outcomes) -> RouteMatch:
    rows = connection.execute(_WHERE, (query, one.position)).fetchall()
    places = [f"{_shown(row[c])} in its {c}" for row in rows for c in COLUMNS if _MARK.search(row[c])]
    found = [f"{'matches' if one.said else 'matches by synonyms:'} {_listed(places)}"] if places else []
    found += [f"is near in meaning ({one.nearness:.2f})"] if one.nearness >= NEAR else []
    why = f"{_listed(found)}; {_record(*outcomes.of(one.agent_id, one.role))}"
    return RouteMatch(one.agent_id, one.fleet_id, one.role, one.score, why)


def _shown(marked: str) -> str:
    """The words that were found, as they stand there."""
    found = list(dict.fromkeys(" ".join(words.lower().split()) for words in _MARK.findall(marked)))
    rest = len(found) - MAX_SHOWN
    return _listed([f'"{words}"' for words in found[:MAX_SHOWN]] + ([f"{rest} more"] if rest > 0 else []))


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def _record(own: Record, peers: Record) -> str:
    of_peers = f"{peers.successes} of {peers.total} by others in its role went well"
    if own.total:
        said = f"{own.successes} of its {own.total} recorded outcomes in such work went well"
        return f"{said}, {of_peers}" if peers.total else said
    return f"no outcomes of its own are recorded yet, {of_peers}" if peers.total else "no outcomes are recorded yet"
