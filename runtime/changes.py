"""The way of a call that changes something: one command to one actor, and its reply after the commit."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import OPERATOR, Stored, fleet_id_of
from fleetlog.runtime import arguments
from fleetlog.runtime.assembly import Assembly
from fleetlog.runtime.calls import Call, Calls
from fleetlog.runtime.engine import CallKey, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.questions import Questions
from fleetlog.runtime.replies import FleetReply
from fleetlog.runtime.reply import Reply

__all__ = ["Changes"]

R = TypeVar("R", bound=msgspec.Struct)


class Changes(Questions):
    """What the changing half of `Runtime` rests on. Any thread."""

    def __init__(self, parts: Assembly) -> None:
        super().__init__(parts)
        self._calls = Calls(parts.engine.store)
        self._by = OPERATOR

    def acting_as(self, by: str) -> Self:
        """The same runtime, for a caller whose changes are recorded as made by `by`, a name or an id."""
        view = copy.copy(self)
        view._by = checks.identifier("by", by)
        return view

    def counted_keys(self, stem: str, after: int) -> AbstractContextManager[None]:
        """Within it, idempotency keys `STEM-NUMBER` above `after` are taken for new, each the first time. For the
        server of a client that counts its own; see `Calls.counted`."""
        return self._calls.counted(stem, after)

    def _change_fleet(
        self, operation: str, fleet_id: str, command: c.FleetCommand, idempotency_key: str | None
    ) -> FleetReply:
        given = (arguments.fleet_id(fleet_id), command)
        return self._change(
            operation,
            fleet_id,
            command,
            given,
            FleetReply,
            lambda _: FleetReply(fleet_id),
            idempotency_key,
        )

    def _change_agent(
        self, operation: str, agent_id: str, command: c.AgentCommand, idempotency_key: str | None
    ) -> FleetReply:
        fleet_id = fleet_id_of(arguments.agent_id(agent_id))
        given = (agent_id, command)
        return self._change(
            operation,
            agent_id,
            command,
            given,
            FleetReply,
            lambda _: FleetReply(fleet_id),
            idempotency_key,
        )

    def _change(
        self,
        operation: str,
        stream_id: str,
        command: c.AgentCommand
        | c.FleetCommand
        | c.TokenCommand
        | c.CouncilCommand
        | c.DiscussionCommand
        | c.TemplateCommand,
        given: object,
        reply_type: type[R],
        seal: Callable[[Any], R],
        idempotency_key: str | None,
    ) -> R:
        """One command to one actor, and its reply after the commit."""

        def start(key: CallKey | None) -> Reply[Receipt]:
            self._parts.engine.journal.wait_for_room()
            future: Reply[Receipt] = Reply()
            self._parts.engine.residents.send(stream_id, Request(command, future, by=self._by, key=key))
            return future

        self._check_open()
        reply, _ = self._calls.once(Call(operation, given, reply_type, start, seal), idempotency_key)
        return reply

    def _stored(self, field: str, value: object) -> Stored:
        try:
            return self._parts.engine.artifacts.store_value(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArgument(f"'{field}' cannot be stored: {error}") from error
