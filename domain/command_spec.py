"""What a command agent runs: an agent's program, as its spec says it. Refuses what does not fit, naming the field."""

import re
from typing import Literal, get_args

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument

__all__ = ["OUTPUTS", "PRESETS", "CommandSpec", "OutputKind", "StdinKind", "check_command"]

OutputKind = Literal["text", "json", "last_line_json", "stream_json"]
StdinKind = Literal["prompt", "none"]

PRESETS = ("claude", "codex", "opencode")
OUTPUTS: tuple[str, ...] = get_args(OutputKind)
MAX_KEPT_BYTES = 1024**3

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class CommandSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A program that works as an agent: its prompt in, its result out, once for each piece of work.

    Either a `preset` (a known agent program, with further `args` for it), or `argv`: a program of one's own and its
    arguments, of which `resume` is another form that goes on with a session. In each of these words `{prompt}`,
    `{model}`, `{session}`, `{workspace}` and `{mcp_config}` (the path of an MCP configuration) are filled in. `stdin`
    says whether the prompt is written there. Values of `env` may hold `${VAR}`, taken from the runtime's environment
    when the program is started: the log has the name, never the secret.

    `output` is how the result is read: `text`, all of stdout; `json`, all of it as one value; `last_line_json`;
    `stream_json`, events in lines as the known programs write them, with text, session and usage. A run is ended
    after `timeout_s` seconds, or when it has written nothing for `idle_timeout_s` (None: never for that). Of its
    output `max_output_bytes` are kept, as an artifact.
    """

    preset: str = ""
    argv: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    stdin: StdinKind = "prompt"
    output: OutputKind | None = None
    env: dict[str, str] = {}
    timeout_s: float = 3_600.0
    idle_timeout_s: float | None = None
    max_output_bytes: int = 64 * 1024 * 1024


def check_command(at: str, brain: str, command: CommandSpec | None) -> None:
    """The program of an agent whose brain is `brain`: the brain `command` needs one, no other takes one."""
    if command is None:
        if brain == "command":
            raise InvalidArgument(
                f"'{at}' is required for the brain 'command': a preset ({', '.join(PRESETS)}), or an argv of your own"
            )
        return
    if brain != "command":
        raise InvalidArgument(f"'{at}' is for the brain 'command', got the brain {checks.shown(brain)}")
    if bool(command.preset) == bool(command.argv):
        has = "both" if command.preset else "neither"
        raise InvalidArgument(f"'{at}' must have exactly one of 'preset' and 'argv', got {has}")
    if command.preset:
        _check_preset(at, command)
    else:
        _check_own(at, command)
    _check_limits(at, command)


def _check_preset(at: str, command: CommandSpec) -> None:
    checks.choice(f"{at}.preset", command.preset, PRESETS)
    _check_words(f"{at}.args", command.args)
    fixed = (("resume", command.resume), ("output", command.output), ("stdin", command.stdin != "prompt"))
    for field, value in fixed:
        if value:
            raise InvalidArgument(f"'{at}.{field}' is for an 'argv' of your own; the preset has it already")


def _check_own(at: str, command: CommandSpec) -> None:
    if command.args:
        raise InvalidArgument(f"'{at}.args' is for a 'preset'; put the words into 'argv'")
    for field, words in (("argv", command.argv), ("resume", command.resume)):
        _check_words(f"{at}.{field}", words)
        if words and not words[0].strip():
            raise InvalidArgument(f"'{at}.{field}' must begin with a program, got {checks.shown(words[0])}")
    if command.resume and not any("{session}" in word for word in command.resume):
        raise InvalidArgument(f"'{at}.resume' must say where the session goes: a word with {{session}}")
    checks.choice(f"{at}.stdin", command.stdin, get_args(StdinKind))
    if command.output is not None:
        checks.choice(f"{at}.output", command.output, OUTPUTS)


def _check_words(field: str, words: tuple[str, ...]) -> None:
    for word in words:
        checks.text(field, word, max_chars=100_000)


def _check_limits(at: str, command: CommandSpec) -> None:
    for name, value in command.env.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise InvalidArgument(f"'{at}.env' must have a variable's name before each value, got {checks.shown(name)}")
        if name.startswith("FLEETLOG_"):
            raise InvalidArgument(f"'{at}.env' must leave {name} to the runtime, which sets it")
        checks.text(f"{at}.env.{name}", value, max_chars=100_000)
    checks.seconds(f"{at}.timeout_s", command.timeout_s)
    if command.idle_timeout_s is not None:
        checks.seconds(f"{at}.idle_timeout_s", command.idle_timeout_s)
    checks.integer(f"{at}.max_output_bytes", command.max_output_bytes, at_most=MAX_KEPT_BYTES)
