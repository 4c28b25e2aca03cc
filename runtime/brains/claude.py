"""The brain called `claude`: a model, its tools and its peers, in a loop that the log remembers.

Its rule: what comes next is derived from what is recorded, and what was done is recorded before anything follows from
it. A run folds the agent's steps into its conversation, makes the next deed as a step, folds that, and so on; killed
anywhere and called again, it goes on at the very place, and nothing that was paid for is paid for twice.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fleetlog.domain.agent import StepRecord
from fleetlog.domain.errors import GivenUp, ResultRejected, StepFailed, StepInDoubt
from fleetlog.domain.values import DoubtPolicy
from fleetlog.runtime.brains import compaction
from fleetlog.runtime.brains.briefing import first_message, system_prompt, workspace_prompt
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.conversation import (
    BRIEFING,
    COMPACT,
    MODEL_CALL,
    NUDGE,
    Briefing,
    Conversation,
)
from fleetlog.runtime.brains.guard import Verdict
from fleetlog.runtime.brains.model_calls import ModelCalls
from fleetlog.runtime.brains.provider import ModelReply, TooLong
from fleetlog.runtime.brains.tool_calls import ToolCalls
from fleetlog.runtime.brains.toolbelt import Surroundings, Toolbelt

__all__ = ["ClaudeBrain", "Words"]

MAX_CUT_REPLIES = 4
MAX_SHORTENINGS = 5
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
        self._tools = ToolCalls(ctx, self._talk, self._belt)
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
            self._tools.make(call)
        elif talk.unanswered:
            self._tools.collect(talk.unanswered[0])
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
        return self._tools.redo(index, record, call)

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
