"""The fake server as the real client meets it: replies, scripts, determinism, the process of its own."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.asking import READ, answered, asked, create, reader, streamed, words_of
from tests.fakes.messages_api.faults import Hang
from tests.fakes.messages_api.fixtures import checked
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.replies import (
    Reply,
    pause,
    redacted_thinking,
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
from tests.fakes.messages_api.scripts import by_turn
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL, SMALL_MODEL


@pytest.mark.parametrize("stream", [True, False])
def test_a_conversation_with_tools_runs_to_its_end(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, stream: bool
) -> None:
    messages_api.scripts["reader"] = reader
    make: Any = partial(streamed if stream else create, client)
    request = asked("[script:reader] Read a and b.", tools=[READ])
    first: anthropic.types.Message = make(**request)
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert first.stop_reason == "tool_use"
    request["messages"] += answered(first)
    last: anthropic.types.Message = make(**request)
    assert words_of(last) == "a: the text of a; b: the text of b"
    assert last.stop_reason == "end_turn"
    assert messages_api.violations == []


def test_the_same_request_gets_the_same_reply_also_from_another_server(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.scripts["reader"] = reader
    request = asked("[script:reader] Read a and b.", tools=[READ])
    first, again = streamed(client, **request), create(client, **request)
    with FakeMessagesApi({"reader": reader}) as other:
        elsewhere = streamed(client.with_options(base_url=other.url), **request)
    assert first.to_dict() == again.to_dict() == elsewhere.to_dict()
    other_words = streamed(client, **asked("[script:reader] Read a and b!", tools=[READ]))
    assert other_words.id != first.id
    report = messages_api.report()
    assert report.digests[messages_api.calls()[0].digest].answered == 2
    assert (report.answered, report.distinct) == (3, 2)


def test_a_process_of_its_own_serves_scripts_of_a_file_and_tells_its_figures(tmp_path: Path) -> None:
    scripts = tmp_path / "my_scripts.py"
    scripts.write_text(
        "from tests.fakes.messages_api.replies import text\n"
        "SCRIPTS = {'loud': lambda request: text(request.last_text.upper())}\n"
    )
    with (
        FakeProcess(tmp_path / "state", [scripts]) as api,
        anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client,
    ):
        said = streamed(client, **asked("[script:loud] hello"))
        assert words_of(said) == "[SCRIPT:LOUD] HELLO"
        report = api.wait(answered=1)
        assert (report.answered, report.distinct, report.violations) == (1, 1, [])
        assert int((tmp_path / "state" / "port").read_text()) == api.port
        assert api.stop() == 0
    assert '"answered":1' in (tmp_path / "state" / "stats.json").read_text()


def test_a_stream_and_a_whole_reply_hold_the_same(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    def everything(request: ParsedRequest) -> Reply:
        blocks: list[Any] = [
            thinking("Hm. " * 50),
            redacted_thinking("secret"),
            text("One. " * 50),
            web_search("x", "https://x.test/"),
        ]
        return reply(*blocks, text("Two."), tool_use("read", path="ü" * 100))

    messages_api.scripts["everything"] = everything
    request = asked("[script:everything]", tools=[READ])
    first = streamed(client, **request)
    assert first.to_dict() == create(client, **request).to_dict()
    request["messages"] += answered(first)
    assert streamed(client, **request).stop_reason == "tool_use"
    assert messages_api.violations == []


def test_the_models_endpoint_lists_the_models(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(SMALL_MODEL).max_input_tokens == 8_000
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


def test_tokens_are_counted_as_they_are_charged(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    request = asked("How long is this?", tools=[READ], system="Be brief.")
    counted = client.messages.count_tokens(**{k: v for k, v in request.items() if k != "max_tokens"})
    assert counted.input_tokens == streamed(client, **request).usage.input_tokens > 0
    assert messages_api.report().others == {"count_tokens": 1}


def test_a_long_reply_is_cut_at_max_tokens(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    cut = streamed(client, **asked("[script:long 5000]", max_tokens=100))
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 100)
    assert len(words_of(cut)) == 4 * (100 - 3)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("limit", range(0, 36, 5))
def test_a_call_is_cut_within_its_input_and_never_costs_more_than_max_tokens(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, limit: int, stream: bool
) -> None:
    messages_api.scripts["call"] = lambda request: reply(text("Now."), tool_use("read", path="x" * 100))
    make = streamed if stream else create
    cut = make(client, **asked("[script:call]", tools=[READ], max_tokens=limit))
    assert cut.stop_reason == "max_tokens"
    assert cut.usage.output_tokens <= limit
    for block in cut.content:
        assert block.type == "text" or (block.type == "tool_use" and block.input != {"path": "x" * 100})


def test_a_reply_ends_where_the_window_ends(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    request = asked("[script:long 9000]" + " word" * 6_000, model=SMALL_MODEL, max_tokens=2_000)
    cut = streamed(client, **request)
    assert cut.stop_reason == "model_context_window_exceeded"
    assert cut.usage.input_tokens + cut.usage.output_tokens == 8_000


def test_a_reply_ends_before_a_stop_sequence(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.scripts["list"] = lambda request: text("one, two, three")
    message = streamed(client, **asked("[script:list]", stop_sequences=["three", "two"]))
    assert (words_of(message), message.stop_reason, message.stop_sequence) == ("one, ", "stop_sequence", "two")


def test_a_paused_turn_goes_on_when_it_is_sent_back(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    def searching(request: ParsedRequest) -> Reply:
        if request.turn == 0:
            return pause(web_search("a", "https://a.test/"), server_tool_use("web_search", query="b"))
        if request.turn == 1:
            return reply(server_tool_result("web_search", []), text("Nothing about b."))
        return reply(text("You are welcome."))

    messages_api.scripts["searching"] = searching
    request = asked("[script:searching]", tools=[{"type": "web_search_20260318", "name": "web_search"}])
    paused = streamed(client, **request)
    assert paused.stop_reason == "pause_turn"
    assert paused.usage.server_tool_use is not None
    assert paused.usage.server_tool_use.web_search_requests == 2
    request["messages"].append(paused.to_param())
    rest = streamed(client, **request)
    assert (words_of(rest), rest.stop_reason) == ("Nothing about b.", "end_turn")
    request["messages"] += [rest.to_param(), {"role": "user", "content": "Thanks."}]
    assert words_of(streamed(client, **request)) == "You are welcome."
    assert messages_api.violations == []


def test_a_script_may_be_told_turn_by_turn(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.scripts["steps"] = by_turn(text("One."), reply(text("Two.")), lambda request: text(f"{request.turn}."))
    request, words = asked("[script:steps]"), []
    for _ in range(4):
        message = streamed(client, **request)
        words.append(words_of(message))
        request["messages"] += [message.to_param(), {"role": "user", "content": "And then?"}]
    assert words == ["One.", "Two.", "2.", "3."]


def test_a_refusal_says_why(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.scripts["no"] = lambda request: refusal("I would rather not.", "cyber")
    message = streamed(client, **asked("[script:no]"))
    assert (message.stop_reason, message.content) == ("refusal", [])
    assert message.stop_details is not None
    assert message.stop_details.explanation == "I would rather not."


@pytest.mark.parametrize(
    ("how", "types", "shown"),
    [
        (None, ["thinking", "text"], "Hm."),
        ({"type": "disabled"}, ["text"], ""),
        ({"type": "adaptive"}, ["thinking", "text"], "Hm."),
        ({"type": "adaptive", "display": "omitted"}, ["thinking", "text"], ""),
    ],
)
def test_thinking_is_shown_as_the_request_wants_it(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, how: Any, types: list[str], shown: str
) -> None:
    messages_api.scripts["thinks"] = lambda request: reply(thinking("Hm."), text("Yes."))
    request = asked("[script:thinks]", **({} if how is None else {"thinking": how}))
    message = streamed(client, **request)
    assert [block.type for block in message.content] == types
    assert "".join(block.thinking for block in message.content if block.type == "thinking") == shown
    request["messages"] += [message.to_param(), {"role": "user", "content": "Go on."}]
    streamed(client, **request)
    assert messages_api.violations == []


def test_thinking_that_is_always_on_comes_also_where_the_script_has_none(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    how = {"type": "enabled", "budget_tokens": 1_024}
    message = streamed(client, **asked("Hello.", thinking=how, max_tokens=2_000))
    assert [block.type for block in message.content] == ["thinking", "text"]


def test_a_script_that_fails_or_is_missing_is_a_violation(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.scripts["bad"] = lambda request: text(f"{request.results[0]}")
    for name, said in (("bad", "the script 'bad' failed in turn 0: IndexError"), ("nobody", "no script 'nobody'")):
        with pytest.raises(anthropic.BadRequestError, match=said):
            streamed(client, **asked(f"[script:{name}]"))
    assert [violation.rule for violation in messages_api.violations] == ["script", "script"]


def test_a_key_is_needed_and_a_version(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError) as refused:
        streamed(client.with_options(api_key="wrong"), **asked("Hello."))
    assert refused.value.type == "authentication_error"
    assert refused.value.request_id
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        streamed(client, **asked("Hello."), extra_headers={"anthropic-version": "1999-01-01"})


def test_a_hundred_streams_run_at_once(messages_api: FakeMessagesApi) -> None:
    async def ask_all() -> list[anthropic.types.Message]:
        async with anthropic.AsyncAnthropic(
            base_url=messages_api.url, api_key=messages_api.api_key, max_retries=0
        ) as client:

            async def ask(number: int) -> anthropic.types.Message:
                async with client.messages.stream(**asked(f"I am {number}.")) as stream:
                    return await stream.get_final_message()

            messages_api.rule(Hang("stream"))
            asking = asyncio.gather(*map(ask, range(100)))
            await asyncio.to_thread(messages_api.wait, hanging=100)
            messages_api.release()
            return await asking

    messages = asyncio.run(ask_all())
    assert [words_of(message) for message in messages] == [f"You said: I am {n}." for n in range(100)]
    report = messages_api.report()
    assert (report.answered, report.distinct, report.max_concurrent) == (100, 100, 100)
    assert (report.in_flight, report.hanging, report.violations) == (0, 0, [])


def test_the_fixtures_fail_a_test_whose_client_breaks_a_rule() -> None:
    with (
        pytest.raises(AssertionError, match=r"1 requests broke rules of the API: .*at least one message"),
        checked(FakeMessagesApi()) as api,
        anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(model=MODEL, max_tokens=1, messages=[])
