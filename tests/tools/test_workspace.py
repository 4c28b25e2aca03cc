"""The six tools as a model gets them."""

from pathlib import Path

import jsonschema
import pytest

from fleetlog.runtime.tools.workspace import WorkspacePolicy, workspace_tools

EFFECTS = {
    "list_files": "pure",
    "read_file": "pure",
    "search_files": "pure",
    "write_file": "effectful",
    "edit_file": "effectful",
    "run_command": "effectful",
}


def test_there_are_six_whatever_the_policy(root: Path) -> None:
    for policy in (WorkspacePolicy(), WorkspacePolicy(write=True, commands=("*",))):
        assert {tool.name: tool.effect for tool in workspace_tools(root, policy)} == EFFECTS


def test_each_has_a_closed_schema_and_every_argument_is_explained(root: Path) -> None:
    for tool in workspace_tools(root, WorkspacePolicy()):
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert all(argument["description"] for argument in tool.input_schema["properties"].values())


def test_what_has_an_effect_says_how_to_verify_it(root: Path) -> None:
    assert {tool.name: bool(tool.verify) for tool in workspace_tools(root, WorkspacePolicy())} == {
        name: effect == "effectful" for name, effect in EFFECTS.items()
    }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_file", {"path": "a", "offset": 0}),
        ("search_files", {}),
        ("edit_file", {"path": "a", "old": "", "new": "x"}),
        ("run_command", {"command": "ls -l"}),
        ("run_command", {"command": ["ls"], "timeout_s": 1e9}),
        ("run_command", {"command": ["ls"], "shell": True}),
    ],
)
def test_the_schemas_refuse_what_cannot_be_meant(root: Path, name: str, arguments: dict[str, object]) -> None:
    schema = next(tool.input_schema for tool in workspace_tools(root, WorkspacePolicy()) if tool.name == name)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(arguments, schema)
