"""What the rooms may import, and what about the stored events may never change."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import values as v
from fleetlog.domain.command_spec import CommandSpec

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("domain/**/*.py"), *ROOT.glob("projections/**/*.py")])
PURE = {"collections", "decimal", "difflib", "functools", "graphlib", "itertools", "math", "msgspec", "re", "typing"}
ROOMS = {"domain": {"fleetlog.domain"}, "projections": {"fleetlog.domain", "fleetlog.projections"}}
IMPURE_BUILTINS = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "getattr",
    "globals",
    "hash",
    "id",
    "input",
    "open",
    "print",
    "setattr",
    "vars",
}
ALLOWED_CALLS = {
    # integers of an argument's spec, by a fixed list of field names
    ("domain/spec.py", "getattr"),
}

# Everything below is stored in people's logs. A name is never taken away or given to something else; a field
# keeps its name, its place where it has one, and its default (what is left out of a log means the default of
# the day it was written). New fields go to the end, with a default.
STORED = {
    "agent.spawned": ["fleet_id", "name", "spec", "goal=''", "workspace=''", "item=None", "description=''"],
    "agent.started": ["uptime_s=None"],
    "agent.resumed": ["interruptions"],
    "agent.suspended": [
        "index",
        "name",
        "types=()",
        "sender=''",
        "correlation_id=''",
        "help_id=''",
        "doubt=False",
        "until_uptime_s=None",
    ],
    "agent.attempt_failed": ["attempt", "error", "retry_uptime_s"],
    "agent.completed": ["index", "output", "returned=False"],
    "agent.returned": ["error=''"],
    "agent.result_rejected": ["index", "reasons"],
    "agent.failed": ["reasons"],
    "agent.cancelled": ["reason=''"],
    "agent.timed_out": ["reason=''"],
    "agent.progress_reported": ["text", "fraction=None"],
    "step.started": ["index", "name"],
    "step.completed": ["index", "name", "effect", "value", "usage=None"],
    "step.failed": ["index", "name", "effect", "error_type", "error"],
    "step.doubted": ["index", "name"],
    "step.doubt_resolved": ["index", "outcome", "value=Stored(inline=b'', artifact=None)", "by=''"],
    "step.compaction_undone": ["index", "by=''"],
    "step.wait_timed_out": ["index", "name"],
    "call.started": ["index", "name", "number", "bound"],
    "call.released": ["index", "number"],
    "call.lost": ["index", "number", "counted"],
    "agent.paused": ["reason", "kind='operator'", "bound=None"],
    "agent.unpaused": [],
    "agent.budget_set": ["budget"],
    "step.wait_abandoned": ["index", "name", "reason"],
    "message.delivered": ["message"],
    "message.sent": ["index", "name", "message_id", "recipients", "correlation_id=''", "to_operator=''"],
    "message.seen": ["index", "name", "message_id", "acknowledged=False"],
    "message.acknowledged": ["message_id"],
    "help.requested": [
        "help_id",
        "blocker",
        "attempted=''",
        "deadline_ms=None",
        "index=-1",
        "kind='help'",
        "subject=''",
        "policy=None",
        "requested_ms=0",
    ],
    "help.answered": ["help_id", "answer", "by", "granted=None"],
    "help.reminded": ["help_id", "number"],
    "help.escalated": ["help_id", "to"],
    "help.expired": ["help_id"],
    "help.cancelled": ["help_id", "reason=''"],
    "step.noted": ["index", "note"],
    "lease.taken": ["lease_id", "client", "ttl_s", "since_ms"],
    "lease.lost": ["lease_id", "client", "reason=''"],
    "lease.released": ["lease_id", "client"],
    "message.receipt_given": ["message_id", "action", "note=''"],
    "agent.parked": [],
    "capability.registered": ["role", "skills", "model=''", "context_window=None"],
    "routing.outcome_recorded": ["capability_key", "success"],
    "fleet.spawned": ["spec", "members", "uptime_s"],
    "fleet.agent_attached": ["member"],
    "fleet.agents_admitted": ["names"],
    "fleet.agent_ended": ["name", "status", "returned=True"],
    "fleet.timeout_set": ["timeout_s"],
    "fleet.closed": ["reason=''"],
    "fleet.stuck": ["waiting", "total", "reason"],
    "fleet.completed": [],
    "fleet.failed": ["reason"],
    "fleet.cancelled": ["reason=''"],
    "fleet.timed_out": ["timeout_s"],
    "fleet.archived": ["reason=''"],
    "fleet.spend_reserved": ["name", "number", "bound"],
    "fleet.spend_settled": ["name", "number", "usage"],
    "fleet.spend_released": ["name", "number"],
    "fleet.paused": ["reason", "kind='operator'", "bound=None"],
    "fleet.resumed": [],
    "fleet.budget_set": ["budget"],
    "fleet.forked": ["forked_from", "at_ms", "uptime_s=None"],
    "gate.closed": ["model", "until_ms", "status", "reason=''"],
    "call.recorded": ["operation", "arguments_digest", "result"],
    "token.issued": ["scope", "digest", "agent_id=''", "label=''", "expires_ms=None"],
    "token.revoked": ["reason=''"],
    "token.forgery_refused": ["operation", "claimed", "at_ms"],
    "council.opened": [
        "fleet_id",
        "proposer",
        "subject",
        "quorum",
        "voters",
        "payload=''",
        "required_signoffs=()",
        "deadline_ms=None",
        "silence_policy='abstain'",
        "weights={}",
    ],
    "council.vote_cast": ["agent_id", "approve", "note=''"],
    "council.ratified": ["silent=()"],
    "council.rejected": ["reason"],
    "council.expired": ["reason"],
    "discussion.opened": [
        "fleet_id",
        "asker",
        "peer",
        "payload",
        "max_turns",
        "timeout_s",
        "turn_timeout_s",
        "opened_uptime_s",
    ],
    "discussion.turn_reserved": ["attempt_id", "agent_id", "head_message_id", "until_uptime_s"],
    "discussion.turn_replied": ["attempt_id", "message_id", "type", "payload"],
    "discussion.ended": ["status"],
    "template.saved": ["version", "spec", "description=''", "variables=()"],
    "template.deleted": ["reason=''"],
}
STORED_VALUES: dict[type[msgspec.Struct], list[str]] = {
    v.AgentSpec: [
        "role",
        "prompt",
        "name=''",
        "brain=''",
        "agent=''",
        "model=''",
        "skills=()",
        "depends_on=()",
        "each=None",
        "result_schema=None",
        "max_attempts=3",
        "max_rejections=3",
        "max_interruptions=50",
        "tools=None",
        "grants=()",
        "on_doubt=None",
        "max_tokens=None",
        "thinking=None",
        "effort=''",
        "compact_at_tokens=None",
        "mcp_servers=()",
        "help_policy=None",
        "budget=None",
        "command=None",
    ],
    CommandSpec: [
        "preset=''",
        "argv=()",
        "args=()",
        "resume=()",
        "stdin='prompt'",
        "output=None",
        "env={}",
        "timeout_s=3600.0",
        "idle_timeout_s=None",
        "max_output_bytes=67108864",
    ],
    v.McpServerSpec: [
        "name",
        "command=()",
        "env={}",
        "url=''",
        "headers={}",
        "effects={}",
        "tools=()",
        "timeout_s=60.0",
    ],
    v.FleetSpec: [
        "agents",
        "name=''",
        "goal=''",
        "workspace=''",
        "timeout_s=None",
        "max_concurrency=None",
        "keep_open=False",
        "help_policy=None",
        "budget=None",
    ],
    v.Budget: ["tokens=None", "cost_nusd=None", "turns=None", "wall_s=None"],
    v.Message: [
        "id",
        "sender",
        "type",
        "payload",
        "correlation_id=''",
        "broadcast_size=0",
        "declined=False",
    ],
    v.Member: ["name", "agent_id", "role", "depends_on=()", "skills=()"],
    v.HelpPolicy: ["remind_after_s=None", "escalate_after_s=None", "escalate_to=''", "expire_after_s=None"],
    v.TemplateVariable: ["name", "description=''", "default=None"],
    v.Waiting: ["name", "index", "what", "on=''"],
    v.Usage: [
        "input_tokens=0",
        "output_tokens=0",
        "cache_read_tokens=0",
        "cache_write_tokens=0",
        "cache_write_1h_tokens=0",
        "calls=0",
        "cost_nusd=0",
    ],
    v.Stored: ["inline=b''", "artifact=None"],
    v.Artifact: ["sha256", "size_bytes", "preview"],
}
REQUIRED = {name: [field for field in fields if "=" not in field] for name, fields in STORED.items()}


# --- the rooms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_room_imports_no_clock_no_id_maker_and_no_io(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    foreign = [
        name
        for name in imported(path)
        if name.partition(".")[0] not in PURE and ".".join(name.split(".")[:2]) not in ROOMS[room]
    ]
    assert not foreign


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_room_calls_nothing_that_reads_writes_or_differs_between_processes(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert {(place, name) for name in called & IMPURE_BUILTINS} <= ALLOWED_CALLS


def test_both_rooms_were_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == {"domain", "projections"}
    assert len(MODULES) > 12


def imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            names.append(node.module or "")
    return names


# --- the stored format ---------------------------------------------------------------------------


def fields_of(struct: type[msgspec.Struct]) -> list[str]:
    """The fields in their stored order, with the defaults that stand for what is left out."""
    shown = []
    for field in msgspec.structs.fields(struct):
        assert field.default_factory in (msgspec.NODEFAULT, dict)
        default = {} if field.default_factory is dict else field.default
        shown.append(field.encode_name + ("" if default is msgspec.NODEFAULT else f"={default!r}"))
    return shown


def structs_in(module: Any, base: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    return {
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, base)
        and found is not base
        and found.__module__.startswith(module.__name__)
    }


def test_every_event_class_is_among_all_events() -> None:
    assert structs_in(e, e.Fact) == set(e.ALL_EVENTS)
    assert len(e.ALL_EVENTS) == len(set(e.ALL_EVENTS))


def test_the_unions_hold_every_event_once() -> None:
    assert (
        *e.AgentEvent.__args__,
        *e.FleetEvent.__args__,
        e.GateClosed,
        e.CallRecorded,
        *e.TokenEvent.__args__,
        *e.CouncilEvent.__args__,
        *e.DiscussionEvent.__args__,
        *e.TemplateEvent.__args__,
    ) == e.ALL_EVENTS
    assert set(e.Event.__args__) == set(e.ALL_EVENTS)


def test_the_stored_names_are_these_for_ever() -> None:
    assert [e.stored_name(event) for event in e.ALL_EVENTS] == list(STORED)
    assert list(e.STORED_NAMES) == list(STORED)
    assert [e.STORED_NAMES[name] for name in STORED] == list(e.ALL_EVENTS)


@pytest.mark.parametrize("name", STORED)
def test_an_event_keeps_its_fields_and_their_defaults(name: str) -> None:
    assert fields_of(e.STORED_NAMES[name]) == STORED[name]


@pytest.mark.parametrize("name", STORED)
def test_only_the_fields_of_the_first_release_are_required(name: str) -> None:
    required = [field.encode_name for field in msgspec.structs.fields(e.STORED_NAMES[name]) if field.required]
    assert required == REQUIRED[name]


@pytest.mark.parametrize("value", STORED_VALUES, ids=lambda value: value.__name__)
def test_a_value_inside_events_keeps_its_fields_and_their_defaults(value: type[msgspec.Struct]) -> None:
    assert fields_of(value) == STORED_VALUES[value]


def test_every_value_inside_events_is_listed() -> None:
    assert structs_in(v, msgspec.Struct) - {v.Now} | {CommandSpec} == set(STORED_VALUES)


@pytest.mark.parametrize("event", e.ALL_EVENTS, ids=e.stored_name)
def test_an_event_is_frozen_tagged_and_takes_unknown_fields_from_the_future(event: Any) -> None:
    config = event.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert config.tag_field == "is"
    assert not config.forbid_unknown_fields
    assert not config.array_like


def test_the_words_inside_events_are_never_taken_away() -> None:
    assert v.MESSAGE_TYPES == ("handoff", "question", "result", "alert", "request_help")
    assert v.EFFECTS == ("pure", "idempotent", "effectful")
    assert frozenset({"complete", "failed", "timed_out", "cancelled"}) == v.AGENT_ENDED == v.FLEET_ENDED


def test_commands_and_values_are_frozen() -> None:
    frozen = structs_in(c, c.Command) | structs_in(v, msgspec.Struct)
    assert all(struct.__struct_config__.frozen for struct in frozen)
    assert structs_in(c, c.Command) == {
        *c.AgentCommand.__args__,
        *c.FleetCommand.__args__,
        *c.TokenCommand.__args__,
        *c.CouncilCommand.__args__,
        *c.DiscussionCommand.__args__,
        *c.TemplateCommand.__args__,
    }
