"""What a policy grants, and what one approved call adds to it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.runtime.tools.workspace import WorkspacePolicy, allows, widened

CAREFUL = WorkspacePolicy(commands=("pytest", "git status", "python -m pytest", "./check"))


def runs(policy: WorkspacePolicy, *command: str, **more: Any) -> bool:
    return allows(policy, "run_command", {"command": list(command), **more})


@pytest.mark.parametrize("tool", ["list_files", "read_file", "search_files"])
def test_reading_is_always_granted(tool: str) -> None:
    assert allows(WorkspacePolicy(), tool, {"path": "a"})


@pytest.mark.parametrize("tool", ["write_file", "edit_file"])
def test_writing_is_granted_by_the_policy_alone(tool: str) -> None:
    assert not allows(WorkspacePolicy(), tool, {"path": "a"})
    assert allows(WorkspacePolicy(write=True), tool, {"path": "a"})


def test_another_tool_is_never_granted() -> None:
    assert not allows(WorkspacePolicy(write=True, commands=("*",)), "delete_everything", {})


def test_a_listed_program_may_have_any_arguments() -> None:
    assert runs(CAREFUL, "pytest")
    assert runs(CAREFUL, "pytest", "-q", "; rm -rf /")
    assert runs(CAREFUL, "git", "status", "--short")
    assert runs(CAREFUL, "python", "-m", "pytest", "tests")


@pytest.mark.parametrize(
    "command",
    [
        ["rm", "-rf", "."],
        ["git"],
        ["git", "push"],
        ["git", "-c", "core.pager=sh", "status"],
        ["git status"],
        ["git", "status;rm"],
        ["git", "status\nrm"],
        ["pytest;rm"],
        ["pytest "],
        [" pytest"],
        ["$(pytest)"],
        ["./pytest"],
        ["/tmp/pytest"],
        ["PYTEST"],
        ["sh", "-c", "pytest"],
        ["env", "pytest"],
        ["python", "-m", "pytest_evil"],
        ["python", "-mpytest"],
        [""],
        [],
    ],
)
def test_what_only_looks_like_a_listed_command_is_not_granted(command: list[str]) -> None:
    assert not runs(CAREFUL, *command)


@pytest.mark.parametrize("command", ["pytest", None, 7, ["pytest", 7], {"pytest": 1}])
def test_what_is_no_list_of_strings_is_not_granted(command: object) -> None:
    assert not allows(CAREFUL, "run_command", {"command": command})
    assert not allows(WorkspacePolicy(commands=("*",)), "run_command", {"command": command})


def test_a_program_of_the_workspace_is_granted_from_its_root_only() -> None:
    assert runs(CAREFUL, "./check")
    assert runs(CAREFUL, "./check", cwd=".")
    assert not runs(CAREFUL, "./check", cwd="vendor")


@pytest.mark.parametrize("entry", ["", "   "])
def test_an_empty_entry_grants_nothing(entry: str) -> None:
    assert not runs(WorkspacePolicy(commands=(entry,)), "anything")


def test_an_approved_call_is_granted_to_the_letter_and_nothing_else_is() -> None:
    call = {"command": ["rm", "old file.txt"], "cwd": "a"}
    policy = widened(CAREFUL, "run_command", call)
    assert allows(policy, "run_command", dict(reversed(call.items())))
    assert not allows(policy, "run_command", {**call, "cwd": "b"})
    assert not allows(policy, "run_command", {**call, "stdin": "y"})
    assert not allows(policy, "run_command", {**call, "command": ["rm", "old", "file.txt"]})
    assert not allows(policy, "write_file", call)
    assert not policy.write


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_only_the_listed_words_begin_a_granted_command(command: list[str]) -> None:
    assert runs(WorkspacePolicy(commands=("git status",)), *command) == (command[:2] == ["git", "status"])
