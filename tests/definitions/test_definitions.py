"""Agent definitions: two dialects, broken files, and which of a name wins."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.definitions.catalog import Catalog
from fleetlog.runtime.definitions.definition import MAX_BYTES, OUR_TOOLS, AgentDefinition, parsed
from fleetlog.runtime.host import Runtime

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


@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%@,\n \t", max_size=120))
def test_no_head_makes_the_parser_raise(head: str) -> None:
    parsed(Path("a.md"), f"---\n{head}\n---\nDo.\n".encode(), "user")


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
        assert 1_000 < len(definition.prompt) < 6_000, name
        assert definition.skills


def test_the_page_about_definitions_lists_the_bundled_ones() -> None:
    page = (Path(__file__).parents[2] / "docs/agents.md").read_text()
    for name, definition in Catalog.load(None, NOWHERE).definitions.items():
        assert f"| `{name}` | {definition.description} |" in page


# --- the facade ----------------------------------------------------------------------------------


def test_a_fleet_may_name_only_definitions_that_are_there(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents", "a.md", HEAD)
    with Runtime.open("memory:") as runtime:
        assert "helper" in {found.name for found in runtime.definitions("helper", str(tmp_path)).agents}
        missing = AgentSpec(role="a", prompt="p", brain="claude", agent="hepler")
        with pytest.raises(NotFound, match="helper"):
            runtime.spawn_fleet(FleetSpec(agents=(missing,), workspace=str(tmp_path)))
        assert runtime.list_fleets().fleets == ()
