"""The brain called `claude`: a model, its tools and its peers, in a loop that the log remembers.

Its rule: what comes next is derived from what is recorded, and what was done is recorded before anything follows from
it. A run folds the agent's steps into its conversation, makes the next deed as a step, folds that, and so on; killed
anywhere and called again, it goes on at the very place, and nothing that was paid for is paid for twice.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import msgspec

from fleetlog.domain.agent import StepRecord
from fleetlog.domain.errors import FleetlogError, GivenUp, ResultRejected, StepFailed, StepInDoubt
from fleetlog.domain.values import DoubtPolicy
from fleetlog.runtime.brains import compaction
from fleetlog.runtime.brains.briefing import first_message, system_prompt, workspace_prompt
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.conversation import (
    ANSWER,
    BRIEFING,
    COMPACT,
    MODEL_CALL,
    NUDGE,
    Briefing,
    Conversation,
    ToolCall,
    tool_step,
)
from fleetlog.runtime.brains.guard import Verdict
from fleetlog.runtime.brains.model_calls import ModelCalls
from fleetlog.runtime.brains.provider import ModelReply, TooLong
from fleetlog.runtime.brains.toolbelt import Surroundings, Toolbelt
from fleetlog.runtime.tools.tool import Tool, ToolOutput

__all__ = ["ClaudeBrain", "Words"]

logger = logging.getLogger("fleetlog.claude")

MAX_CUT_REPLIES = 4
MAX_SHORTENINGS = 5
MAX_SUBJECT_BYTES = 32_768
MAX_RESULT_CHARS = 100_000
FULL_SHARE = 0.8
"""Of the model's window: beyond it the conversation is compacted."""


_OPEN_QUESTIONS = (
    "Questions to you are still open: {ids}. What you write here is sent to nobody: answer with send_message (type "
    "'result', the question's id as correlation_id)."
)


class Words(msgspec.Struct, frozen=True):
    """What an agent definition gives: its prompt, and what it says of model and tools."""

    prompt: str = ""
    model: str = ""
    tools: tuple[str, ...] | None = None


class ClaudeBrain:
    """Drives any number of agents; holds no state of theirs."""

    def __init__(
        self,
        calls: ModelCalls,
        words: Callable[[str, str | None], Words],
        around: Callable[[Context], Surroundings],
    ) -> None:
        self.calls, self.words, self.around = calls, words, around

    def __call__(self, ctx: Context) -> None:
        """Go on where the agent is. Ends only by a wait, a stop or an error."""
        _Session(self, ctx).run()


class _Session:
    """One run."""

    def __init__(self, brain: ClaudeBrain, ctx: Context) -> None:
        self._calls, self._ctx = brain.calls, ctx
        self._words = brain.words(ctx.spec.agent, ctx.workspace)
        self._belt = Toolbelt(ctx.spec, ctx.workspace, self._words.tools, brain.around(ctx))
        self._talk = Conversation()
        self._is_too_long = self._was_shortened = False

    def run(self) -> None:
        self._fold()
        if self._talk.briefing is None:
            self._brief()
            self._fold()
        while True:
            self._advance()
            self._fold()

    # --- the loop ----------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make the next deed: one step, or a wait."""
        talk = self._talk
        if talk.tickets:
            ticket = next(iter(talk.tickets))
            self._ctx.take(f"answer to {ticket}", correlation_id=ticket)
        elif (call := talk.current) is not None:
            self._make(call)
        elif talk.unanswered:
            self._collect(talk.unanswered[0])
        elif not talk.is_at_rest and talk.stop_reason != "pause_turn" and self._ctx.take("receive", waits=False):
            return
        elif (verdict := talk.guard.verdict()) is not None:
            self._heed(verdict)
        elif talk.needs_reply:
            self._reply()
        else:
            self._conclude()

    def _fold(self) -> None:
        for index, record, value in self._ctx.recorded():
            if record.state == "doubted" and index == self._ctx.step_count - 1 and self._doubt(index, record):
                continue
            self._talk.apply(index, record, value)

    def _brief(self) -> None:
        """Say what the agent is and has: recorded, so that it is the same for ever."""
        self._ctx.step(BRIEFING, "pure", self._briefing)

    def _briefing(self) -> dict[str, Any]:
        ctx, belt = self._ctx, self._belt
        words = self._words.prompt or f"You are the {ctx.role} of a fleet of agents."
        system = system_prompt(words, ctx.name, ctx.goal, ctx.roster())
        if belt.files:
            system += workspace_prompt(belt.asks)
        model = self._calls.model_id(ctx.spec.model or self._words.model)
        first = first_message(ctx.prompt, ctx.item, ctx.results)
        briefing = Briefing(system, belt.definitions(), first, model, belt.verify())
        return dict(msgspec.to_builtins(briefing))

    # --- the model ---------------------------------------------------------------------------

    def _reply(self) -> None:
        talk = self._talk
        if talk.cut_replies >= MAX_CUT_REPLIES:
            raise GivenUp(f"{talk.cut_replies} replies in a row were cut off at their length limit")
        if self._is_full:
            self._compact()
            return
        request = self._request(talk.request_messages())
        try:
            self._calls.make(self._ctx, MODEL_CALL, request, self._prompt_bound(request))
        except TooLong as error:
            if self._was_shortened:
                raise GivenUp(f"the conversation does not fit the model's window: {error}") from error
            self._is_too_long = True
        else:
            self._was_shortened = False

    @property
    def _is_full(self) -> bool:
        talk = self._talk
        if talk.stop_reason == "pause_turn":
            return False
        window = self._calls.price(self._model).context_window
        limit = self._ctx.spec.compact_at_tokens or int(window * FULL_SHARE)
        return talk.too_long or self._is_too_long or talk.context_tokens + talk.input_tokens > limit

    @property
    def _model(self) -> str:
        assert self._talk.briefing is not None
        return self._talk.briefing.model

    def _request(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """A request with the markers of the prompt cache: behind the system prompt, and behind the last two user
        messages, so that each call reads what the one before it has written."""
        briefing, spec = self._talk.briefing, self._ctx.spec
        assert briefing is not None
        longest = self._calls.price(briefing.model).max_output
        wanted = (spec.max_tokens or self._calls.provider.settings.max_tokens) * 2**self._talk.cut_replies
        request: dict[str, Any] = {
            "model": briefing.model,
            "max_tokens": min(longest, wanted),
            "system": [{"type": "text", "text": briefing.system, "cache_control": {"type": "ephemeral"}}],
            "tools": briefing.tools,
            "messages": _marked(messages),
        }
        if spec.thinking is not None:
            request["thinking"] = spec.thinking
        if spec.effort:
            request["output_config"] = {"effort": spec.effort}
        return request

    def _prompt_bound(self, request: Mapping[str, Any]) -> int:
        """At most so many tokens: those the provider has counted, and a token for each byte that is new."""
        if self._talk.is_counted:
            return self._talk.context_tokens + len(msgspec.json.encode(self._talk.input))
        return len(msgspec.json.encode((request["system"], request["tools"], request["messages"])))

    def _compact(self) -> None:
        talk = self._talk
        messages = talk.request_messages()
        plan = compaction.plan(messages, talk.context_tokens)
        request = self._request(compaction.asking(messages))

        def keep(reply: ModelReply) -> dict[str, Any]:
            return compaction.recorded(plan, reply.content) | {"model": reply.model, "request_id": reply.request_id}

        try:
            self._calls.make(self._ctx, COMPACT, request, self._prompt_bound(request) + 1_000, keep)
        except TooLong:
            self._compact_in_short(messages, keep)
        self._is_too_long, self._was_shortened = False, True

    def _compact_in_short(self, messages: list[dict[str, Any]], keep: Callable[[ModelReply], dict[str, Any]]) -> None:
        """The conversation does not even fit with the request for its summary: ask with half of its text, or less."""
        room = len(msgspec.json.encode(messages))
        for _ in range(MAX_SHORTENINGS):
            room //= 2
            request = self._request(compaction.asking_in_short(messages, room))
            try:
                self._calls.make(self._ctx, COMPACT, request, len(msgspec.json.encode(request)), keep)
            except TooLong:
                continue
            return
        raise GivenUp("the conversation does not fit the model's window, and cannot be shortened enough")

    # --- tools -------------------------------------------------------------------------------

    def _make(self, call: ToolCall) -> None:
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

    def _collect(self, call: ToolCall) -> None:
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

    # --- doubts, nudges, the end -------------------------------------------------------------

    def _doubt(self, index: int, record: StepRecord) -> bool:
        """The last step is in doubt: what the spec says of its tool. True when it was made again."""
        name, _, call_id = record.name.partition(" ")
        policies: Mapping[str, DoubtPolicy] = self._ctx.spec.on_doubt or {}
        policy = policies.get(name, policies.get("*", "tell"))
        call = next((call for call in self._talk.calls if call.id == call_id), None)
        if policy == "ask":
            raise StepInDoubt(record.name, index)
        if policy == "tell" or call is None:
            return False
        tool = self._belt.find(call.name, call.input, approved=call.id in self._talk.approved)
        if tool is None:
            return False
        self._ctx.redo(index, record.name, record.effect, lambda: self._called(tool, call))
        return True

    def _heed(self, verdict: Verdict) -> None:
        """It looks stuck: tell it so once; then ask a person, and wait."""
        if verdict.deed == "nudge":
            self._ctx.step(NUDGE, "pure", dict, kind=verdict.kind, text=verdict.text)
        else:
            last = self._talk.text[-1_000:]
            self._ctx.open_ticket(f"{verdict.text} Its last words: {last or '(none)'}", "it was told so before")

    def _conclude(self) -> None:
        """The model has ended its turn and nothing is left to be said to it."""
        talk, ctx = self._talk, self._ctx
        if talk.stop_reason == "refusal":
            raise GivenUp(f"the model refused to go on: {talk.text[-500:] or 'it gave no reason'}")
        if talk.questions and not talk.was_reminded:
            ids = ", ".join(f"{sender} ({question})" for question, sender in talk.questions.items())
            ctx.step(NUDGE, "pure", dict, kind="questions", text=_OPEN_QUESTIONS.format(ids=ids))
        elif talk.questions and talk.is_submitted:
            question, sender = next(iter(talk.questions.items()))
            with contextlib.suppress(StepFailed):  # the asker has ended
                ctx.send(sender, "result", talk.text or "(no answer)", question, step_name=f"reply {question}")
        elif not talk.is_submitted:
            self._give_text_as_result()
        else:
            ctx.take("receive", types=("question", "request_help", "handoff"))

    def _give_text_as_result(self) -> None:
        """A turn that ends without submit_result: its last words are the result."""
        output: Any = self._talk.text
        if self._ctx.spec.result_schema is not None:
            with contextlib.suppress(ValueError):
                output = json.loads(_unfenced(self._talk.text))
        with contextlib.suppress(ResultRejected):  # recorded; the fold tells the agent why
            self._ctx.submit_result(output)


_SPECIAL: dict[str, Callable[[_Session, ToolCall], None]] = {
    "send_message": _Session._send,
    "broadcast": _Session._broadcast,
    "raise_alert": _Session._alert,
    "ask_peer": _Session._ask,
    "wait_for_messages": _Session._wait,
    "list_peers": _Session._peers,
    "check_inbox": _Session._inbox,
    "note": _Session._note,
    "read_notes": _Session._notes,
    "request_help": _Session._help,
    "submit_result": _Session._submit,
}


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with a cache marker behind the last two of the user's."""
    marked = list(messages)
    places = [place for place, message in enumerate(messages) if message["role"] == "user"][-2:]
    for place in places:
        *before, last = marked[place]["content"]
        marked[place] = {"role": "user", "content": [*before, {**last, "cache_control": {"type": "ephemeral"}}]}
    return marked


def _unfenced(text: str) -> str:
    """JSON out of a fenced block, if there is one."""
    _, fence, rest = text.partition("```")
    return rest.partition("```")[0].removeprefix("json") if fence else text
