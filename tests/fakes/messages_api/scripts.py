"""Scripts that are always there."""

from tests.fakes.messages_api.replies import Block, Reply, Script, reply, text
from tests.fakes.messages_api.request import DEFAULT_SCRIPT, ParsedRequest

__all__ = ["by_turn", "standard_scripts"]


def standard_scripts() -> dict[str, Script]:
    """By name: `default` says back what it was told, `long` writes as many words as `[script:long N]` says."""
    return {DEFAULT_SCRIPT: _echo, "long": _long}


def by_turn(*steps: Reply | Block | Script) -> Script:
    """A script that takes the next step in every turn, and stays with the last one."""

    def script(request: ParsedRequest) -> Reply | Block:
        step = steps[min(request.turn, len(steps) - 1)]
        return step if isinstance(step, Reply | dict) else step(request)

    return script


def _echo(request: ParsedRequest) -> Reply:
    if request.results:
        return reply(text("I was given: " + ", ".join(f"{r.name}: {r.text[:100]}" for r in request.results)))
    return reply(text(f"You said: {request.last_text[:200]}"))


def _long(request: ParsedRequest) -> Reply:
    return reply(text("word " * int(request.args or 1_000)))
