"""The loop: every stop reason, tools in parallel, messages at their place, results."""

import re
import threading
from itertools import pairwise
from typing import Any

import pytest

from tests.claude.conftest import MakeStage, Play, Stage, agent
from tests.fakes.messages_api.faults import Break
from tests.fakes.messages_api.replies import (
    Reply,
    pause,
    refusal,
    reply,
    server_tool_result,
    server_tool_use,
    text,
    thinking,
    tool_use,
    web_search,
)
from tests.fakes.messages_api.request import ParsedRequest


def results_in(body: dict[str, Any]) -> list[str]:
    """The tool results of a request's last message."""
    return [block["content"] for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]


def said_to(body: dict[str, Any]) -> str:
    """The text of a request's last message."""
    return "\n".join(block["text"] for block in body["messages"][-1]["content"] if block["type"] == "text")


# --- stop reasons --------------------------------------------------------------------------------


def test_the_last_words_of_a_turn_are_the_result(make_stage: MakeStage) -> None:
    assert make_stage(a=Play(text("It is 42."))).run(agent("a")) == {"a": "It is 42."}


def test_a_submitted_result_ends_the_work_without_another_call(make_stage: MakeStage) -> None:
    play = Play(tool_use("submit_result", result="42"))
    assert make_stage(a=play).run(agent("a")) == {"a": "42"}
    assert len(play.bodies) == 1


def test_a_reply_that_was_cut_is_continued_with_a_higher_limit(make_stage: MakeStage) -> None:
    play = Play(reply(text("First half"), stop_reason="max_tokens"), text("second half."))
    assert make_stage(a=play).run(agent("a", max_tokens=100)) == {"a": "second half."}
    assert [body["max_tokens"] for body in play.bodies] == [100, 200]
    assert "cut off" in said_to(play.bodies[1])


def test_a_call_of_a_tool_that_was_cut_is_not_made(make_stage: MakeStage) -> None:
    play = Play(reply(text("I note"), tool_use("note", text="half a th"), stop_reason="max_tokens"), text("done"))
    assert make_stage(a=play).run(agent("a")) == {"a": "done"}
    assert [block["type"] for block in play.bodies[1]["messages"][1]["content"]] == ["text"]


def test_replies_that_are_cut_again_and_again_end_the_agent(make_stage: MakeStage) -> None:
    outputs = make_stage(a=Play(reply(text("and on"), stop_reason="max_tokens"))).run(agent("a", max_attempts=3))
    assert outputs["a"].startswith("failed: 4 replies in a row were cut off")


def test_a_paused_turn_is_sent_back_and_goes_on(make_stage: MakeStage) -> None:
    play = Play(
        pause(text("I search."), server_tool_use("web_search", query="x")),
        reply(server_tool_result("web_search", []), text("Nothing was found.")),
    )
    assert make_stage(a=play).run(agent("a", tools=("web_search",)))["a"].endswith("Nothing was found.")
    assert play.bodies[1]["messages"][-1]["role"] == "assistant"


def test_blocks_of_the_providers_own_tools_go_back_as_they_came(make_stage: MakeStage) -> None:
    play = Play(reply(*web_search("x", "https://a.example"), text("Found."), tool_use("note", text="a")), text("End."))
    assert make_stage(a=play).run(agent("a", tools=("web_search",))) == {"a": "End."}
    assert {tool["name"]: tool for tool in play.bodies[0]["tools"]}["web_search"]["type"].startswith("web_search_")


def test_a_refusal_ends_the_agent_at_once_with_the_reason(make_stage: MakeStage) -> None:
    play = Play(refusal("I can't help with that."))
    assert make_stage(a=play).run(agent("a"))["a"].startswith("failed: the model refused to go on")
    assert len(play.bodies) == 1


@pytest.mark.parametrize("how", ["error", "eof", "chunk", "reset", "drop"])
def test_a_stream_that_breaks_off_is_no_reply_and_is_made_again(make_stage: MakeStage, how: Any) -> None:
    play = Play(tool_use("note", text="once"), text("done"))
    stage = make_stage(a=play)
    stage.api.rule(Break(how), times=1, turn=1)
    fleet_id = stage.spawn(agent("a"))
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert stage.steps(f"agent-{fleet_id[6:]}-a").count("model call") == 2


def test_thinking_goes_back_unchanged(make_stage: MakeStage) -> None:
    play = Play(reply(thinking("Let me see."), text("I note."), tool_use("note", text="x")), text("done"))
    config = {"type": "enabled", "budget_tokens": 2_000}
    assert make_stage(a=play).run(agent("a", thinking=config, max_tokens=4_000)) == {"a": "done"}
    assert play.bodies[1]["messages"][1]["content"][0]["thinking"] == "Let me see."
    assert play.bodies[1]["thinking"] == config


def test_effort_is_passed_on(make_stage: MakeStage) -> None:
    play = Play(text("done"))
    make_stage(a=play).run(agent("a", effort="low"))
    assert play.bodies[0]["output_config"] == {"effort": "low"}


# --- tools ---------------------------------------------------------------------------------------


def test_several_calls_are_answered_in_their_order_in_one_message(make_stage: MakeStage) -> None:
    calls = (tool_use("note", text="a"), tool_use("list_peers"), tool_use("read_notes"))
    play = Play(reply(*calls), text("done"))
    make_stage(a=play, b=Play(text("."))).run(agent("a"), agent("b"))
    assert results_in(play.bodies[1]) == ["Noted.", "b: b", "- a"]


def test_questions_to_several_peers_are_all_sent_before_an_answer_is_awaited(make_stage: MakeStage) -> None:
    def answer(request: ParsedRequest) -> Reply:
        question = re.findall(r'<message id="([^"]+)" from="a" type="question"', str(request.messages))[0]
        return reply(tool_use("send_message", to="a", type="result", text="yes", correlation_id=question))

    asking = reply(tool_use("ask_peer", to="b", question="1?"), tool_use("ask_peer", to="c", question="2?"))
    play = Play(asking, text("done"))
    wait = tool_use("wait_for_messages")
    stage = make_stage(a=play, b=Play(wait, answer, text(".")), c=Play(wait, answer, text(".")))
    fleet_id = stage.spawn(agent("a"), agent("b"), agent("c"))
    assert stage.outputs(fleet_id)["a"] == "done"
    assert all("yes" in result for result in results_in(play.bodies[1]))
    mine = [entry for entry in stage.runtime.timeline(fleet_id) if entry.agent_id.endswith("-a")]
    whats = [entry.what for entry in mine if entry.what in ("message.sent", "message.seen")]
    assert whats == ["message.sent", "message.sent", "message.seen", "message.seen"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (tool_use("juggle", balls=3), "There is no tool called juggle"),
        (tool_use("note", txt="a"), "do not fit the tool's schema"),
        (tool_use("send_message", to="nobody", type="result", text="x"), "No such agent"),
        (tool_use("ask_peer", to="nobody", question="x"), "No such agent"),
        (tool_use("read_file", path="../secret"), "is not allowed"),
        (tool_use("wait_for_messages", timeout_s=1), "No message has come"),
    ],
)
def test_a_call_that_cannot_be_done_is_answered_as_an_error(
    make_stage: MakeStage, tmp_path: Any, call: Any, said: str
) -> None:
    play = Play(reply(call), text("done"))
    (tmp_path / "w").mkdir()
    assert make_stage(a=play).run(agent("a"), workspace=str(tmp_path / "w")) == {"a": "done"}
    assert said in results_in(play.bodies[1])[0]


# --- messages ------------------------------------------------------------------------------------


def test_a_message_that_comes_during_a_call_enters_at_the_next_one(make_stage: MakeStage) -> None:
    arrived = threading.Event()

    def first(request: ParsedRequest) -> Reply:
        assert arrived.wait(10)
        return reply(tool_use("note", text="a"))

    play = Play(first, text("done"))
    stage = make_stage(a=play)
    fleet_id = stage.spawn(agent("a"))
    stage.until(fleet_id, lambda entries: any(entry.what == "call.started" for entry in entries))
    stage.runtime.send_message("operator", "a", fleet_id, "alert", "look up")
    arrived.set()
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert "look up" in said_to(play.bodies[-1])
    whats = [entry.what for entry in stage.runtime.timeline(fleet_id)]
    assert whats.index("message.seen") > whats.index("message.delivered")


def test_a_question_after_the_result_is_answered(make_stage: MakeStage) -> None:
    def late(request: ParsedRequest) -> Reply:
        return reply(text("Because of the moon."))

    asked = Play(tool_use("submit_result", result="tides"), late)
    asking = Play(tool_use("ask_peer", to="b", question="why?"), text("thanks"))
    stage = make_stage(a=asking, b=asked)
    assert stage.run(agent("a", prompt="x", depends_on=("b",)), agent("b")) == {"a": "thanks", "b": "tides"}
    assert "Because of the moon." in results_in(asking.bodies[1])[0]


def test_a_turn_that_ends_with_a_question_open_is_reminded_of_it(make_stage: MakeStage) -> None:
    asked = Play(tool_use("wait_for_messages"), text("I think so."), text("Yes, for certain."), text("my result"))
    asking = Play(tool_use("ask_peer", to="b", question="sure?"), text("thanks"))
    outputs = make_stage(a=asking, b=asked).run(agent("a"), agent("b"))
    assert outputs["a"] == "thanks"
    assert "Questions to you are still open" in said_to(asked.bodies[2])
    assert "Yes, for certain." in results_in(asking.bodies[1])[0]


# --- results -------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_a_result_that_does_not_fit_goes_back_with_the_reason(make_stage: MakeStage) -> None:
    play = Play(tool_use("submit_result", result={"n": "x"}), tool_use("submit_result", result={"n": 3}))
    assert make_stage(a=play).run(agent("a", result_schema=SCHEMA)) == {"a": {"n": 3}}
    assert "does not fit" in results_in(play.bodies[1])[0]


def test_last_words_that_are_json_fit_a_schema(make_stage: MakeStage) -> None:
    play = Play(text("I think it is three."), text('```json\n{"n": 3}\n```'))
    assert make_stage(a=play).run(agent("a", result_schema=SCHEMA)) == {"a": {"n": 3}}
    assert "does not fit the schema" in said_to(play.bodies[1])


def test_results_that_never_fit_end_the_agent(make_stage: MakeStage) -> None:
    play = Play(tool_use("submit_result", result={}))
    outputs = make_stage(a=play).run(agent("a", result_schema=SCHEMA, max_rejections=2))
    assert outputs["a"].startswith("failed: its result was rejected 3 times")
    assert len(play.bodies) == 3


# --- circles -------------------------------------------------------------------------------------


def test_an_agent_that_goes_round_in_circles_is_nudged_once_then_waits_for_a_person(make_stage: MakeStage) -> None:
    def script(request: ParsedRequest) -> Reply:
        return reply(text("Freed.")) if "try the other door" in str(request.messages) else reply(tool_use("list_peers"))

    stage = make_stage(a=script)
    fleet_id = stage.spawn(agent("a"))
    stage.until(fleet_id, lambda entries: any(entry.what == "help.requested" for entry in entries))
    ticket = stage.runtime.list_help(fleet_id).requests[0]
    assert "seems stuck" in ticket.blocker
    assert stage.steps(ticket.agent_id).count("nudge") == 1
    stage.runtime.answer_help(ticket.help_id, "try the other door")
    assert stage.outputs(fleet_id) == {"a": "Freed."}


def test_an_empty_reply_is_nudged(make_stage: MakeStage) -> None:
    play = Play(lambda request: text("done") if "was empty" in request.last_text else Reply(()))
    assert make_stage(a=play).run(agent("a")) == {"a": "done"}
    assert len(play.bodies) == 2


# --- caching and restarts ------------------------------------------------------------------------


def without_markers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_markers(part) for name, part in value.items() if name != "cache_control"}
    return [without_markers(part) for part in value] if isinstance(value, list) else value


def test_each_request_begins_as_the_one_before_it_and_is_read_from_the_cache(make_stage: MakeStage) -> None:
    play = Play(*[tool_use("note", text=f"finding {n} " * 200) for n in range(5)], text("done"))
    stage = make_stage(a=play)
    stage.run(agent("a"))
    plain = [without_markers(body) for body in play.bodies]
    for earlier, later in pairwise(plain):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
        assert (later["system"], later["tools"]) == (earlier["system"], earlier["tools"])
    billed = stage.api.report().billed
    assert billed.cache_read > 2 * billed.cache_write_5m > 0


def undisturbed(stage: Stage, play: Play) -> list[Any]:
    stage.run(agent("a"))
    return list(play.bodies)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_restart_sends_the_identical_request(make_stage: MakeStage, after: int) -> None:
    reached = threading.Event()
    go_on = threading.Event()

    def line(number: int) -> Any:
        def say(request: ParsedRequest) -> Reply:
            if number == after and not go_on.is_set():
                reached.set()
                go_on.wait(10)
            return reply(text(f"Step {number}."), tool_use("note", text=f"finding {number}"))

        return say

    play = Play(*[line(number) for number in range(4)], text("done"))
    stage = make_stage(a=play)
    fleet_id = stage.spawn(agent("a"))
    assert reached.wait(10)
    interrupted = play.bodies[-1]
    restarting = threading.Thread(target=stage.restart)
    restarting.start()
    restarting.join(1.0)
    go_on.set()
    restarting.join()
    assert stage.outputs(fleet_id) == {"a": "done"}
    again = [body for body in play.bodies if len(body["messages"]) == len(interrupted["messages"])]
    assert len(again) == 2
    assert again[0] == again[1]
