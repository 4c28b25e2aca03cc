"""Clients that work the mailboxes of external agents: the part of the facade about who is there."""

import secrets

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.runtime import arguments
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.replies import FleetReply, LeaseReply
from fleetlog.runtime.rows import LeaseRow

__all__ = ["Leases"]


class Leases(Changes):
    """The part of `Runtime` that external agents' clients attach by. Any thread."""

    def attach_external(
        self, agent_id: str, client: str, ttl_s: float = 60.0, *, idempotency_key: str | None = None
    ) -> LeaseReply:
        """Take an external agent: from now on `client` (as `name/version`) is shown as who works it, as long as it is
        heard of every `ttl_s` seconds. Whoever had it before has lost it, and is told so at its next call."""
        checks.text("client", client, max_chars=200, empty=False)
        checks.seconds("ttl_s", ttl_s)
        lease_id = f"lease-{secrets.token_hex(8)}"
        command = c.AttachExternal(lease_id, client, float(ttl_s))
        given = (arguments.agent_id(agent_id), client, ttl_s)
        reply = self._change(
            "attach_external",
            agent_id,
            command,
            given,
            LeaseReply,
            lambda _: LeaseReply(agent_id, lease_id, client, float(ttl_s)),
            idempotency_key,
        )
        self._parts.leases.took(agent_id, reply.lease_id, client, float(ttl_s), reply.position)
        return reply

    def renew_lease(self, agent_id: str, lease_id: str = "") -> LeaseRow | None:
        """Say that the client is there; recorded nowhere, and quick: servers do it at every call of an agent's own
        token. Without a `lease_id` whoever holds the agent is renewed, and None is answered when nobody does. Raises
        `LeaseLost` when the lease is over: another has attached, or this call comes too late."""
        self._check_open()
        return self._parts.leases.renew(arguments.agent_id(agent_id), lease_id)

    def release_lease(self, agent_id: str, lease_id: str, *, idempotency_key: str | None = None) -> FleetReply:
        """Leave an external agent: nobody works it until somebody attaches again."""
        command = c.ReleaseLease(checks.identifier("lease_id", lease_id))
        reply = self._change_agent("release_lease", agent_id, command, idempotency_key)
        self._parts.leases.end(agent_id, lease_id)
        return reply
