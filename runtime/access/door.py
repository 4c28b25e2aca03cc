"""The facade as one principal may use it: the same methods, each with a rule of who may call it.

    operator   everything
    read       what changes nothing
    agent      its own inbox, its own fleet; what it does, it does as itself, until it has failed or is cancelled

An agent's token that names another agent as the one who acts is refused, and the forgery is recorded. What changes
something is recorded by the principal's name.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import Forbidden
from fleetlog.domain.values import fleet_id_of
from fleetlog.runtime import arguments
from fleetlog.runtime.access.principal import OWNER, Principal
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.host import Runtime

__all__ = ["Door", "Rule"]

P = ParamSpec("P")
T = TypeVar("T")


class Rule(msgspec.Struct, frozen=True):
    """Who may call a method. `reads`: everybody with a token. `acting`: the parameter that names the agent who acts,
    which an agent's own token may do; without it, changing is for operators. `fleet`: the parameter that names a
    fleet, and `agent` the one that names an agent, of which an agent's token may see its own alone."""

    reads: bool = False
    acting: str = ""
    fleet: str = ""
    agent: str = ""
    fleet_of: str = ""
    """The parameter whose id names the fleet, which must be the one of an agent's token."""
    shows_fleet: bool = False
    """The reply names the fleet it is about: an agent's token must be of it to see it."""
    is_hidden: bool = False
    """Reading, but not for agents: it tells of other fleets."""
    discussion: str = ""
    """The parameter that names a discussion, in which an agent must take part."""
    for_operators: str = ""
    """A parameter that others must leave out: it names a folder of this machine."""


_OPERATE = Rule()
_READ = Rule(reads=True)
_READ_FLEET = Rule(reads=True, fleet="fleet_id")
_READ_AGENT = Rule(reads=True, agent="agent_id")
_READ_ALL = Rule(reads=True, is_hidden=True)
_ACT = Rule(acting="agent_id")
_REGISTER = Rule(acting="agent_id", fleet="fleet_id")
_SEND = Rule(acting="from_agent_id", fleet="fleet_id")


def _guarded(method: Callable[Concatenate[Runtime, P], T], rule: Rule) -> Callable[Concatenate["Door", P], T]:
    bind = inspect.signature(method).bind

    @functools.wraps(method)
    def call(self: "Door", /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.principal.scope != "operator":
            given = bind(self.runtime, *args, **kwargs)
            given.apply_defaults()
            self._check(method.__name__.removeprefix("begin_"), rule, given.arguments)
        reply = method(self.runtime, *args, **kwargs)
        if rule.shows_fleet and self.principal.scope == "agent":
            self._check_fleet(getattr(reply, "fleet_id", ""))
        return reply

    return call


def _begun(
    method: Callable[Concatenate[Runtime, P], T | None], rule: Rule
) -> Callable[Concatenate["Door", P], T | None]:
    """For event loops: a forgery, whose record is waited for, is not begun; the call that may wait refuses it."""
    guarded, bind = _guarded(method, rule), inspect.signature(method).bind

    @functools.wraps(method)
    def call(self: "Door", /, *args: P.args, **kwargs: P.kwargs) -> T | None:
        if self.principal.scope == "agent":
            given = bind(self.runtime, *args, **kwargs).arguments
            if given[rule.acting] != self.principal.agent_id:
                return None
        return guarded(self, *args, **kwargs)

    return call


class Door:
    """A runtime's facade for one principal. Any thread."""

    def __init__(self, runtime: Runtime, principal: Principal) -> None:
        self.principal = principal
        self.runtime = runtime if principal == OWNER else runtime.acting_as(principal.name)

    def _check(self, operation: str, rule: Rule, given: dict[str, Any]) -> None:
        if rule.for_operators and given[rule.for_operators] is not None:
            raise Forbidden(f"{operation}: '{rule.for_operators}' is for operators; leave it out")
        if self.principal.scope == "agent":
            self._check_agent(operation, rule, given)
        elif not rule.reads:
            raise Forbidden(f"this token may only read: {operation} is for operators and agents")

    def _check_agent(self, operation: str, rule: Rule, given: dict[str, Any]) -> None:
        principal = self.principal
        if rule.acting:
            self._check_acting(operation, _named(given[rule.acting]))
        elif not rule.reads and not rule.fleet_of:
            raise Forbidden(f"{operation} is for operators, and this token is {principal.agent_id}'s")
        if rule.is_hidden:
            raise Forbidden(f"{operation} tells of other fleets, and this token is {principal.agent_id}'s")
        if rule.agent and given[rule.agent] != principal.agent_id:
            raise Forbidden(f"this token is {principal.agent_id}'s: it sees no other agent's mail")
        if rule.fleet_of:
            self._check_fleet(fleet_id_of(str(given[rule.fleet_of])))
        for fleet_id in _named(given[rule.fleet], "fleet_id") if rule.fleet else ():
            self._check_fleet(fleet_id)
        if rule.discussion:
            self._check_takes_part(given[rule.discussion])
        if not rule.reads:
            self.runtime.check_acts(principal.agent_id)

    def _check_takes_part(self, discussion_id: str) -> None:
        policy = self.runtime.discussion(discussion_id, include_receipts=False).policy
        if self.principal.agent_id not in (policy.asker, policy.peer):
            raise Forbidden(f"{self.principal.agent_id} does not take part in discussion {discussion_id}")

    def _check_fleet(self, fleet_id: object) -> None:
        own = fleet_id_of(self.principal.agent_id)
        if fleet_id != own:
            raise Forbidden(f"this token is {self.principal.agent_id}'s: it sees no fleet but {own}")

    def _check_acting(self, operation: str, claimed: Iterable[object]) -> None:
        for one in claimed:
            if one != self.principal.agent_id:
                self.runtime.record_forgery(self.principal, operation, str(one))
                raise Forbidden(f"{operation} as {checks.shown(str(one))}: this token is {self.principal.agent_id}'s")

    # --- looking -------------------------------------------------------------------------------

    fleet_status = _guarded(Runtime.fleet_status, _READ_FLEET)
    list_fleets = _guarded(Runtime.list_fleets, _READ_ALL)
    list_agents = _guarded(Runtime.list_agents, _READ_FLEET)
    collect_results = _guarded(Runtime.collect_results, _READ_FLEET)
    timeline = _guarded(Runtime.timeline, _READ_FLEET)
    spend = _guarded(Runtime.spend, _READ_FLEET)
    inbox = _guarded(Runtime.inbox, _READ_AGENT)
    unread = _guarded(Runtime.unread, _READ_AGENT)
    list_help = _guarded(Runtime.list_help, _READ_FLEET)
    help_requests = _guarded(Runtime.help_requests, _READ_FLEET)
    doubts = _guarded(Runtime.doubts, _READ_FLEET)
    ratification = _guarded(Runtime.ratification, Rule(reads=True, fleet_of="message_id"))
    receipts = _guarded(Runtime.receipts, Rule(reads=True, shows_fleet=True))
    discussion = _guarded(Runtime.discussion, Rule(reads=True, fleet_of="discussion_id"))
    list_fleet_templates = _guarded(Runtime.list_fleet_templates, _READ)
    get_fleet_template = _guarded(Runtime.get_fleet_template, _READ)
    route_work = _guarded(Runtime.route_work, _READ_FLEET)
    definitions = _guarded(Runtime.definitions, Rule(reads=True, for_operators="workspace"))
    resolve_fleet = _guarded(Runtime.resolve_fleet, _READ_ALL)
    artifact = _guarded(Runtime.artifact, _READ)
    health = _guarded(Runtime.health, _READ)
    gates = _guarded(Runtime.gates, _READ_ALL)
    drafts = _guarded(Runtime.drafts, _READ_ALL)
    verify_ledger = _guarded(Runtime.verify_ledger, _READ_ALL)

    # --- acting, as an agent or for one ----------------------------------------------------------

    send_message = _guarded(Runtime.send_message, _SEND)
    begin_send_message = _begun(Runtime.begin_send_message, _SEND)
    send_messages = _guarded(Runtime.send_messages, Rule(acting="messages", fleet="messages"))
    alert = _guarded(Runtime.alert, _SEND)
    ack = _guarded(Runtime.ack, _ACT)
    request_help = _guarded(Runtime.request_help, _ACT)
    submit_result = _guarded(Runtime.submit_result, _ACT)
    give_receipt = _guarded(Runtime.give_receipt, _ACT)
    open_ratification = _guarded(Runtime.open_ratification, Rule(acting="proposer", fleet="fleet_id"))
    cast_vote = _guarded(Runtime.cast_vote, _ACT)
    ask_peer = _guarded(Runtime.ask_peer, _SEND)
    wake_agent = _guarded(Runtime.wake_agent, Rule(fleet_of="agent_id", discussion="discussion_id"))
    reply_discussion = _guarded(Runtime.reply_discussion, _ACT)
    attach_external = _guarded(Runtime.attach_external, _ACT)
    renew_lease = _guarded(Runtime.renew_lease, _ACT)
    release_lease = _guarded(Runtime.release_lease, _ACT)
    register_capability = _guarded(Runtime.register_capability, _REGISTER)

    # --- operating -----------------------------------------------------------------------------

    spawn_fleet = _guarded(Runtime.spawn_fleet, _OPERATE)
    spawn_from_template = _guarded(Runtime.spawn_from_template, _OPERATE)
    save_fleet_template = _guarded(Runtime.save_fleet_template, _OPERATE)
    delete_fleet_template = _guarded(Runtime.delete_fleet_template, _OPERATE)
    record_routing_outcome = _guarded(Runtime.record_routing_outcome, _OPERATE)
    fork_fleet = _guarded(Runtime.fork_fleet, _OPERATE)
    attach_agent = _guarded(Runtime.attach_agent, _OPERATE)
    set_fleet_timeout = _guarded(Runtime.set_fleet_timeout, _OPERATE)
    cancel_fleet = _guarded(Runtime.cancel_fleet, _OPERATE)
    close_fleet = _guarded(Runtime.close_fleet, _OPERATE)
    archive_fleet = _guarded(Runtime.archive_fleet, _OPERATE)
    pause_fleet = _guarded(Runtime.pause_fleet, _OPERATE)
    resume_fleet = _guarded(Runtime.resume_fleet, _OPERATE)
    pause_agent = _guarded(Runtime.pause_agent, _OPERATE)
    resume_agent = _guarded(Runtime.resume_agent, _OPERATE)
    set_budget = _guarded(Runtime.set_budget, _OPERATE)
    recover = _guarded(Runtime.recover, _OPERATE)
    cancel_agent = _guarded(Runtime.cancel_agent, _OPERATE)
    resolve_doubt = _guarded(Runtime.resolve_doubt, _OPERATE)
    undo_compaction = _guarded(Runtime.undo_compaction, _OPERATE)
    sweep_ratifications = _guarded(Runtime.sweep_ratifications, _OPERATE)
    answer_help = _guarded(Runtime.answer_help, _OPERATE)
    decide_approval = _guarded(Runtime.decide_approval, _OPERATE)
    cancel_help = _guarded(Runtime.cancel_help, _OPERATE)
    store_artifact = _guarded(Runtime.store_artifact, _OPERATE)
    issue_token = _guarded(Runtime.issue_token, _OPERATE)
    revoke_token = _guarded(Runtime.revoke_token, _OPERATE)
    list_tokens = _guarded(Runtime.list_tokens, _OPERATE)


def _named(given: object, field: str = "from_agent_id") -> Sequence[object]:
    """The ids an argument names: its own, or those of the messages it is a list of."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        outgoing = (arguments.typed(one, Outgoing, "messages") for one in given)
        return [msgspec.structs.asdict(one)[field] for one in outgoing]
    return [given]
