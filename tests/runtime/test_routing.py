"""Routing through the facade: who is found for what, why, and how outcomes weigh."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound, Refused
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SpawnReply
from fleetlog.runtime.testing import wait_until

OpenRuntime = Callable[..., Runtime]


def agent(role: str, prompt: str = "do what is asked", *skills: str, **more: Any) -> AgentSpec:
    return AgentSpec(role=role, prompt=prompt, skills=skills, **more)


def team(runtime: Runtime, *agents: AgentSpec, **more: Any) -> SpawnReply:
    """A fleet of mailboxes, once all of them have started: then nothing follows any more by itself."""
    fleet = runtime.spawn_fleet(FleetSpec(agents=agents, **more))
    wait_until(runtime, fleet.fleet_id, lambda status: all(agent.status == "running" for agent in status.agents))
    return fleet


def office(runtime: Runtime) -> SpawnReply:
    return team(
        runtime,
        agent("security reviewer", "Look for vulnerabilities.", "audit", "threat models"),
        agent("database expert", "Write fast queries.", "sql"),
        agent("writer", "Write what people read."),
    )


def names(runtime: Runtime, description: str, top_n: int = 9, **more: Any) -> list[str]:
    matches = runtime.route_work(description, top_n, **more).matches
    return [match.agent_id.split("-", 4)[4] for match in matches]


# --- who is found --------------------------------------------------------------------------------


def test_the_best_agent_is_found_with_a_reason(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = office(runtime)
    reply = runtime.route_work("audit the login for vulnerabilities")
    (match,) = reply.matches
    assert (match.agent_id, match.fleet_id, match.role) == (fleet.agent_ids[0], fleet.fleet_id, "security reviewer")
    assert match.score == 1.0
    assert match.why == (
        'matches "security" in its role, "audit" in its skills and "vulnerabilities" in its prompt; '
        "no outcomes are recorded yet"
    )
    assert reply.note == ""


def test_endings_and_synonyms_do_not_matter(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    office(runtime)
    assert names(runtime, "auditing") == ["security-reviewer"]
    assert names(runtime, "our postgres is wrong") == ["database-expert"]
    assert runtime.route_work("postgres").matches[0].why.startswith('matches by synonyms: "database" in its role')


def test_a_word_in_the_role_counts_more_than_one_in_the_prompt(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    team(runtime, agent("cook", "Wine."), agent("wine expert", "x"), agent("c", "x", "wine"))
    assert names(runtime, "choose a wine") == ["wine-expert", "c", "cook"]


def test_equal_scores_are_in_the_order_of_the_ids(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    team(runtime, *(agent("tester", name=name) for name in ("c", "a", "b")))
    assert names(runtime, "a tester") == ["a", "b", "c"]
    assert len({match.score for match in runtime.route_work("tester", 3).matches}) == 1


def test_a_description_nobody_fits_gives_an_empty_list_that_says_so(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    assert runtime.route_work("bake bread").note.startswith("No match: no agent of the fleets that run has any")
    office(runtime)
    reply = runtime.route_work("bake bread")
    assert reply.matches == ()
    assert reply.note.endswith("in what it is and can do: bake, bread")
    assert runtime.route_work("the, and?").note == "No match: the description has no word that says what is to be done"


def test_only_agents_that_may_still_work_are_found(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = team(runtime, *(agent("tester", name=name) for name in "abc"))
    other = team(runtime, agent("tester", name="d"))
    assert names(runtime, "test") == ["a", "b", "c", "d"]
    assert names(runtime, "test", fleet_id=fleet.fleet_id) == ["a", "b", "c"]
    runtime.submit_result(fleet.agent_ids[0], "done")
    assert names(runtime, "test") == ["b", "c", "d"]
    runtime.pause_agent(fleet.agent_ids[1])
    assert names(runtime, "test") == ["c", "d"]
    runtime.pause_fleet(fleet.fleet_id)
    assert names(runtime, "test") == ["d"]
    assert runtime.route_work("test", fleet_id=fleet.fleet_id).note == f"Fleet {fleet.fleet_id} is paused, not running"
    runtime.cancel_fleet(other.fleet_id)
    assert names(runtime, "test") == []
    runtime.resume_fleet(fleet.fleet_id)
    runtime.resume_agent(fleet.agent_ids[1])
    assert names(runtime, "test") == ["b", "c"]


def test_an_agent_definition_says_what_its_agent_is_for(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = team(runtime, agent("one", agent="security-auditor"), agent("two", agent="technical-writer"))
    runtime.attach_agent(fleet.fleet_id, agent("three", agent="incident-commander"))
    (match,) = runtime.route_work("find the weaknesses of an attacker's choice").matches
    assert match.role == "one"
    assert "in its description" in match.why
    assert names(runtime, "command the incident")[0] == "three"


def test_an_agent_name_that_means_something_to_another_brain_is_no_error(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    team(runtime, agent("one", agent="no-such-definition"))
    assert names(runtime, "one") == []
    assert names(runtime, "do what was asked") == ["one"]


# --- capabilities --------------------------------------------------------------------------------


def test_a_registration_replaces_role_and_skills_and_the_last_one_counts(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = office(runtime)
    writer = fleet.agent_ids[2]
    runtime.register_capability(writer, fleet.fleet_id, "baker", ["bread"], model="m", context_window=9)
    assert names(runtime, "bake bread") == ["writer"]
    assert runtime.route_work("bread").matches[0].role == "baker"
    runtime.register_capability(writer, fleet.fleet_id, "cook", ["soup"])
    assert names(runtime, "bread") == []
    assert names(runtime, "soup") == ["writer"]
    assert names(runtime, "what people read") == ["writer"]


def test_a_registration_is_made_once_for_its_key(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = office(runtime)
    given = (fleet.agent_ids[0], fleet.fleet_id, "baker", ["bread"])
    first = runtime.register_capability(*given, idempotency_key="k")
    before = runtime.verify_ledger().events
    assert replace(runtime.register_capability(*given, idempotency_key="k"), position=first.position) == first
    outcome = runtime.record_routing_outcome(fleet.agent_ids[0], "bread", True, idempotency_key="o")
    again = runtime.record_routing_outcome(fleet.agent_ids[0], "bread", True, idempotency_key="o")
    assert replace(again, position=outcome.position) == outcome
    assert (outcome.capability_key, outcome.success) == ("bread", True)
    assert runtime.verify_ledger().events == before + 2


def test_what_is_no_registration_or_outcome_is_refused_and_nothing_is_recorded(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet, other = office(runtime), office(runtime)
    a = fleet.agent_ids[0]
    runtime.submit_result(fleet.agent_ids[1], "done")
    wait_until(
        runtime,
        fleet.fleet_id,
        lambda _: "fleet.agent_ended" in {entry.what for entry in runtime.timeline(fleet.fleet_id)},
    )
    before = runtime.verify_ledger().events
    refused: list[tuple[type[Refused], str, Callable[[], object]]] = [
        (NotFound, "No such agent in fleet", lambda: runtime.register_capability(a, other.fleet_id, "r", [])),
        (NotFound, "No such agent: x", lambda: runtime.register_capability("x", fleet.fleet_id, "r", [])),
        (NotFound, "No such agent: ", lambda: runtime.register_capability(f"{a}x", fleet.fleet_id, "r", [])),
        (InvalidArgument, "ARRAY of strings", lambda: runtime.register_capability(a, fleet.fleet_id, "r", "sql")),
        (InvalidArgument, "'role'", lambda: runtime.register_capability(a, fleet.fleet_id, "", [])),
        (NotAllowed, "complete", lambda: runtime.register_capability(fleet.agent_ids[1], fleet.fleet_id, "r", [])),
        (NotFound, "No such agent: ", lambda: runtime.record_routing_outcome(f"{a}x", "k", True)),
        (InvalidArgument, "'success'", lambda: runtime.record_routing_outcome(a, "k", "true")),  # type: ignore[arg-type]
        (InvalidArgument, "'description'", lambda: runtime.route_work(" ")),
        (InvalidArgument, "'top_n' must be >= 1, got 0", lambda: runtime.route_work("x", 0)),
        (NotFound, "Fleet x not found", lambda: runtime.route_work("x", fleet_id="x")),
    ]
    for error, said, call in refused:
        with pytest.raises(error, match=said):
            call()
    assert runtime.verify_ledger().events == before


# --- outcomes ------------------------------------------------------------------------------------


def test_outcomes_of_such_work_change_the_order_and_are_told(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = team(runtime, agent("tester", name="a"), agent("tester", name="b"))
    a, b = fleet.agent_ids
    runtime.record_routing_outcome(a, "Test  Writing", False)
    runtime.record_routing_outcome(b, "test writing", True)
    best, second = runtime.route_work("write tests", 2).matches
    assert (best.agent_id, second.agent_id) == (b, a)
    assert "1 of its 1 recorded outcomes in such work went well, 0 of 1 by others in its role" in best.why
    assert "0 of its 1 recorded outcomes in such work went well, 1 of 1 by others in its role" in second.why
    assert best.score > second.score


def test_outcomes_of_other_work_do_not_count(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = team(runtime, agent("tester", name="a"), agent("tester", name="b"))
    runtime.record_routing_outcome(fleet.agent_ids[0], "cooking", False)
    assert names(runtime, "write tests") == ["a", "b"]


def test_a_new_agent_is_judged_by_what_others_in_its_role_have_shown(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    first = team(runtime, agent("flaky-test hunter", name="a"), agent("test fixer", name="b"))
    for _ in range(5):
        runtime.record_routing_outcome(first.agent_ids[0], "flaky tests", False)
        runtime.record_routing_outcome(first.agent_ids[1], "tests", True)
    runtime.cancel_fleet(first.fleet_id)
    runtime.close()
    again = open_runtime()
    again.record_routing_outcome(first.agent_ids[1], "tests", True)
    team(again, agent("flaky-test hunter", name="a"), agent("Test Fixer", name="b"))
    best, second = again.route_work("tests", 2).matches
    assert best.why.endswith("no outcomes of its own are recorded yet, 6 of 6 by others in its role went well")
    assert second.why.endswith("0 of 5 by others in its role went well")


# --- any text ------------------------------------------------------------------------------------

NASTY = st.sampled_from([*"'*^()\":-+{}", "NEAR(", " AND ", " OR ", " NOT ", "role:", '"" '])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
DESCRIPTIONS = st.lists(TEXT | NASTY | st.just("test"), min_size=1, max_size=30).map("".join).filter(str.strip)


@pytest.fixture
def staffed(open_runtime: OpenRuntime) -> Runtime:
    runtime = open_runtime()
    office(runtime)
    team(runtime, agent("tester"))
    return runtime


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(description=DESCRIPTIONS, top_n=st.integers(1, 5))
def test_any_text_is_a_description(staffed: Runtime, description: str, top_n: int) -> None:
    reply = staffed.route_work(description, top_n)
    assert len(reply.matches) <= top_n
    assert bool(reply.matches) != bool(reply.note)
    assert staffed.route_work(description, top_n) == reply
    assert all(0 < match.score <= 1.5 for match in reply.matches)


def test_a_very_long_description_is_one_too(staffed: Runtime) -> None:
    assert names(staffed, "test " + "word " * 100_000)[0] == "tester"
    assert names(staffed, " ".join(f"word{n}" for n in range(5_000))) == []


# --- synonyms ------------------------------------------------------------------------------------


def test_the_directory_may_add_synonyms_and_a_change_counts_at_once(open_runtime: OpenRuntime, tmp_path: Any) -> None:
    runtime = open_runtime()
    office(runtime)
    assert names(runtime, "the frobnicator") == []
    (tmp_path / "d" / "synonyms.toml").write_text('groups = [["frobnicator", "threat model"]]\n')
    assert names(runtime, "the frobnicators") == ["security-reviewer"]
    assert names(runtime, "postgres") == ["database-expert"]
    (tmp_path / "d" / "synonyms.toml").write_text('replace = true\nignore = ["sql"]\n')
    assert names(runtime, "postgres") == []
    assert names(runtime, "sql") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("groups = [", "is not TOML"),
        ("group = []", "'group' is not known; did you mean 'groups'?"),
        ('groups = ["a"]', "'groups[0]' must be an array of words"),
        ("ignore = [1]", "'ignore' must be an array of words"),
        ('groups = [["a b c d", "e"]]', 'has "a b c d"; at most 3 words'),
        ("replace = 1", "'replace' must be true or false"),
    ],
)
def test_synonyms_that_cannot_be_understood_are_named(
    open_runtime: OpenRuntime, tmp_path: Any, content: str, said: str
) -> None:
    runtime = open_runtime()
    (tmp_path / "d" / "synonyms.toml").write_text(content)
    with pytest.raises(InvalidArgument) as caught:
        runtime.route_work("x")
    assert said in str(caught.value)
    assert "synonyms.toml" in str(caught.value)
