"""A token: who its bearer is, until when, and what it tried to be.

Its rule about forgeries: each is recorded once a minute at most, and so many different ones in a minute at most, so
that whoever tries thousands cannot fill the log.
"""

from typing import assert_never

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import OPERATOR, Now

__all__ = ["SCOPES", "Token"]

SCOPES = ("operator", "read", "agent")
FORGERY_EVERY_MS = 60_000
MAX_FORGERIES = 20
"""So many different ones are recorded in a minute."""
_DIGEST_CHARS = 64
_TAKEN = ("agent-", "fleet-", "token-")


class Token:
    """One token; it does not exist until `token.issued` is folded."""

    __slots__ = ("_forgeries", "id", "is_revoked", "issued")

    def __init__(self, token_id: str) -> None:
        self.id = token_id
        self.issued: e.TokenIssued | None = None
        self.is_revoked = False
        self._forgeries: dict[tuple[str, str], int] = {}

    @property
    def exists(self) -> bool:
        return self.issued is not None

    def decide(self, command: c.TokenCommand, now: Now) -> list[e.TokenEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if isinstance(command, c.IssueToken):
            return self._issue(command, now)
        if self.issued is None:
            raise NotFound(f"No such token: {self.id}")
        match command:
            case c.RevokeToken():
                return [] if self.is_revoked else [e.TokenRevoked(command.reason)]
            case c.RecordForgery():
                return self._record_forgery(command, now)
            case _:
                assert_never(command)

    def _issue(self, command: c.IssueToken, now: Now) -> list[e.TokenEvent]:
        if self.issued is not None:
            raise NotAllowed(f"Token {self.id} exists already")
        checks.choice("scope", command.scope, SCOPES)
        _check_label(command.label)
        if (command.scope == "agent") != bool(command.agent_id):
            raise InvalidArgument("'agent_id' is for tokens of the scope agent, and must be given for them")
        if len(command.digest) != _DIGEST_CHARS:
            raise InvalidArgument("'digest' must be a SHA-256 in hex")
        if command.expires_ms is not None and checks.integer("expires_at", command.expires_ms) <= now.wall_ms:
            raise InvalidArgument(f"'expires_at' must be an epoch millisecond to come, got {command.expires_ms}")
        return [e.TokenIssued(command.scope, command.digest, command.agent_id, command.label, command.expires_ms)]

    def _record_forgery(self, command: c.RecordForgery, now: Now) -> list[e.TokenEvent]:
        key = (command.operation, command.claimed)
        recent = [at_ms for at_ms in self._forgeries.values() if now.wall_ms - at_ms < FORGERY_EVERY_MS]
        last_ms = self._forgeries.get(key)
        is_known = last_ms is not None and now.wall_ms - last_ms < FORGERY_EVERY_MS
        if is_known or len(recent) >= MAX_FORGERIES:
            return []
        return [e.ForgeryRefused(command.operation, command.claimed, now.wall_ms)]

    def evolve(self, event: e.TokenEvent) -> None:
        """Fold one event; total over all token events."""
        match event:
            case e.TokenIssued():
                self.issued = event
            case e.TokenRevoked():
                self.is_revoked = True
            case e.ForgeryRefused():
                old = [key for key, at_ms in self._forgeries.items() if event.at_ms - at_ms >= FORGERY_EVERY_MS]
                for key in old:
                    del self._forgeries[key]
                self._forgeries[(event.operation, event.claimed)] = event.at_ms
            case _:
                assert_never(event)


def _check_label(label: str) -> None:
    """What an operator's or a reader's token does is recorded by its label: it must not read as somebody else's."""
    checks.text("label", label, max_chars=200)
    if label and (not label.isprintable() or label != label.strip()):
        raise InvalidArgument(f"'label' must be printable, without spaces around it, got {checks.shown(label)}")
    if label == OPERATOR or label.startswith(_TAKEN):
        raise InvalidArgument(f"'label' must not read as an id or as the owner ({OPERATOR}), got {checks.shown(label)}")
