"""The calls a model asks for, made as steps: the mesh's by the agent's context, the belt's with permission.

Its rule: whatever goes wrong with a call is an answer to the agent, never its end; and a call that has ended is never
made again.
"""

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec

from fleetlog.domain.agent import StepRecord
from fleetlog.domain.errors import FleetlogError, ResultRejected, StepFailed
from fleetlog.domain.values import AgentSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.conversation import ANSWER, Conversation, ToolCall, tool_step
from fleetlog.runtime.brains.toolbelt import Toolbelt
from fleetlog.runtime.tools.tool import Tool, ToolOutput

__all__ = ["ToolCalls"]

logger = logging.getLogger("fleetlog.claude")

MAX_SUBJECT_BYTES = 32_768
MAX_RESULT_CHARS = 100_000


class ToolCalls:
    """Those of one run. What they record, the conversation folds."""

    def __init__(self, ctx: Context, talk: Conversation, belt: Toolbelt) -> None:
        self._ctx, self._talk, self._belt = ctx, talk, belt

    def make(self, call: ToolCall) -> None:
        """Make one call as a step. Whatever goes wrong is an answer to the agent."""
        if wrong := self._violations(call):
            self._answer(call, wrong, is_error=True)
            return
        special = _SPECIAL.get(call.name)
        try:
            if special is not None:
                special(self, call)
            else:
                self._use(call)
        except StepFailed:
            return  # it is recorded, and the fold tells the agent

    def redo(self, index: int, record: StepRecord, call: ToolCall) -> bool:
        """Make a call again that was cut off; False when its tool is gone."""
        tool = self._belt.find(call.name, call.input, approved=call.id in self._talk.approved)
        if tool is None:
            return False
        self._ctx.redo(index, record.name, record.effect, lambda: self._called(tool, call))
        return True

    def _violations(self, call: ToolCall) -> str:
        assert self._talk.briefing is not None
        schema = next((t.get("input_schema") for t in self._talk.briefing.tools if t["name"] == call.name), None)
        if schema is None:
            known = ", ".join(tool["name"] for tool in self._talk.briefing.tools)
            return f"There is no tool called {call.name}. Yours are: {known}."
        errors = jsonschema.Draft202012Validator(schema).iter_errors(call.input)
        said = [f"{error.json_path}: {error.message[:300]}" for error in list(errors)[:5]]
        if not said or call.name == "submit_result":  # a result that does not fit is judged, and counted, by the domain
            return ""
        return "The arguments do not fit the tool's schema: " + "; ".join(said)

    def _answer(self, call: ToolCall, text: str, *, is_error: bool = False) -> None:
        self._ctx.step(tool_step(call), "pure", dict, text=text, is_error=is_error)

    def _use(self, call: ToolCall) -> None:
        """A tool of the belt, if need be with a person's approval."""
        approved = call.id in self._talk.approved
        if not approved and self._belt.needs_approval(call.name, call.input):
            self._ctx.open_approval(call.name, self._subject(call), self._talk.text[-500:])
            return
        tool = self._belt.find(call.name, call.input, approved=approved)
        if tool is None:
            self._answer(call, f"The tool {call.name} is not available any more.", is_error=True)
            return
        self._ctx.step(tool_step(call), tool.effect, self._called, tool, call)

    def _subject(self, call: ToolCall) -> dict[str, Any]:
        """What a person is shown of a call: all of it, or the beginning of what is long and where the whole is."""
        subject = {"tool": call.name, "arguments": call.input}
        packed = msgspec.json.encode(subject)
        if len(packed) <= MAX_SUBJECT_BYTES:
            return subject
        shown = {name: part[:2_000] if isinstance(part, str) else part for name, part in call.input.items()}
        whole = self._ctx.tool_run.artifacts.put(packed).sha256
        return {"tool": call.name, "arguments": shown, "cut": f"the whole is artifact {whole}"}

    def _called(self, tool: Tool, call: ToolCall) -> dict[str, Any]:
        try:
            output = tool.call(self._ctx.tool_run, call.input)
        except FleetlogError as error:
            return {"text": str(error), "is_error": True}
        except Exception as error:
            logger.exception("action=tool_failed agent=%s tool=%s", self._ctx.agent_id, call.name)
            return {"text": f"The tool failed: {type(error).__name__}: {error}", "is_error": True}
        return self._kept(output)

    def _kept(self, output: ToolOutput) -> dict[str, Any]:
        text = output.text
        if len(text) > MAX_RESULT_CHARS:
            whole = self._ctx.tool_run.artifacts.put(text.encode()).sha256
            text = f"{text[:MAX_RESULT_CHARS]}\n... cut; the whole is artifact {whole}"
        return {"text": text, "is_error": output.is_error}

    def _send(self, call: ToolCall) -> None:
        given = call.input
        correlation_id = str(given.get("correlation_id") or "") or None
        self._ctx.send(given["to"], given["type"], given["text"], correlation_id, step_name=tool_step(call))

    def _broadcast(self, call: ToolCall) -> None:
        self._ctx.send("*", call.input["type"], call.input["text"], step_name=tool_step(call))

    def _alert(self, call: ToolCall) -> None:
        payload = msgspec.json.encode({"severity": call.input["severity"], "text": call.input["text"]}).decode()
        self._ctx.send(call.input.get("to", "*"), "alert", payload, step_name=tool_step(call))

    def _ask(self, call: ToolCall) -> None:
        self._ctx.send(call.input["to"], "question", call.input["question"], step_name=tool_step(call))

    def collect(self, call: ToolCall) -> None:
        """Wait for the answer to a question that has been sent."""
        question = self._ctx.message_id(self._talk.asked[call.id])
        name = f"{ANSWER} {call.input['to']} {call.id}"
        with contextlib.suppress(FleetlogError):  # a wait that was ended is recorded, and the fold tells the agent
            self._ctx.take(name, correlation_id=question, timeout_s=call.input.get("timeout_s"))

    def _wait(self, call: ToolCall) -> None:
        given = call.input
        self._ctx.take(tool_step(call), sender=given.get("from", ""), timeout_s=given.get("timeout_s"))

    def _peers(self, call: ToolCall) -> None:
        def listed() -> dict[str, Any]:
            members = [m for m in self._ctx.roster().members.values() if m.name != self._ctx.name]
            lines = [f"{m.name}: {m.role}" + (f" ({', '.join(m.skills)})" if m.skills else "") for m in members]
            return {"text": "\n".join(lines) or "You have no peers.", "is_error": False}

        self._ctx.step(tool_step(call), "pure", listed)

    def _attach(self, call: ToolCall) -> None:
        """The agent gets what this one has, so that nobody gains by it: its model, its grants."""
        given, own = call.input, self._ctx.spec
        spec = AgentSpec(
            role=given["role"],
            prompt=given["prompt"],
            name=given.get("name", ""),
            brain="claude",
            agent=given.get("agent", ""),
            model=own.model,
            skills=tuple(given.get("skills", ())),
            grants=own.grants,
        )
        self._ctx.attach_agent(spec, step_name=tool_step(call))

    def _route(self, call: ToolCall) -> None:
        self._ctx.route_work(call.input["description"], call.input.get("top_n", 3), step_name=tool_step(call))

    def _inbox(self, call: ToolCall) -> None:
        self._answer(call, "What has come is shown below; if nothing is, no message has come.")

    def _note(self, call: ToolCall) -> None:
        self._answer(call, "Noted.")

    def _notes(self, call: ToolCall) -> None:
        self._answer(call, "\n".join(f"- {note}" for note in self._talk.notes) or "There are no notes yet.")

    def _help(self, call: ToolCall) -> None:
        self._ctx.open_ticket(call.input["blocker"], call.input.get("attempted", ""))

    def _submit(self, call: ToolCall) -> None:
        if self._talk.is_submitted:
            self._answer(call, "Your result was recorded before, and stands.", is_error=True)
            return
        with contextlib.suppress(ResultRejected):  # recorded; the fold tells the agent why
            self._ctx.submit_result(call.input.get("result"))


_SPECIAL: dict[str, Callable[[ToolCalls, ToolCall], None]] = {
    "send_message": ToolCalls._send,
    "broadcast": ToolCalls._broadcast,
    "raise_alert": ToolCalls._alert,
    "ask_peer": ToolCalls._ask,
    "wait_for_messages": ToolCalls._wait,
    "list_peers": ToolCalls._peers,
    "attach_agent": ToolCalls._attach,
    "route_work": ToolCalls._route,
    "check_inbox": ToolCalls._inbox,
    "note": ToolCalls._note,
    "read_notes": ToolCalls._notes,
    "request_help": ToolCalls._help,
    "submit_result": ToolCalls._submit,
}
