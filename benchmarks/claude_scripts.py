"""What the fake Messages API answers in the benchmarks of Claude agents; it is loaded by the server's process."""

from tests.fakes.messages_api.replies import Reply, Script, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest

__all__ = ["SCRIPTS"]


def _notes(request: ParsedRequest) -> Reply:
    """`[script:notes N]`: N turns with a note each, then its last words."""
    if request.turn < int(request.args):
        return reply(tool_use("note", text=f"note {request.turn} {request.digest}"))
    return reply(text("done"))


def _endless(request: ParsedRequest) -> Reply:
    """A note each turn for ever; and a summary, when one is asked for."""
    if "summary of everything so far" in request.last_text:
        return reply(text(f"What was found so far. {request.digest}"))
    return reply(tool_use("note", text=f"{request.digest} {'a finding of some length, ' * 8}"))


SCRIPTS: dict[str, Script] = {"notes": _notes, "endless": _endless}
