"""Tokens of the facade: issue them, revoke them, find out whose one is, and record who pretended."""

import secrets

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.access import SCOPES
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import AGENT_ENDED, fleet_id_of, stamp_of
from fleetlog.runtime import arguments, mail
from fleetlog.runtime.access.known_tokens import KnownTokens, digest_of
from fleetlog.runtime.access.principal import Principal, Scope
from fleetlog.runtime.assembly import Assembly
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.replies import TokenChange, TokenList, TokenReply

__all__ = ["Tokens"]


class Tokens(Changes):
    """The part of `Runtime` that knows who may come in. Any thread."""

    def __init__(self, parts: Assembly) -> None:
        super().__init__(parts)
        self._known_tokens = KnownTokens(parts.queries.tokens, self._catch_up)

    def issue_token(
        self,
        scope: Scope,
        *,
        agent_id: str = "",
        label: str = "",
        expires_at: int | None = None,
        idempotency_key: str | None = None,
    ) -> TokenReply:
        """Make a token: for an operator, for one who only reads, or for one agent. The secret is in this reply and
        nowhere else: a call repeated with its key is answered without it. `expires_at` is an epoch millisecond."""
        checks.choice("scope", scope, SCOPES)
        if agent_id:
            mail.roster(self._parts.engine, fleet_id_of(arguments.agent_id(agent_id))).agent_id(agent_id)
        secret = f"fl_{secrets.token_urlsafe(32)}"
        stamp = stamp_of(agent_id) if agent_id else secrets.token_hex(4)
        token_id = f"token-{stamp}-{secrets.token_hex(4)}"
        command = c.IssueToken(scope, digest_of(secret), agent_id, label, expires_at)
        given = (scope, agent_id, label, expires_at)
        with self._known_tokens.changing(token_id):
            reply = self._change(
                "issue_token",
                token_id,
                command,
                given,
                TokenReply,
                lambda made: TokenReply(made, "", scope, agent_id, label, expires_at),
                idempotency_key,
            )
        return msgspec.structs.replace(reply, token=secret) if reply.token_id == token_id else reply

    def revoke_token(self, token_id: str, reason: str = "", *, idempotency_key: str | None = None) -> TokenChange:
        """From now on the token counts for nothing."""
        if not checks.identifier("token_id", token_id).startswith("token-"):
            raise NotFound(f"No such token: {token_id}")
        command = c.RevokeToken(arguments.reason(reason))
        given = (token_id, command)
        with self._known_tokens.changing(token_id):
            return self._change("revoke_token", token_id, command, given, TokenChange, TokenChange, idempotency_key)

    def list_tokens(self) -> TokenList:
        """Every token, the oldest first; of the secrets there are only digests."""
        position = self._catch_up()
        return TokenList(tuple(self._parts.queries.tokens()), position)

    def authenticate(self, secret: str) -> Principal:
        """Whose secret this is; raises `Unauthenticated` when it is unknown, revoked or expired."""
        self._check_open()
        return self._known_tokens.principal(secret, self._parts.engine.clock.now().wall_ms)

    def check_acts(self, agent_id: str) -> None:
        """Refuses what a cancelled, failed or timed out agent's token does, as soon as the views show the end. An agent
        that is complete may still be asked, so it may still answer."""
        self._check_open()
        status = self._parts.queries.agent_status(agent_id)
        if status in AGENT_ENDED and status != "complete":
            raise NotAllowed(f"Agent {agent_id} is {status}: its token may only look")

    def record_forgery(self, principal: Principal, operation: str, claimed: str) -> None:
        """Keep that a token's bearer has called an operation as somebody it is not. Of many, some are kept."""
        if principal.token_id:
            storable = claimed[:200].encode(errors="replace").decode()
            command = c.RecordForgery(operation, storable)
            self._change(
                "record_forgery",
                principal.token_id,
                command,
                command,
                TokenChange,
                lambda one: TokenChange(one),
                None,
            )
