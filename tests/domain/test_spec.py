"""What a fleet spec must be like: what is refused, and in which words."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import spec as specs
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, FleetSpec, McpServerSpec
from tests.domain.given import FLEET, fleet_story, role, stored_and_read

LONE = "\ud800"
HUGE = 2**70


def refused(spec: FleetSpec, words: str, max_agents: int = specs.MAX_AGENTS) -> None:
    with pytest.raises(InvalidArgument, match=f"^{re.escape(words)}"):
        specs.check_fleet(spec, max_agents)


def test_a_checked_spec_has_every_name_filled_in() -> None:
    checked = specs.check_fleet(
        FleetSpec(agents=(AgentSpec(role="Risk Finder", prompt="look"), role("b", "risk-finder")))
    )
    assert [agent.name for agent in checked.agents] == ["risk-finder", "b"]
    assert specs.check_fleet(checked) == checked


@pytest.mark.parametrize(
    ("role_text", "name"),
    [
        ("explorer", "explorer"),
        ("Risk Finder", "risk-finder"),
        ("  C++ / Rust  ", "c-rust"),
        ("v2.0_beta", "v2.0_beta"),
        ("Ünïcode", "n-code"),
        ("-_.x._-", "x"),
        ("a" * 63 + " b", "a" * 63),
        ("x" * 200, "x" * 64),
        ("日本語", ""),
    ],
)
def test_a_role_as_a_name(role_text: str, name: str) -> None:
    assert specs.default_name(role_text) == name


@given(st.text())
@settings(deadline=None)
def test_a_role_makes_a_valid_name_or_none(role_text: str) -> None:
    found = specs.default_name(role_text)
    assert found == "" or checks.name("name", found) == found


def test_a_role_that_makes_no_name_needs_one_given() -> None:
    refused(FleetSpec(agents=(AgentSpec(role="日本語", prompt="p"),)), "'agents[0].name' must be 1 to 64")
    specs.check_fleet(FleetSpec(agents=(AgentSpec(role="日本語", prompt="p", name="reader"),)))


# --- sizes and numbers ---------------------------------------------------------------------------


def test_a_fleet_has_an_agent() -> None:
    refused(FleetSpec(agents=()), "'agents' must name at least one agent")
    refused(FleetSpec(agents=(role("a", each=()),)), "'agents' makes no agent: every 'each' is empty")


def test_a_fleet_has_no_more_agents_than_allowed() -> None:
    refused(
        FleetSpec(agents=(role("a", each=(1, 2)), role("b"))),
        "'agents' makes 3 agents in one call (limit 2)",
        2,
    )
    specs.check_fleet(FleetSpec(agents=(role("a", each=(1, 2)), role("b"))), 3)


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("name", 5, "'name' must be a string, got 5 (int)"),
        ("name", "x" * 201, "'name' has 201 characters (limit 200)"),
        ("name", "a\0b", "'name' holds a NUL or a lone surrogate"),
        ("name", LONE, "'name' holds a NUL or a lone surrogate"),
        ("goal", None, "'goal' must be a string, got None"),
        ("goal", LONE, "'goal' holds a NUL or a lone surrogate"),
        ("goal", "x" * 1_000_001, "'goal' has 1000001 characters (limit 1000000)"),
        ("workspace", b"/work", "'workspace' must be a string, got b'/work' (bytes)"),
        ("workspace", "x" * 4097, "'workspace' has 4097 characters (limit 4096)"),
        ("timeout_s", 0, "'timeout_s' must be > 0 seconds, got 0"),
        ("timeout_s", -1.5, "'timeout_s' must be > 0 seconds, got -1.5"),
        ("timeout_s", float("nan"), "'timeout_s' must be a finite number, got nan"),
        ("timeout_s", 10**400, "'timeout_s' must be a finite number, got 1000"),
        ("timeout_s", "60", "'timeout_s' must be a number of seconds, got \"60\""),
        ("timeout_s", True, "'timeout_s' must be a number of seconds, got True"),
        ("max_concurrency", 0, "'max_concurrency' must be >= 1, got 0"),
        ("max_concurrency", 1.5, "'max_concurrency' must be an integer, got 1.5 (float)"),
        ("max_concurrency", True, "'max_concurrency' must be an integer, got True"),
        ("max_concurrency", HUGE, "'max_concurrency' must be <= 9223372036854775807"),
    ],
)
def test_a_wrong_field_of_a_fleet_is_refused_by_its_name(field: str, wrong: Any, words: str) -> None:
    refused(msgspec.structs.replace(FleetSpec(agents=(role("a"),)), **{field: wrong}), words)


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("role", "", "'agents[1].role' must be a non-empty string, got \"\""),
        ("role", " \n", "'agents[1].role' must be a non-empty string, got ' \\n'"),
        ("role", 5, "'agents[1].role' must be a non-empty string, got 5 (int)"),
        ("role", "x" * 201, "'agents[1].role' has 201 characters (limit 200)"),
        ("role", "a" + LONE, "'agents[1].role' holds a NUL or a lone surrogate"),
        ("prompt", "", "'agents[1].prompt' must be a non-empty string"),
        ("prompt", None, "'agents[1].prompt' must be a non-empty string, got None"),
        ("prompt", "a\0b", "'agents[1].prompt' holds a NUL or a lone surrogate"),
        ("name", "Upper", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "a b", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "a\n", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "a\x1b[31m", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "é", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "-a", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "a.", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "*", "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", "x" * 65, "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("name", 5, "'agents[1].name' must be 1 to 64 lower-case letters"),
        ("brain", None, "'agents[1].brain' must be a string, got None"),
        ("brain", "x" * 201, "'agents[1].brain' has 201 characters (limit 200)"),
        ("max_attempts", 0, "'agents[1].max_attempts' must be >= 1, got 0"),
        ("max_attempts", "3", "'agents[1].max_attempts' must be an integer, got \"3\""),
        ("max_attempts", HUGE, "'agents[1].max_attempts' must be <= 9223372036854775807"),
        ("max_interruptions", 0, "'agents[1].max_interruptions' must be >= 1, got 0"),
        ("max_interruptions", True, "'agents[1].max_interruptions' must be an integer, got True"),
        ("max_rejections", -1, "'agents[1].max_rejections' must be >= 0, got -1"),
        ("skills", ("sql", ""), "'agents[1].skills' must be a non-empty string, got \"\""),
        ("skills", (3,), "'agents[1].skills' must be a non-empty string, got 3 (int)"),
        ("skills", ("x" * 201,), "'agents[1].skills' has 201 characters (limit 200)"),
        ("agent", LONE, "'agents[1]' cannot be stored: "),
        ("model", LONE, "'agents[1].model' holds a NUL or a lone surrogate"),
        ("tools", ("",), "'agents[1].tools' must be a non-empty string"),
        ("grants", ("sudo",), "'agents[1].grants' must be among write, run, network, unsandboxed or run:PROGRAM"),
        ("grants", ("run: ",), "'agents[1].grants' must be among"),
        ("on_doubt", {"*": "guess"}, "'agents[1].on_doubt' must be exactly one of"),
        ("effort", "huge", "'agents[1].effort' must be exactly one of"),
        ("max_tokens", 0, "'agents[1].max_tokens' must be >= 1"),
        ("compact_at_tokens", "many", "'agents[1].compact_at_tokens' must be an integer"),
        ("each", (LONE,), "'agents[1]' cannot be stored: "),
        ("each", (HUGE,), "'agents[1]' cannot be stored: "),
        ("each", (object(),), "'agents[1]' cannot be stored: "),
        ("result_schema", {"title": LONE}, "'agents[1]' cannot be stored: "),
        ("depends_on", ("x",), '\'depends_on\' of "b" names "x"; known are: a, b'),
        ("depends_on", ("b",), "'depends_on' is circular: b -> b"),
    ],
)
def test_a_wrong_field_of_an_agent_is_refused_by_its_place_and_name(field: str, wrong: Any, words: str) -> None:
    refused(FleetSpec(agents=(role("a"), msgspec.structs.replace(role("b"), **{field: wrong}))), words)


def test_what_cannot_be_stored_is_refused_before_anything_is_recorded() -> None:
    story = fleet_story(role("a"))
    story.refuses(c.AttachAgent(role("b", agent=LONE)), InvalidArgument, "'spec' cannot be stored: ")


def test_no_rejections_may_be_allowed() -> None:
    specs.check_fleet(FleetSpec(agents=(role("a", max_rejections=0),)))


# --- outside servers -----------------------------------------------------------------------------

STDIO = McpServerSpec(name="files", command=("files-server", "--root", ""), env={"KEY": "${KEY}"})
HTTP = McpServerSpec(name="tracker-2", url="https://x.example:8443/mcp?a=b", headers={"Authorization": "Bearer ${KEY}"})


def with_servers(*servers: McpServerSpec) -> FleetSpec:
    return FleetSpec(agents=(role("a", mcp_servers=servers),))


def test_an_agent_may_have_outside_servers() -> None:
    spec = with_servers(STDIO, HTTP)
    assert specs.check_fleet(spec) == spec
    spawn(spec)


def test_a_servers_name_is_unique_within_an_agent() -> None:
    refused(with_servers(STDIO, HTTP, STDIO), "'agents[0].mcp_servers' names \"files\" twice")


NAME_WORDS = "'agents[0].mcp_servers[1].name' must be 1 to 32 lower-case letters, digits, '-' or '_'"
URL_WORDS = "'agents[0].mcp_servers[1].url' must be http:// or https:// with a host"


@pytest.mark.parametrize(
    ("server", "field", "wrong", "words"),
    [
        *((STDIO, "name", wrong, NAME_WORDS) for wrong in ("", "A", "-a", "a.b", "a__b", "a_", "x" * 33, "a\n", 5)),
        (STDIO, "command", (), "'agents[0].mcp_servers[1]' must have exactly one of 'command' (stdio) and 'url' (HTT"),
        (STDIO, "url", "http://x", "'agents[0].mcp_servers[1]' must have exactly one of 'command' (stdio) and 'url'"),
        (STDIO, "command", ("",), "'agents[0].mcp_servers[1].command' must be a non-empty string, got \"\""),
        (STDIO, "command", ("a", "b\0"), "'agents[0].mcp_servers[1].command' holds a NUL or a lone surrogate"),
        (STDIO, "command", ("a", 5), "'agents[0].mcp_servers[1].command' must be a string, got 5 (int)"),
        (STDIO, "env", {"A=B": "c"}, "'agents[0].mcp_servers[1].env' must have a variable's name before each value"),
        (STDIO, "env", {"A": LONE}, "'agents[0].mcp_servers[1].env.A' holds a NUL or a lone surrogate"),
        (STDIO, "env", {"A": 5}, "'agents[0].mcp_servers[1].env.A' must be a string, got 5 (int)"),
        (STDIO, "headers", {"a": "b"}, "'agents[0].mcp_servers[1].headers' is for servers with a 'url'"),
        *(
            (HTTP, "url", wrong, URL_WORDS)
            for wrong in ("ftp://x", "http://", "x", "http://a b", "http://u:p@x", "http://x/#f", "http:///x")
        ),
        (HTTP, "headers", {"a b": "c"}, "'agents[0].mcp_servers[1].headers' must have a header's name before each"),
        (HTTP, "headers", {"a": "b\nc: d"}, "'agents[0].mcp_servers[1].headers.a' holds a line break or another"),
        (HTTP, "env", {"A": "b"}, "'agents[0].mcp_servers[1].env' is for servers with a 'command'"),
        (HTTP, "effects", {"": "pure"}, "'agents[0].mcp_servers[1].effects' must be a non-empty string, got \"\""),
        (HTTP, "effects", {"*": "safe"}, "'agents[0].mcp_servers[1].effects.*' must be exactly one of pure | idempo"),
        (HTTP, "tools", ("",), "'agents[0].mcp_servers[1].tools' must be a non-empty string, got \"\""),
        (HTTP, "timeout_s", 0, "'agents[0].mcp_servers[1].timeout_s' must be > 0 seconds, got 0"),
        (HTTP, "timeout_s", "60", "'agents[0].mcp_servers[1].timeout_s' must be a number of seconds, got \"60\""),
    ],
)
def test_a_wrong_field_of_a_server_is_refused_by_its_place_and_name(
    server: McpServerSpec, field: str, wrong: Any, words: str
) -> None:
    other = msgspec.structs.replace(STDIO, name="other")
    refused(with_servers(other, msgspec.structs.replace(server, **{field: wrong})), words)


# --- dependencies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "cycle"),
    [
        ((role("a", "a"),), "a -> a"),
        ((role("a", "b"), role("b", "a")), "a -> b -> a"),
        ((role("b", "a"), role("a", "b")), "a -> b -> a"),
        ((role("z"), role("c", "z", "a"), role("a", "b"), role("b", "c")), "a -> b -> c -> a"),
        ((role("top", "x"), role("x", "y"), role("y", "x"), role("low")), "x -> y -> x"),
        ((role("read", "edit", each=(1, 2)), role("edit", "read")), "edit -> read -> edit"),
    ],
)
def test_a_cycle_is_named_as_who_needs_whom(agents: tuple[AgentSpec, ...], cycle: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        specs.check_fleet(FleetSpec(agents=agents))
    assert str(caught.value) == f"'depends_on' is circular: {cycle}"


def ring(size: int) -> FleetSpec:
    return FleetSpec(agents=tuple(role(f"a{n:04}", f"a{(n + 1) % size:04}") for n in range(size)))


def test_a_long_cycle_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidArgument) as caught:
        specs.check_fleet(ring(500))
    assert str(caught.value).startswith("'depends_on' is circular: a0000 -> a0001 -> a0002 -> ")
    assert str(caught.value).endswith(" -> a0019 -> ...")


def test_a_dependency_on_a_name_that_is_not_there_names_what_is_known() -> None:
    refused(FleetSpec(agents=(role("b", "x"), role("a"))), '\'depends_on\' of "b" names "x"; known are: a, b')


def test_only_so_many_known_names_are_listed() -> None:
    agents = tuple(role(f"a{number:02}") for number in range(30))
    with pytest.raises(InvalidArgument) as caught:
        specs.check_fleet(FleetSpec(agents=(*agents, role("z", "x"))))
    assert str(caught.value).endswith(", a19")


def test_who_is_made_by_each_is_depended_on_by_the_name_of_all() -> None:
    refused(
        FleetSpec(agents=(role("read", each=(1,)), role("edit", "read-1"))),
        '\'depends_on\' of "edit" names "read-1"; known are: edit, read',
    )


# --- anything at all -----------------------------------------------------------------------------

words = st.text(st.characters(codec=None), max_size=6) | st.sampled_from(["a", "b", "a-1", "b-1"])
items: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
agent_specs = st.builds(
    AgentSpec,
    role=words,
    prompt=words,
    name=words,
    brain=words,
    agent=words,
    model=words,
    skills=st.lists(words, max_size=2).map(tuple),
    depends_on=st.lists(words, max_size=2).map(tuple),
    each=st.none() | st.lists(items, max_size=3).map(tuple),
    result_schema=st.none() | st.booleans() | st.dictionaries(words, items, max_size=2),
    max_attempts=st.integers(-1, 2**66),
    max_rejections=st.integers(-1, 5),
    max_interruptions=st.integers(-1, 5),
)
sane_agent_specs = st.builds(
    AgentSpec,
    role=st.just("r"),
    prompt=st.just("p"),
    name=st.sampled_from(["a", "b", "c", "a-1", "b-1"]),
    depends_on=st.lists(st.sampled_from(["a", "b", "c", "a-1"]), max_size=1).map(tuple),
    each=st.none() | st.lists(items, max_size=2).map(tuple),
)


@given(
    st.lists(agent_specs | sane_agent_specs, max_size=4).map(tuple),
    words,
    st.none() | st.floats(),
    st.none() | st.integers(),
)
@settings(deadline=None)
def test_any_spec_is_refused_as_an_argument_or_can_be_stored_and_read(
    agents: tuple[AgentSpec, ...], text: str, timeout_s: float | None, max_concurrency: int | None
) -> None:
    spec = FleetSpec(agents=agents, name=text, goal=text, workspace=text)
    spawn(msgspec.structs.replace(spec, timeout_s=timeout_s, max_concurrency=max_concurrency))


@given(st.lists(sane_agent_specs, min_size=1, max_size=4).map(tuple))
@settings(deadline=None)
def test_any_names_dependencies_and_items_are_refused_or_can_be_stored_and_read(
    agents: tuple[AgentSpec, ...],
) -> None:
    spawn(FleetSpec(agents=agents))


def spawn(spec: FleetSpec) -> None:
    story = fleet_story()
    try:
        story.when(c.SpawnFleet(spec))
    except InvalidArgument:
        return
    seats = specs.seats(specs.check_fleet(spec), FLEET)
    assert [seat.member for seat in seats] == list(story.state.members.values())
    for seat in seats:
        born = e.AgentSpawned(FLEET, seat.spec.name, seat.spec, item=seat.item)
        assert stored_and_read(born) == born
