"""Which tokens are there, whose are they, and do they still count?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Tokens"]


class Tokens:
    """One row a token; `digest` is of its secret. Forgeries count what its bearer was refused as."""

    name = "tokens"
    version = 1
    tables: Sequence[str] = ("tokens",)
    schema: Sequence[str] = (
        """CREATE TABLE tokens (
            token_id TEXT PRIMARY KEY, scope TEXT NOT NULL, digest TEXT NOT NULL, agent_id TEXT NOT NULL,
            label TEXT NOT NULL, issued_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER,
            forgeries INTEGER NOT NULL DEFAULT 0
        )""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.TokenIssued: self._issued,
            e.TokenRevoked: lambda r, rows: rows.add(
                "UPDATE tokens SET revoked_ms=? WHERE token_id=?", r.at_ms, r.stream_id
            ),
            e.ForgeryRefused: lambda r, rows: rows.add(
                "UPDATE tokens SET forgeries=forgeries+1 WHERE token_id=?", r.stream_id
            ),
        }

    @staticmethod
    def _issued(recorded: Recorded, rows: Rows) -> None:
        event: e.TokenIssued = recorded.event
        rows.add(
            "INSERT INTO tokens (token_id, scope, digest, agent_id, label, issued_ms, expires_ms)"
            " VALUES (?,?,?,?,?,?,?)",
            recorded.stream_id,
            event.scope,
            event.digest,
            event.agent_id,
            event.label,
            recorded.at_ms,
            event.expires_ms,
        )
