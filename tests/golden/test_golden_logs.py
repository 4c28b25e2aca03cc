"""A log of every released format decodes, chains and folds to what it meant, for ever."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.domain.events import STORED_NAMES
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.template import Template
from fleetlog.domain.values import Budget, Usage, Waiting
from fleetlog.runtime import audit, codec
from fleetlog.runtime.store import NewEvent, RecorderStore, open_store
from fleetlog.runtime.testing import folded

ONE_CALL = Usage(5, 6, 7, 8, 9, 1, 250_000_000)
LOGS = sorted(Path(__file__).parent.glob("format-*.jsonl"))


def stored(path: Path) -> RecorderStore:
    store = open_store(None)
    for line in path.read_text().splitlines():
        row = json.loads(line)
        state = base64.b64decode(row["state"])
        store.append([NewEvent(row["stream"], row["version"], row["topic"], state)])
    return store


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_golden_log_is_whole(path: Path) -> None:
    with stored(path) as store:
        assert audit.verify(store).findings == ()


def test_the_golden_log_of_this_format_has_every_event() -> None:
    rows = (LOGS[codec.FORMAT - 1]).read_text().splitlines()
    assert {json.loads(row)["topic"] for row in rows} == set(STORED_NAMES)


def test_format_1_folds_to_what_it_meant() -> None:
    with stored(LOGS[0]) as store:
        states: dict[str, Any] = folded(store)
    fleet = states["fleet-260101-120000-golden"]
    assert isinstance(fleet, Fleet)
    assert (fleet.status, fleet.timeout_s, fleet.archived) == ("complete", 7200.0, True)
    assert fleet.ended == {"a": "complete", "b": "failed", "late": "timed_out"}
    agent = states["agent-260101-120000-golden-a"]
    assert isinstance(agent, Agent)
    assert (agent.status, agent.returned, agent.attempt, agent.rejections) == ("complete", True, 1, 1)
    assert [step.state for step in agent.steps] == [*["completed"] * 7, "rejected", "completed"]
    assert codec.unpack(agent.steps[1].value) == 7
    assert agent.item == {"n": [1, 2.5, None, "ü"]}
    assert agent.deliveries == {
        "message-r": "acknowledged",
        "message-b": "acknowledged",
    }
    assert {id: ticket.status for id, ticket in agent.tickets.items()} == {"help-1": "answered"}
    failed = states["agent-260101-120000-golden-b"]
    assert (failed.status, failed.reasons, failed.open_questions) == ("failed", ("first", "second"), {})
    assert [states[f"fleet-260101-12000{n}-golden"].status for n in (1, 2, 3)] == [
        "failed",
        "cancelled",
        "timed_out",
    ]


def test_format_1_folds_to_its_templates() -> None:
    with stored(LOGS[0]) as store:
        template = folded(store)["template-golden"]
    assert isinstance(template, Template)
    assert (template.name, template.version, template.is_deleted) == ("golden", 2, True)


def test_format_1_folds_to_what_it_has_cost() -> None:
    with stored(LOGS[0]) as store:
        states: dict[str, Any] = folded(store)
    fleet, agent = states["fleet-260101-120005-golden"], states["agent-260101-120005-golden-s"]
    assert (fleet.purse.spent, fleet.purse.held, fleet.purse.reserved) == (ONE_CALL, Usage(), {})
    assert fleet.purse.budget == Budget(cost_nusd=2_000_000_000)
    assert (fleet.pause.reason, fleet.pause.kind) == ("lunch", "operator")
    lost = Usage(input_tokens=100, output_tokens=50, calls=1, cost_nusd=500_000_000)
    assert (agent.spent, agent.calls, agent.open_call, agent.pause) == (ONE_CALL.plus(lost), 3, None, None)
    assert (agent.budget, agent.started_uptime_s) == (Budget(turns=3, wall_s=60.0), 2.5)
    assert states["fleet-260101-120004-golden"].stuck.waiting[0] == Waiting("x", 3, "answer from y", "y")
    asking = states["agent-260101-120004-golden-x"]
    assert {id: ticket.status for id, ticket in asking.tickets.items()} == {
        "help-2": "answered",
        "help-3": "expired",
        "help-4": "cancelled",
    }
    assert (asking.tickets["help-2"].reminders, asking.tickets["help-2"].is_escalated) == (2, True)
    assert asking.tickets["help-3"].due_ms is None
    assert asking.steps[1].state == "abandoned"
