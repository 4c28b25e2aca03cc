"""A Claude agent's conversation: the fold of its recorded steps, and what comes next after them.

Its rule: nothing here calls, waits or records. The same steps give the same conversation and the same next deed, in
this process and after any restart; a step that a newer version of the loop would not make is folded as it stands.

Steps are known by their names: `briefing`, `model call`, `compact`, `nudge`, `submit_result`, the name of a tool
followed by the id of its call, and the waits and tickets of the context.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetlog.domain.agent import COMPACTION, StepRecord
from fleetlog.domain.tickets import Approval
from fleetlog.domain.values import Message, agent_name_of
from fleetlog.runtime.brains import compaction
from fleetlog.runtime.brains.guard import Guard

__all__ = [
    "BRIEFING",
    "COMPACT",
    "MODEL_CALL",
    "NUDGE",
    "Briefing",
    "Conversation",
    "ToolCall",
    "message_text",
    "tool_step",
]

BRIEFING, MODEL_CALL, COMPACT, NUDGE = "briefing", "model call", COMPACTION, "nudge"
ANSWER = "answer from"
TICKETS = ("request_help ", "request_approval ")

_DOUBTED = (
    "It is not known whether this call was done: the process ended after it was started and before its end was "
    "recorded. It has not been repeated. {verify}"
)


class Briefing(msgspec.Struct, frozen=True):
    """What the agent was told at its beginning, recorded, so that newer code goes on with the same words."""

    system: str
    tools: list[dict[str, Any]]
    first: str
    model: str
    verify: dict[str, str] = {}


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model asked for."""

    id: str
    name: str
    input: dict[str, Any]


def tool_step(call: ToolCall) -> str:
    """The name of the step that makes the call."""
    return f"{call.name} {call.id}"


def message_text(message: Message) -> str:
    """A peer's message as the model reads it."""
    about = f' correlation_id="{message.correlation_id}"' if message.correlation_id else ""
    sender = agent_name_of(message.sender)
    return f'<message id="{message.id}" from="{sender}" type="{message.type}"{about}>\n{message.payload}\n</message>'


class Conversation:
    """The state of one agent's conversation. `messages` is what has been said and answered, in the API's form;
    `input` is what the model will see next."""

    def __init__(self) -> None:
        self.briefing: Briefing | None = None
        self.messages: list[dict[str, Any]] = []
        self.input: list[dict[str, Any]] = []
        self.calls: list[ToolCall] = []
        self.asked: dict[str, int] = {}
        """Calls of ask_peer whose question is sent: call id -> the index of the step that sent it."""
        self.approved: set[str] = set()
        """Calls a person has approved."""
        self.tickets: dict[str, str] = {}
        """Open tickets: step name's id -> what it is for (a call's id, or `stuck`)."""
        self.stop_reason = ""
        self.turns = 0
        self.context_tokens = 0
        """What the context held after the last reply."""
        self.is_counted = False
        """... as the provider counted it; else it is an estimate."""
        self.cut_replies = 0
        self.too_long = False
        self.text = ""
        self.is_submitted = False
        self.is_at_rest = False
        """It has given its result, and nothing has been said to it since."""
        self.was_reminded = False
        """... of questions that are still open."""
        self.questions: dict[str, str] = {}
        """Questions not answered yet: message id -> the sender's name."""
        self.notes: list[str] = []
        self.guard = Guard()
        self._results: dict[str, dict[str, Any]] = {}

    # --- the request -------------------------------------------------------------------------

    @property
    def needs_reply(self) -> bool:
        """The model's turn goes on, or there is something it has not seen."""
        return self.stop_reason == "pause_turn" or (bool(self.input) and not self.is_at_rest)

    @property
    def input_tokens(self) -> int:
        """Roughly how much the model has not seen."""
        return compaction.estimated_tokens(self.input) if self.input else 0

    @property
    def unanswered(self) -> list[ToolCall]:
        """The calls of the last reply that have no result yet, in their order."""
        return [call for call in self.calls if call.id not in self._results]

    @property
    def current(self) -> ToolCall | None:
        """The call to be made now: the first one without a result that does not just wait for an answer."""
        return next((call for call in self.unanswered if call.id not in self.asked), None)

    def request_messages(self) -> list[dict[str, Any]]:
        """The messages of the next model call."""
        return _with_user(self.messages, self.input)

    # --- the fold ----------------------------------------------------------------------------

    def apply(self, index: int, record: StepRecord, value: Any) -> None:
        """Fold one step. `value` is what it returned, unpacked."""
        name = record.name
        call = self._call_of(name)
        if name == BRIEFING:
            self.briefing = msgspec.convert(value, Briefing)
            self._say(self.briefing.first)
        elif name == MODEL_CALL:
            self._reply(value)
        elif name == COMPACT:
            if record.state == "completed":
                self._compact(value)
        elif name == NUDGE:
            self.guard.nudged(value["kind"])
            self.was_reminded = self.was_reminded or value["kind"] == "questions"
            self._say(value["text"])
        elif name == "submit_result":
            self._submitted(record)
        elif name.startswith(TICKETS):
            self._ticket(name)
        elif name.startswith("answer to "):
            self._ticket_answered(name.removeprefix("answer to "), record.message)
        elif call is not None:
            self._tool_made(index, call, record, value)
        elif name.startswith("reply "):
            self._answered(name.removeprefix("reply "))
            self.is_at_rest = not self.questions
        elif record.message is not None:
            self._message(record.message)

    def _call_of(self, name: str) -> ToolCall | None:
        call_id = name.rpartition(" ")[2]
        return next((call for call in self.calls if call.id == call_id), None)

    def _say(self, text: str) -> None:
        self.is_at_rest = False
        self.input.append({"type": "text", "text": text})

    def _flush(self) -> None:
        """What was to be said is said: it becomes the next user message (or the end of the last one)."""
        self.messages, self.input = _with_user(self.messages, self.input), []

    def _reply(self, value: Mapping[str, Any]) -> None:
        self._flush()
        self.turns += 1
        self.stop_reason = value["stop_reason"]
        usage = value["usage"]
        self.context_tokens, self.is_counted = sum(usage.get(kind) or 0 for kind in _CONTEXT_KINDS), True
        content = _usable(value["content"], self.stop_reason)
        self.text = "\n\n".join(block["text"] for block in content if block["type"] == "text")
        self.calls = [
            ToolCall(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"
        ]
        self.asked, self.approved, self._results = {}, set(), {}
        self.too_long = self.stop_reason == "model_context_window_exceeded"
        self.cut_replies = self.cut_replies + 1 if self.stop_reason == "max_tokens" else 0
        if self.stop_reason not in ("refusal", "pause_turn", *_CUT):
            self.guard.replied(bool(self.calls), self.text)
        if content:
            self.messages.append({"role": "assistant", "content": content})
        self.is_at_rest = self.is_submitted and not self.calls and not self.questions
        if self.stop_reason in _CUT and not self.calls:
            self._say("Your reply was cut off at its length limit. Go on exactly where it ended, or be shorter.")

    def _compact(self, value: Mapping[str, Any]) -> None:
        self._flush()
        assert self.briefing is not None
        self.messages = compaction.compacted(self.messages, self.briefing.first, value)
        self.context_tokens, self.is_counted = value["tokens_after"], False
        self.too_long = False
        if self.messages[-1]["role"] == "user":
            self.input = self.messages.pop()["content"]

    # --- tools -------------------------------------------------------------------------------

    def _tool_made(self, index: int, call: ToolCall, record: StepRecord, value: Any) -> None:
        if record.state in ("doubted", "started"):
            verify = self.briefing.verify.get(call.name, "") if self.briefing else ""
            self._result(call, _DOUBTED.format(verify=verify or "Find out before you go on."), is_error=True)
        elif record.state == "abandoned":
            self._result(call, f"This wait could never end: {record.error}", is_error=True)
        elif record.state == "failed":
            self._result(call, f"{record.error_type}: {record.error}", is_error=True)
        elif call.name == "ask_peer":
            self._asked(index, call, record)
        elif call.name == "wait_for_messages":
            self._waited(call, record)
        elif call.name in ("send_message", "broadcast", "raise_alert"):
            self._answered(str(call.input.get("correlation_id") or ""))
            self.guard.exchanged(str(call.input.get("to", "*")))
            self._result(call, "Delivered.")
        else:
            if call.name == "note":
                self.notes.append(str(call.input.get("text", "")))
            self._made(call, value)

    def _made(self, call: ToolCall, value: Any) -> None:
        if isinstance(value, Mapping) and "text" in value:
            self._result(call, str(value["text"]), is_error=bool(value.get("is_error")))
        else:  # a person said what a call in doubt would have returned
            self._result(call, value if isinstance(value, str) else msgspec.json.encode(value).decode())

    def _asked(self, index: int, call: ToolCall, record: StepRecord) -> None:
        if not record.name.startswith(ANSWER):
            self.asked[call.id] = index
            self.guard.exchanged(str(call.input.get("to", "")))
        elif record.message is None:
            self._result(call, "There was no answer in time.", is_error=True)
        else:
            self._result(call, message_text(record.message), is_error=record.message.declined)

    def _waited(self, call: ToolCall, record: StepRecord) -> None:
        if record.message is None:
            self._result(call, "No message has come in that time.")
        else:
            self._note_question(record.message)
            self._result(call, message_text(record.message))

    def _result(self, call: ToolCall, text: str, *, is_error: bool = False) -> None:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id, "content": text or "(no output)"}
        if is_error:
            block["is_error"] = True
        self._results[call.id] = block
        self.guard.used(call.name, call.input, text)
        if len(self._results) == len(self.calls):
            self.input = [*(self._results[call.id] for call in self.calls), *self.input]

    def _submitted(self, record: StepRecord) -> None:
        call = next((call for call in self.unanswered if call.name == "submit_result"), None)
        if record.state == "rejected":
            why = "The result does not fit the schema: " + "; ".join(record.reasons)
            if call is not None:
                self._result(call, f"{why}. Submit it again, mended.", is_error=True)
            else:
                self._say(f"{why}. Give the mended result with submit_result.")
            return
        self.is_submitted = self.is_at_rest = True
        if call is not None:
            self._result(call, "Your result is recorded. Peers may still ask you questions.")

    # --- tickets and messages ----------------------------------------------------------------

    def _ticket(self, name: str) -> None:
        ticket = name.partition(" ")[2]
        call = self.current
        self.tickets[ticket] = call.id if call is not None else "stuck"
        if call is None:
            self.guard.paused()

    def _ticket_answered(self, ticket: str, message: Message | None) -> None:
        purpose = self.tickets.pop(ticket, "stuck")
        call = next((call for call in self.calls if call.id == purpose), None)
        answer = "Nobody has answered in time." if message is None or message.declined else message.payload
        if call is None:
            self._say(f'<answer from="a person">\n{answer}\n</answer>')
        elif call.name == "request_help":
            self._result(call, answer, is_error=message is None)
        else:
            self._decided(call, message)

    def _decided(self, call: ToolCall, message: Message | None) -> None:
        """A person has decided about a call that needs approval. What nobody decided about is not denied, and not
        done either."""
        if message is None or message.declined:
            why = message.payload if message is not None else ""
            self._result(call, f"Nobody has decided about this call, so it was not made. {why}", is_error=True)
            return
        approval = msgspec.json.decode(message.payload, type=Approval)
        if approval.granted:
            self.approved.add(call.id)
        else:
            note = f": {approval.note}" if approval.note else ""
            self._result(call, f"A person has denied this call{note}. Do not make it again.", is_error=True)

    def _message(self, message: Message) -> None:
        self._note_question(message)
        self.guard.exchanged(agent_name_of(message.sender))
        self._say(message_text(message))

    def _answered(self, question: str) -> None:
        self.questions.pop(question, None)
        self.was_reminded = self.was_reminded and bool(self.questions)

    def _note_question(self, message: Message) -> None:
        if message.type == "question":
            self.questions[message.id] = agent_name_of(message.sender)


def _with_user(messages: Sequence[dict[str, Any]], blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with these blocks said by the user: behind the last message, or at its end if it is the user's (as
    after a reply that said nothing)."""
    if not blocks:
        return list(messages)
    if messages and messages[-1]["role"] == "user":
        return [*messages[:-1], {"role": "user", "content": [*messages[-1]["content"], *blocks]}]
    return [*messages, {"role": "user", "content": list(blocks)}]


_CUT = ("max_tokens", "model_context_window_exceeded")
_CONTEXT_KINDS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")


def _usable(content: Sequence[Mapping[str, Any]], stop_reason: str) -> list[dict[str, Any]]:
    """The blocks that may stand in the history: without what was cut off in the middle, and without empty text."""
    blocks = [dict(block) for block in content if block["type"] != "text" or block["text"].strip()]
    if stop_reason in (*_CUT, "refusal"):
        while blocks and blocks[-1]["type"] in ("tool_use", "server_tool_use", "thinking", "redacted_thinking"):
            blocks.pop()
    if all(block["type"] in ("thinking", "redacted_thinking") for block in blocks):
        return []
    return blocks
