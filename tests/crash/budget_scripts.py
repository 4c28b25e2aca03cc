"""What the agents of the budget test say: a long note a turn, so often, then a result."""

from tests.fakes.messages_api.replies import Reply, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest

TURNS = 12


def spend(request: ParsedRequest) -> Reply:
    """One turn of some hundred tokens."""
    if request.turn < TURNS:
        return reply(text("word " * 500), tool_use("note", text=f"finding {request.turn}"))
    return reply(tool_use("submit_result", result="done"))


SCRIPTS = {"spend": spend}
