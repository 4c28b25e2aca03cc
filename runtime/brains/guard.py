"""Does an agent go round in circles? Judged from its conversation alone, so that it is judged the same after a restart.

Its rule: what looks stuck is nudged once; what goes on the same way after that is paused for a person.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Guard", "Verdict"]

REPEATS = (5, 10)
"""The same call with the same result, among the last 20: nudged at the first figure, paused at the second."""
EMPTY_REPLIES = (1, 3)
EXCHANGES = (24, 40)
"""Messages to and from one peer in a row, with nothing else done in between."""
_WINDOW = 20
_MESH = frozenset({"send_message", "ask_peer", "broadcast", "raise_alert", "wait_for_messages", "check_inbox"})
_PATIENT = frozenset({"wait_for_messages"})


class Verdict(msgspec.Struct, frozen=True):
    """`deed` is `nudge` or `pause`; `text` tells the agent, or the person, what was seen."""

    deed: str
    kind: str
    text: str


class Guard:
    """What is counted. Fed by the fold."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=_WINDOW)
        self._what: dict[str, str] = {}
        self._empty = 0
        self._peer, self._exchanges = "", 0
        self._nudged: set[str] = set()
        self._told = False
        """A nudge stands in what the model has not seen yet."""

    def used(self, tool: str, arguments: Mapping[str, Any], result: str) -> None:
        """A tool was called."""
        if tool not in _MESH:
            self._exchanges = 0
        if tool in _PATIENT:
            return
        packed = msgspec.json.encode([tool, arguments, result], order="sorted")
        digest = hashlib.blake2b(packed, digest_size=12).hexdigest()
        self._recent.append(digest)
        self._what = {seen: what for seen, what in self._what.items() if seen in self._recent}
        self._what[digest] = tool

    def exchanged(self, peer: str) -> None:
        """A message went to the peer, or came from it."""
        self._exchanges = self._exchanges + 1 if peer == self._peer else 1
        self._peer = peer

    def replied(self, has_calls: bool, text: str) -> None:
        """The model has replied."""
        self._told = False
        self._empty = 0 if has_calls or text.strip() else self._empty + 1

    def nudged(self, kind: str) -> None:
        """The agent was told."""
        self._nudged.add(kind)
        self._told = True

    def paused(self) -> None:
        """A person was asked: what comes after their answer is judged afresh."""
        self._recent.clear()
        self._empty = self._exchanges = 0
        self._nudged.clear()
        self._told = True

    def verdict(self) -> Verdict | None:
        """What is to be done now, if anything."""
        if self._told:
            return None
        digest, repeats = Counter(self._recent).most_common(1)[0] if self._recent else ("", 0)
        tool = self._what.get(digest, "")
        repeated = f"the same call of {tool} had the same result {repeats} times"
        exchanged = f"{self._exchanges} messages to and from {self._peer} in a row, with no other work between"
        return (
            self._judge("empty", self._empty, EMPTY_REPLIES, "the last reply was empty")
            or self._judge("repeat", repeats, REPEATS, repeated)
            or self._judge("ping-pong", self._exchanges, EXCHANGES, exchanged)
        )

    def _judge(self, kind: str, count: int, limits: tuple[int, int], what: str) -> Verdict | None:
        nudge_at, pause_at = limits
        if count >= pause_at and kind in self._nudged:
            return Verdict("pause", kind, f"This agent seems stuck: {what}.")
        if count >= nudge_at and kind not in self._nudged:
            return Verdict("nudge", kind, f"You seem stuck: {what}. {_ADVICE[kind]}")
        if kind == "empty" and count:
            return Verdict("nudge", kind, f"You seem stuck: {what}. {_ADVICE[kind]}")
        return None


_ADVICE = {
    "empty": "Go on with the task: call a tool, or give your result with submit_result.",
    "repeat": (
        "It will not change by being repeated. Try another way, ask a peer, or submit what you have and say what is "
        "missing; if a person must help, call request_help."
    ),
    "ping-pong": "Agree on who does what, do it, and come back with a finding; or submit what you have.",
}
