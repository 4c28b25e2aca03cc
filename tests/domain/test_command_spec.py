"""What a command agent's program must be like."""

from typing import Any

import pytest

from fleetlog.domain.command_spec import CommandSpec
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.spec import check_agent
from fleetlog.domain.values import AgentSpec


def checked(command: CommandSpec | None, brain: str = "command") -> AgentSpec:
    return check_agent(AgentSpec(role="worker", prompt="work", brain=brain, command=command))


@pytest.mark.parametrize(
    "command",
    [
        CommandSpec(preset="claude"),
        CommandSpec(preset="codex", args=("--sandbox", "read-only"), env={"OPENAI_API_KEY": "${OPENAI_API_KEY}"}),
        CommandSpec(argv=("my-agent", "{prompt}"), resume=("my-agent", "--resume={session}"), stdin="none"),
        CommandSpec(argv=("x",), output="stream_json", timeout_s=1, idle_timeout_s=0.5, max_output_bytes=1),
    ],
)
def test_a_program_that_fits_is_taken_as_it_is(command: CommandSpec) -> None:
    assert checked(command).command == command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (None, "'command' is required for the brain 'command'"),
        (CommandSpec(), "exactly one of 'preset' and 'argv', got neither"),
        (CommandSpec(preset="claude", argv=("x",)), "exactly one of 'preset' and 'argv', got both"),
        (CommandSpec(preset="cursor"), "'command.preset' must be exactly one of claude | codex | opencode"),
        (CommandSpec(preset="claude", output="text"), "'command.output' is for an 'argv' of your own"),
        (CommandSpec(preset="claude", resume=("x",)), "'command.resume' is for an 'argv' of your own"),
        (CommandSpec(argv=("x",), args=("y",)), "'command.args' is for a 'preset'"),
        (CommandSpec(argv=(" ",)), "'command.argv' must begin with a program"),
        (CommandSpec(argv=("x", "\0")), "'command.argv' holds a NUL"),
        (CommandSpec(argv=("x",), resume=("x", "-r")), "a word with {session}"),
        (CommandSpec(argv=("x",), env={"A B": "c"}), "'command.env' must have a variable's name"),
        (CommandSpec(argv=("x",), env={"FLEETLOG_TOKEN": "c"}), "must leave FLEETLOG_TOKEN to the runtime"),
        (CommandSpec(argv=("x",), timeout_s=0), "'command.timeout_s' must be > 0"),
        (CommandSpec(argv=("x",), idle_timeout_s=-1), "'command.idle_timeout_s' must be > 0"),
        (CommandSpec(argv=("x",), max_output_bytes=0), "'command.max_output_bytes' must be >= 1"),
    ],
)
def test_a_program_that_does_not_fit_is_refused_by_name(command: CommandSpec | None, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        checked(command)
    assert words in str(refused.value)


def test_other_brains_take_no_program() -> None:
    given: dict[str, Any] = {"command": CommandSpec(preset="claude"), "brain": "external"}
    with pytest.raises(InvalidArgument, match="'command' is for the brain 'command', got the brain \"external\""):
        checked(**given)
