"""Agent definitions: two dialects, broken files, and which of a name wins."""

import asyncio
import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.aio import AsyncRuntime
from fleetlog.runtime.definitions.catalog import Catalog
from fleetlog.runtime.definitions.definition import MAX_BYTES, OUR_TOOLS, AgentDefinition, parsed
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.tools.mesh import mesh_definitions

NOWHERE = Path("/nonexistent")
READ_AND_RUN = ("list_files", "read_file", "search_files", "run_command")
HEAD = "---\nname: helper\ndescription: Helps.\n---\nDo help.\n"


def read(text: str | bytes, name: str = "file.md") -> AgentDefinition:
    content = text if isinstance(text, bytes) else text.encode()
    found, problems = parsed(Path(name), content, "project")
    assert found is not None, problems
    return found


def wrong(text: str | bytes) -> tuple[int, str]:
    content = text if isinstance(text, bytes) else text.encode()
    found, problems = parsed(Path("file.md"), content, "project")
    assert found is None
    assert [problem.severity for problem in problems] == ["error"]
    return problems[0].line, problems[0].message


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- the two dialects ----------------------------------------------------------------------------


def test_the_dialect_with_a_comma_string_is_read() -> None:
    found = read("---\nname: helper\ndescription: Helps.\ntools: Read, Grep, Bash(git *)\nmodel: sonnet\n---\n\nDo.\n")
    assert (found.name, found.description, found.prompt, found.model) == ("helper", "Helps.", "Do.", "sonnet")
    assert found.tools == ("read_file", "search_files", "run_command")


def test_the_dialect_with_a_map_takes_its_name_from_the_file() -> None:
    head = "description: Helps.\nmode: subagent\nmodel: anthropic/claude-opus-5\ntools:\n  write: false\n  bash: true\n"
    found = read(f"---\n{head}---\nDo.\n", "reviewer.md")
    assert (found.name, found.model, found.tools) == ("reviewer", "claude-opus-5", READ_AND_RUN)


@pytest.mark.parametrize(
    ("tools", "found"),
    [
        ("{write: false, edit: false, bash: false}", ("list_files", "read_file", "search_files")),
        ("{'*': false, read: true, webfetch: true}", ("read_file", "web_fetch")),
        ("{'*': true, bash: false}", ("list_files", "read_file", "search_files", "write_file", "edit_file")),
        ("'*'", ("list_files", "read_file", "search_files", "write_file", "edit_file", "run_command")),
        ("Bash(git diff *, git log *), Read", ("run_command", "read_file")),
        ("[Grep, Glob, LS, MultiEdit, WebSearch]", ("search_files", "list_files", "edit_file", "web_search")),
        ("mcp__tickets__find", ("mcp__tickets__find",)),
    ],
)
def test_tools_are_understood_in_every_form(tools: str, found: tuple[str, ...]) -> None:
    definition, problems = parsed(Path("a.md"), f"---\ndescription: b\ntools: {tools}\n---\nDo.\n".encode(), "user")
    assert definition is not None
    assert definition.tools == found
    assert problems == []


def test_values_stay_as_they_were_written() -> None:
    found = read("---\nname: no\ndescription: 0x10\nmodel: 1.10\nskills: [2001-01-01, yes]\n---\nDo.\n")
    assert (found.name, found.description, found.model, found.skills) == ("no", "0x10", "1.10", ("2001-01-01", "yes"))


def test_a_definition_that_is_switched_off_is_left_out_and_said_to_be() -> None:
    found, problems = parsed(Path("a.md"), b"---\ndescription: b\ndisable: true\n---\nDo.\n", "user")
    assert found is None
    assert [(problem.line, problem.severity) for problem in problems] == [(3, "warning")]


def test_tools_that_are_not_named_are_none_and_an_empty_list_is_empty() -> None:
    assert read(HEAD).tools is None
    assert read("---\nname: a\ndescription: b\ntools: []\n---\nDo.\n").tools == ()


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    assert read(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()).name == "helper"


def test_what_means_something_to_other_programs_is_passed_over_and_a_typo_is_reported() -> None:
    text = "---\nname: a\ncolor: red\ndescription: b\nmodle: sonnet\ntools: Read, Juggle\n---\nDo.\n"
    found, problems = parsed(Path("a.md"), text.encode(), "user")
    assert found is not None
    assert [(problem.line, problem.severity) for problem in problems] == [(5, "warning"), (6, "warning")]
    assert "did you mean 'model'?" in problems[0].message
    assert "Juggle" in problems[1].message


# --- broken files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "there is no head"),
        ("# Just Markdown\n", 1, "there is no head"),
        ("---\nname: a\ndescription: b\n", 4, "the head has no end"),
        ("---\n---\nDo.\n", 2, "the head is empty"),
        ("---\n- a\n- b\n---\nDo.\n", 2, "must be fields"),
        ("---\nname: a\ndescription: [b\n---\nDo.\n", 3, "not YAML"),
        ("---\nname: a\n\tdescription: b\n---\nDo.\n", 3, "not YAML"),
        ("---\nname: a\nname: b\ndescription: c\n---\nDo.\n", 3, "'name' is there twice (first in line 2)"),
        ("---\nname: &x a\ndescription: *x\n---\nDo.\n", 3, "aliases"),
        ("---\nname: a\ndescription: !!bool b\nmodel: !x c\n---\nDo.\n", 4, "tags (!name) are not read here"),
        ("---\nname: a\ndescription: !!python/name:os.system b\n---\nDo.\n", 3, "tags (!name) are not read here"),
        ("---\nname: a\ndescription: b\ntools:\n  bash: true\n  bash: false\n---\nDo.\n", 6, "'bash' is there twice"),
        ("---\nname: a\n? [b]\n: c\n---\nDo.\n", 3, "a field's name must be a word"),
        ('---\nname: a\ndescription: "\\ud800"\n---\nDo.\n', 3, "half a character"),
        ('---\nname: a\ndescription: "\\UFFFFFFFF"\n---\nDo.\n', 2, "not YAML"),
        ("---\nname: a\ndescription: \x07\n---\nDo.\n", 3, "control character"),
        ("---\nname: a\ndescription: 'b\u2028'\nmodel: [c]\n---\nDo.\n", 4, "'model' must be text, got a list"),
        ("---\ntools: " + "[" * 5_000 + "\n---\nDo.\n", 2, "nested too deeply"),
        ("---\nname: " + "a" * 33_000 + "\n---\nDo.\n", 1, "limit 32768"),
        ("---\nname: a\n---\nDo.\n", 2, "'description' is required"),
        ("---\nname: a/b\ndescription: c\n---\nDo.\n", 2, "'name' must be letters"),
        ("---\nname: [a]\ndescription: c\n---\nDo.\n", 2, "'name' must be text, got a list"),
        ("---\nname: a\ndescription: b\ntools: [[a]]\n---\nDo.\n", 4, "'tools' must be a list"),
        ("---\nname: a\ndescription: b\n---\n\n  \n", 5, "the body is empty"),
        (b"---\nname: a\ndescription: \xff\n---\nDo.\n", 3, "not UTF-8"),
        (b"---\n" + b"#" * MAX_BYTES, 1, "limit 262144"),
    ],
)
def test_a_broken_file_is_reported_with_its_line(text: str | bytes, line: int, said: str) -> None:
    at, message = wrong(text)
    assert said in message
    assert at == line


@given(st.binary(max_size=400))
def test_no_content_makes_the_parser_raise(content: bytes) -> None:
    parsed(Path("a.md"), content, "user")


HEADS = st.lists(
    st.sampled_from(
        [
            *("name", "description", "tools", "model", "skills", "disable", ": ", "- ", "? ", ", ", "\n", "\n  ", "\t"),
            *("[", "]", "{", "}", "&a ", "*a", "<<", "|", ">", "'", '"', "#", "%YAML 1.1", "---", "...", "~", "true"),
            *("!!bool ", "!!timestamp ", "!!int ", "!!set ", "!!binary ", "!x ", "!<x> ", "!!python/name:os.system "),
            *(
                "0x",
                "9" * 50,
                "1:2:3",
                "1e999",
                ".inf",
                "\\UFFFFFFFF",
                "\\ud800",
                "\\x00",
                "\x07",
                "\u2028",
                "\x85",
                "é",
                "x",
            ),
        ]
    )
).map("".join)


@given(HEADS | st.text())
@example("name: a\ndescription: 0x" + "f" * 9_000)
@example("name: !!timestamp x\ndescription: b")
def test_no_head_makes_the_parser_raise_and_what_is_said_can_be_written_down(head: str) -> None:
    content = f"---\n{head}\n---\nDo.\n".encode(errors="replace")
    found, problems = parsed(Path("a.md"), content, "user")
    msgspec.json.encode((found, problems))
    assert found is not None or problems
    assert all(1 <= problem.line <= content.decode().count("\n") + content.decode().count("\r") for problem in problems)


# --- the catalog ---------------------------------------------------------------------------------


def test_the_nearest_definition_wins(tmp_path: Path) -> None:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    put(home / ".config/fleetlog/agents", "d.md", HEAD.replace("Helps.", "from fleetlog's own"))
    put(home / ".claude/agents", "c.md", HEAD.replace("Helps.", "from home"))
    assert Catalog.load(workspace, home).find("helper").description == "from home"
    put(workspace / ".opencode/agents", "b.md", HEAD.replace("Helps.", "from opencode"))
    put(workspace / ".claude/agents/deeper", "a.md", HEAD.replace("Helps.", "from claude"))
    catalog = Catalog.load(workspace, home)
    assert catalog.find("helper").description == "from claude"
    assert [shadowed.description for shadowed in catalog.shadowed] == [
        "from opencode",
        "from home",
        "from fleetlog's own",
    ]


def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    folder = tmp_path / ".claude/agents"
    broken = put(folder, "a.md", "no head")
    put(folder, "b.md", HEAD)
    (folder / "c.md").symlink_to("/etc/hostname")
    (folder / "d.md").mkdir()
    catalog = Catalog.load(tmp_path, NOWHERE)
    assert catalog.find("helper").scope == "project"
    assert [(problem.path, problem.line) for problem in catalog.problems] == [
        (str(broken), 1),
        (str(folder / "c.md"), 1),
    ]


def test_links_are_followed_inside_the_workspace_and_the_users_folder_and_no_further(tmp_path: Path) -> None:
    workspace, home, elsewhere = tmp_path / "workspace", tmp_path / "home", tmp_path / "elsewhere"
    put(elsewhere, "a.md", HEAD.replace("helper", "stranger"))
    shared = put(workspace / "shared", "b.md", HEAD.replace("helper", "shared"))
    kept = put(home / "dotfiles", "c.md", HEAD.replace("helper", "kept"))
    (workspace / ".claude/agents").mkdir(parents=True)
    (workspace / ".claude/agents/b.md").symlink_to(shared)
    (workspace / ".claude/agents/round.md").symlink_to("round.md")
    (workspace / ".opencode").mkdir()
    (workspace / ".opencode/agents").symlink_to(elsewhere)
    (home / ".claude/agents").mkdir(parents=True)
    (home / ".claude/agents/c.md").symlink_to(kept)

    catalog = Catalog.load(workspace, home)

    assert {"shared", "kept"} <= set(catalog.definitions)
    assert "stranger" not in catalog.definitions
    assert [(Path(problem.path).name, problem.message.partition(":")[0]) for problem in catalog.problems] == [
        ("round.md", "the file cannot be read"),
        ("agents", "the folder is a link to a place outside"),
    ]


def test_a_large_file_is_not_read_whole_and_one_that_is_no_file_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / ".claude/agents"
    put(folder, "b.md", HEAD)
    with (folder / "large.md").open("wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(folder / "pipe.md")
    assert [problem.message for problem in Catalog.load(tmp_path, NOWHERE).problems] == [
        f"the file is too large (limit {MAX_BYTES} bytes)",
        "this is no ordinary file",
    ]


def test_a_file_whose_name_is_no_text_is_read_and_can_be_written_down(tmp_path: Path) -> None:
    folder = tmp_path / ".claude/agents"
    put(folder, os.fsdecode(b"\xff.md"), HEAD)
    found = Catalog.load(tmp_path, NOWHERE).find("helper")
    assert msgspec.json.decode(msgspec.json.encode(found))["path"] == f"{folder}/\\xff.md"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_reported(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents", "a.md", HEAD).chmod(0)
    put(tmp_path / ".opencode/agents", "b.md", HEAD).parent.chmod(0)
    try:
        messages = [problem.message for problem in Catalog.load(tmp_path, NOWHERE).problems]
    finally:
        (tmp_path / ".opencode/agents").chmod(0o700)
    assert [message.partition(":")[0] for message in messages] == [
        "the file cannot be read",
        "the folder cannot be read",
    ]


def test_the_users_configuration_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "config/fleetlog/agents", "a.md", HEAD)
    put(tmp_path / "config/opencode/agent", "b.md", HEAD)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    catalog = Catalog.load()
    assert catalog.find("helper").path == str(tmp_path / "config/opencode/agent/b.md")
    assert len(catalog.shadowed) == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.chdir(tmp_path)
    assert "helper" not in Catalog.load().definitions


def test_an_unknown_name_is_refused_with_those_near_it() -> None:
    with pytest.raises(NotFound, match="code-reviewer"):
        Catalog.load(None, NOWHERE).find("code-reviwer")


def test_a_search_finds_by_name_skill_and_description_best_first() -> None:
    catalog = Catalog.load(None, NOWHERE)
    assert catalog.search("database")[0].name == "database-responder"
    assert "debugger" in {found.name for found in catalog.search("root cause")}
    assert catalog.search("xyzzy") == []
    assert len(catalog.search("")) == len(catalog.definitions)


# --- the bundled set -----------------------------------------------------------------------------


def test_the_bundled_definitions_are_whole() -> None:
    catalog = Catalog.load(None, NOWHERE)
    assert len(catalog.definitions) >= 20
    assert catalog.problems == ()
    assert catalog.shadowed == []
    for name, definition in catalog.definitions.items():
        assert Path(definition.path).stem == name
        assert set(definition.tools or ()) <= OUR_TOOLS
        assert 30 <= len(definition.prompt.splitlines()) <= 80, name
        assert 1_500 < len(definition.prompt) < 8_000, name
        assert definition.skills


def test_a_bundled_definition_speaks_only_of_tools_its_agent_has() -> None:
    mesh = {tool["name"] for tool in mesh_definitions(None)}
    for name, definition in Catalog.load(None, NOWHERE).definitions.items():
        named = set(re.findall(r"`([a-z]+_[a-z_]+)`", definition.prompt)) & (OUR_TOOLS | mesh)
        named |= set(re.findall(r"\b(?:send_message|ask_peer|submit_result)\b", definition.prompt))
        assert named, name
        assert named <= {*(definition.tools or ()), *mesh}, name


def test_the_bundled_set_has_the_agents_people_ask_for() -> None:
    assert set(Catalog.load(None, NOWHERE).definitions) >= {
        *("codebase-explorer", "risk-finder", "refactor-planner", "frontend-developer", "backend-developer"),
        *("security-auditor", "code-reviewer", "test-triager", "debugger", "deep-researcher", "research-lead"),
        *("fact-checker", "synthesizer", "migrator", "test-writer", "verifier", "database-responder"),
        *("network-responder", "auth-responder", "incident-commander", "technical-writer", "performance-engineer"),
        *("api-designer", "data-analyst"),
    }


def test_the_page_about_definitions_lists_the_bundled_ones() -> None:
    page = (Path(__file__).parents[2] / "docs/agents.md").read_text()
    for name, definition in Catalog.load(None, NOWHERE).definitions.items():
        assert f"| `{name}` | {definition.description} |" in page


# --- the facade ----------------------------------------------------------------------------------


def test_the_facade_lists_the_definitions_of_a_workspace_and_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents", "a.md", HEAD)
    broken = put(tmp_path / ".claude/agents", "b.md", "no head")
    with Runtime.open("memory:") as runtime:
        found = runtime.definitions("helper", str(tmp_path))
        assert (found.count, [agent.name for agent in found.agents]) == (1, ["helper"])
        assert str(broken) in [problem.path for problem in found.problems]
        assert "helper" not in {agent.name for agent in runtime.definitions().agents}
        with pytest.raises(InvalidArgument, match="'workspace' must be a folder"):
            runtime.definitions(workspace=str(tmp_path / "nowhere"))


def test_the_facade_can_be_awaited(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents", "a.md", HEAD)

    async def found() -> tuple[AgentDefinition, ...]:
        async with AsyncRuntime.open("memory:") as runtime:
            return (await runtime.definitions("helper", str(tmp_path))).agents

    assert [agent.name for agent in asyncio.run(found())] == ["helper"]


def test_a_fleet_may_name_only_definitions_that_are_there(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents", "a.md", HEAD)
    with Runtime.open("memory:") as runtime:
        assert "helper" in {found.name for found in runtime.definitions("helper", str(tmp_path)).agents}
        missing = AgentSpec(role="a", prompt="p", brain="claude", agent="hepler")
        with pytest.raises(NotFound, match="helper"):
            runtime.spawn_fleet(FleetSpec(agents=(missing,), workspace=str(tmp_path)))
        assert runtime.list_fleets().fleets == ()
