"""Tools for the clients of external agents: who is there, and what came of it."""

from typing import Annotated, Any

from msgspec import Meta

from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Reading, Text, Tool

__all__ = ["mailbox_tools"]

_MAX_TTL_MS = 86_400_000


class AttachExternal(Changing, frozen=True, kw_only=True):
    agent_id: Text
    client: Annotated[Text, Meta(description="Your name and version: editor/1.0.")]
    ttl_ms: Annotated[int, Meta(ge=1_000, le=_MAX_TTL_MS, description="Silence after which the lease is lost.")] = (
        60_000
    )


class RenewLease(Reading, frozen=True, kw_only=True):
    agent_id: Text
    lease_id: Text


class ReleaseLease(Changing, frozen=True, kw_only=True):
    agent_id: Text
    lease_id: Text


class SubmitResult(Changing, frozen=True, kw_only=True):
    agent_id: Text
    output: Annotated[Any, Meta(description="The result, whole: any JSON that fits the agent's result schema.")]


def mailbox_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _attach(door: Door, given: AttachExternal) -> object:
    reply = door.attach_external(
        given.agent_id, given.client, given.ttl_ms / 1000, idempotency_key=given.idempotency_key
    )
    return {
        "agent_id": reply.agent_id,
        "lease_id": reply.lease_id,
        "client": reply.client,
        "ttl_ms": round(reply.ttl_s * 1000),
    }


def _renew(door: Door, given: RenewLease) -> object:
    return {"ok": True, "lease": door.renew_lease(given.agent_id, given.lease_id)}


def _release(door: Door, given: ReleaseLease) -> object:
    door.release_lease(given.agent_id, given.lease_id, idempotency_key=given.idempotency_key)
    return {"ok": True, "agent_id": given.agent_id}


def _submit(door: Door, given: SubmitResult) -> object:
    door.submit_result(given.agent_id, given.output, idempotency_key=given.idempotency_key)
    return {"ok": True, "agent_id": given.agent_id}


_TOOLS = (
    Tool(
        "attach_external",
        "Show that you work an external agent: fleet_status says who does and whether they are alive. The newest wins.",
        AttachExternal,
        _attach,
        acting="agent_id",
    ),
    Tool(
        "renew_lease",
        "Say that you are still there; refused with lease_lost when another has attached or you were silent too long.",
        RenewLease,
        _renew,
        Hints(reads=True, repeats=True),
        acting="agent_id",
    ),
    Tool("release_lease", "Leave an external agent.", ReleaseLease, _release, acting="agent_id"),
    Tool("submit_result", "Give the result of an external agent; it ends.", SubmitResult, _submit, acting="agent_id"),
)
