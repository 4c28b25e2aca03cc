"""The actor of one token. It only decides; nothing follows from what it has decided."""

from collections.abc import Sequence
from typing import Any

from fleetlog.domain.access import Token
from fleetlog.runtime.aggregate_host import AggregateHost

__all__ = ["TokenActor"]


class TokenActor(AggregateHost[Token]):
    """One token."""

    def make_state(self) -> Token:
        """See `AggregateHost`."""
        return Token(self.stream_id)

    def outcome(self, state: Token, command: Any, events: Sequence[Any]) -> str:
        """The token's id."""
        return self.stream_id

    def wants_commit(self, state: Token, events: Sequence[Any]) -> bool:
        """See `AggregateHost`."""
        return False
