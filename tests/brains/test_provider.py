"""The calls themselves, without a runtime: what each fault becomes, what a reply looks like, how a call is given up."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from fleetlog.domain.errors import RuntimeClosed
from fleetlog.runtime.brains.provider import (
    ClaudeSettings,
    Limited,
    ModelReply,
    Provider,
    Refused,
    TooLong,
    Transient,
    Unanswered,
    retry_after_s,
    usage_of,
)
from tests.fakes.asking import READ, asked, reader
from tests.fakes.messages_api import replies as r
from tests.fakes.messages_api.faults import Break, Garbage, Hang, Refuse, RetryForm, Slow
from tests.fakes.messages_api.fixtures import messages_api as messages_api
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL, SMALL_MODEL

MakeProvider = Callable[..., Provider]


class Given(Exception):
    """What a run raises that was told to end."""


class Caller:
    """A run, and the pieces of text that came while it waited."""

    def __init__(self) -> None:
        self.is_stopped = False
        self.pieces: list[str] = []
        self.has_text = threading.Event()

    def check(self) -> None:
        if self.is_stopped:
            raise Given

    def heard(self, piece: str) -> None:
        self.pieces.append(piece)
        self.has_text.set()


def call(provider: Provider, words: str = "hello", caller: Caller | None = None, **more: Any) -> ModelReply:
    caller = caller or Caller()
    return provider.call(asked(words, **more), caller, caller.heard)


@pytest.fixture
def make_provider(messages_api: FakeMessagesApi) -> Iterator[MakeProvider]:
    """`make_provider(idle_timeout_s=...)` talks to the fake server; after the test no thread of it is left."""
    before = set(threading.enumerate())
    made: list[Provider] = []

    def make(**settings: Any) -> Provider:
        given = {"api_key": messages_api.api_key, "base_url": messages_api.url, **settings}
        made.append(Provider(ClaudeSettings(**given)))
        return made[-1]

    yield make
    for provider in made:
        provider.close()
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name == "fleetlog-claude"]
    assert left == []


@pytest.fixture
def provider(make_provider: MakeProvider) -> Provider:
    return make_provider()


# --- replies -------------------------------------------------------------------------------------


def test_a_reply_is_what_the_api_sent(messages_api: FakeMessagesApi, provider: Provider) -> None:
    caller = Caller()
    found = call(provider, "hello", caller)
    assert found.content == [{"type": "text", "text": "You said: hello"}]
    assert (found.stop_reason, found.model) == ("end_turn", MODEL)
    assert found.request_id.startswith("req_")
    assert found.id.startswith("msg_")
    assert "".join(caller.pieces) == "You said: hello"
    used, billed = usage_of(found), messages_api.report().billed
    assert (used.input_tokens, used.output_tokens, used.calls) == (billed.input, billed.output, 1)


def test_every_kind_of_block_comes_out_as_it_was_sent(messages_api: FakeMessagesApi, provider: Provider) -> None:
    long = "a thought of some length, in many deltas: äöü 🙂 " * 10
    blocks = (
        r.thinking(long),
        r.redacted_thinking("hidden"),
        r.text(long),
        *r.web_search("weather", "https://example.org"),
        r.text("found"),
        r.tool_use("read", path="a" * 500),
        r.tool_use_of("read", {}),
    )
    messages_api.scripts["all"] = lambda request: r.reply(*blocks)
    request = asked("[script:all]", thinking={"type": "adaptive"}, tools=[READ, {**READ, "name": "other"}])
    caller = Caller()
    found = provider.call(request, caller, caller.heard)
    plain = _whole(messages_api, request)
    assert found.content == plain["content"]
    assert [block["type"] for block in found.content] == [block["type"] for block in blocks]
    assert found.stop_reason == plain["stop_reason"] == "tool_use"
    assert "".join(caller.pieces) == long + "found"


def _whole(messages_api: FakeMessagesApi, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to the same request, not streamed, as JSON."""
    import httpx2

    headers = {"authorization": f"Bearer {messages_api.api_key}", "anthropic-version": "2026-10-21"}
    answer = httpx2.post(f"{messages_api.url}/v1/messages", json=request, headers=headers)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


def test_a_tool_call_is_whole_and_its_thinking_can_be_sent_back(
    messages_api: FakeMessagesApi, provider: Provider
) -> None:
    messages_api.scripts["reader"] = reader
    first = asked("[script:reader]", tools=[READ])
    found = provider.call(first, Caller(), Caller().heard)
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": block["input"]["path"]}
        for block in found.content
        if block["type"] == "tool_use"
    ]
    turns = [{"role": "assistant", "content": found.content}, {"role": "user", "content": results}]
    second = provider.call({**first, "messages": [*first["messages"], *turns]}, Caller(), Caller().heard)
    assert second.content == [{"type": "text", "text": "a: a; b: b"}]
    assert messages_api.violations == []


def test_a_refusal_says_why(messages_api: FakeMessagesApi, provider: Provider) -> None:
    messages_api.scripts["no"] = lambda request: r.refusal("I would rather not.", "cyber")
    found = call(provider, "[script:no]")
    assert (found.content, found.stop_reason) == ([], "refusal")
    assert found.stop_details == {"type": "refusal", "category": "cyber", "explanation": "I would rather not."}


def test_a_reply_that_is_cut_off_at_its_limit_is_whole(messages_api: FakeMessagesApi, provider: Provider) -> None:
    messages_api.scripts["wide"] = lambda request: r.reply(r.tool_use("read", path="x" * 4_000))
    found = call(provider, "[script:wide]", tools=[READ], max_tokens=100)
    assert found.stop_reason == "max_tokens"
    assert [(block["type"], block["input"]) for block in found.content] == [("tool_use", {})]


def test_tokens_are_counted_without_a_call(messages_api: FakeMessagesApi, provider: Provider) -> None:
    request = {**asked("word " * 100), "output_config": {"effort": "low"}}
    counted = provider.count_tokens(request, Caller())
    assert counted > 100
    report = messages_api.report()
    assert (report.requests, report.others) == (0, {"count_tokens": 1})
    assert usage_of(provider.call(request, Caller(), Caller().heard)).input_tokens == counted


def test_a_hundred_calls_at_once_are_a_hundred_replies(messages_api: FakeMessagesApi, provider: Provider) -> None:
    messages_api.rule(Slow(latency_s=0.2))
    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda n: call(provider, f"number {n}"), range(100)))
    assert [reply.content[0]["text"] for reply in found] == [f"You said: number {n}" for n in range(100)]
    report = messages_api.report()
    assert (report.answered, report.max_concurrent > 50) == (100, True)


def test_a_server_may_have_a_path(messages_api: FakeMessagesApi, make_provider: MakeProvider) -> None:
    with pytest.raises(Refused, match=r"/some/path/v1/messages not found"):
        call(make_provider(base_url=f"{messages_api.url}/some/path/"))


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "tolerance"), [("seconds", 0.002), ("ms", 0.002), ("date", 1.1)])
@pytest.mark.parametrize("status", [429, 529])
def test_a_limit_says_how_long(
    messages_api: FakeMessagesApi, provider: Provider, status: int, form: RetryForm, tolerance: float
) -> None:
    messages_api.refuse(status, 7.5, form)
    with pytest.raises(Limited, match="refused on purpose") as caught:
        call(provider)
    assert caught.value.status == status
    assert caught.value.retry_after_s == pytest.approx(7.5, abs=tolerance)
    assert messages_api.report().requests == 1


def test_a_limit_may_not_say_how_long(messages_api: FakeMessagesApi, provider: Provider) -> None:
    messages_api.refuse(529)
    with pytest.raises(Limited) as caught:
        call(provider)
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "nan", "retry-after": "2"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_odd_retry_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
def test_what_passes_is_transient(messages_api: FakeMessagesApi, provider: Provider, status: int) -> None:
    messages_api.refuse(status)
    with pytest.raises(Transient, match=f"{status}: refused on purpose"):
        call(provider)
    assert messages_api.report().requests == 1


@pytest.mark.parametrize(
    ("status", "is_account"), [(400, False), (401, True), (402, True), (403, True), (404, False), (422, False)]
)
def test_what_stays_is_refused(
    messages_api: FakeMessagesApi, provider: Provider, status: int, is_account: bool
) -> None:
    messages_api.refuse(status)
    with pytest.raises(Refused, match=f"{status}: refused on purpose") as caught:
        call(provider)
    assert caught.value.is_account is is_account


def test_a_prompt_that_does_not_fit_is_too_long(messages_api: FakeMessagesApi, provider: Provider) -> None:
    with pytest.raises(TooLong, match="prompt is too long"):
        call(provider, "word " * 20_000, model=SMALL_MODEL)
    messages_api.refuse(413)
    with pytest.raises(TooLong):
        call(provider)


@pytest.mark.parametrize("how", ["eof", "chunk", "reset"])
@pytest.mark.parametrize("after_events", [1, 4, 6])
def test_half_a_reply_is_none(messages_api: FakeMessagesApi, provider: Provider, how: Any, after_events: int) -> None:
    messages_api.rule(Break(how, after_events))
    with pytest.raises(Unanswered) as caught:
        call(provider, "[script:long 100]")
    assert not caught.value.is_limit
    assert len(str(caught.value)) > 20


def test_a_connection_that_is_dropped_before_any_answer_may_have_been_charged(
    messages_api: FakeMessagesApi, provider: Provider
) -> None:
    messages_api.rule(Break("drop"))
    with pytest.raises(Unanswered, match="the connection was lost"):
        call(provider)


@pytest.mark.parametrize(
    ("kind", "is_limit"),
    [("overloaded_error", True), ("rate_limit_error", True), ("api_error", False), ("timeout_error", False)],
)
def test_an_error_within_a_stream_says_whether_it_is_a_limit(
    messages_api: FakeMessagesApi, provider: Provider, kind: str, is_limit: bool
) -> None:
    messages_api.rule(Break("error", 3, kind))
    with pytest.raises(Unanswered, match="the reply broke off on purpose") as caught:
        call(provider)
    assert caught.value.is_limit is is_limit


@pytest.mark.parametrize("what", ["body", "event"])
def test_garbage_is_no_reply(messages_api: FakeMessagesApi, provider: Provider, what: Any) -> None:
    messages_api.rule(Garbage(what))
    with pytest.raises(Unanswered, match=r"cannot be read|cut off"):
        call(provider)


@pytest.mark.parametrize("where", ["headers", "stream"])
def test_silence_is_given_up(messages_api: FakeMessagesApi, make_provider: MakeProvider, where: Any) -> None:
    messages_api.rule(Hang(where))
    with pytest.raises(Unanswered, match="nothing came in time"):
        call(make_provider(idle_timeout_s=0.2))


def test_a_slow_reply_is_not_silence(messages_api: FakeMessagesApi, make_provider: MakeProvider) -> None:
    messages_api.rule(Slow(tokens_per_s=100))
    began = time.monotonic()
    assert call(make_provider(idle_timeout_s=0.4), "word " * 40).stop_reason == "end_turn"
    assert time.monotonic() - began > 0.4


def test_a_server_that_is_not_there_was_not_charged(make_provider: MakeProvider) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Transient):
            call(make_provider(base_url=url))


def test_without_a_key_nothing_is_sent(
    messages_api: FakeMessagesApi, make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    provider = make_provider(api_key=None)
    for ask in (lambda: call(provider), lambda: provider.count_tokens(asked("x"), Caller())):
        with pytest.raises(Refused, match="set ANTHROPIC_API_KEY") as caught:
            ask()
        assert caught.value.is_account
    assert messages_api.report().connections == 0


def test_a_wrong_key_is_about_the_account(make_provider: MakeProvider) -> None:
    with pytest.raises(Refused, match="401") as caught:
        call(make_provider(api_key="wrong"))
    assert caught.value.is_account


def test_after_every_fault_the_next_call_is_answered(
    messages_api: FakeMessagesApi, make_provider: MakeProvider
) -> None:
    provider = make_provider(idle_timeout_s=0.3)
    faults = (
        Refuse(500),
        Break("chunk"),
        Break("reset"),
        Break("eof"),
        Break("error"),
        Garbage("event"),
        Hang("stream"),
    )
    for fault in faults:
        messages_api.rule(fault, times=1)
        with pytest.raises((Transient, Unanswered)):
            call(provider)
        assert call(provider).stop_reason == "end_turn"


# --- giving up -----------------------------------------------------------------------------------


@contextmanager
def under_way(provider: Provider, caller: Caller) -> Iterator[Future[ModelReply]]:
    """A call on a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, provider, "hello", caller)


def stop_within_a_second(caller: Caller, future: Future[ModelReply]) -> None:
    caller.is_stopped = True
    with pytest.raises(Given):
        future.result(1.0)


@pytest.mark.parametrize("where", ["headers", "stream"])
def test_a_call_that_hangs_is_given_up_at_once(messages_api: FakeMessagesApi, provider: Provider, where: Any) -> None:
    messages_api.rule(Hang(where, after_events=4), times=1)
    caller = Caller()
    with under_way(provider, caller) as future:
        messages_api.wait(hanging=1)
        stop_within_a_second(caller, future)
        messages_api.wait(outcomes={"abandoned": 1})
    assert call(provider).stop_reason == "end_turn"
    assert messages_api.report().in_flight == 0


def test_a_call_in_the_middle_of_a_stream_is_given_up_at_once(
    messages_api: FakeMessagesApi, provider: Provider
) -> None:
    messages_api.rule(Slow(tokens_per_s=2), times=1)
    caller = Caller()
    with under_way(provider, caller) as future:
        assert caller.has_text.wait(10)
        stop_within_a_second(caller, future)
        messages_api.wait(outcomes={"abandoned": 1})


@pytest.fixture
def silent_door() -> Iterator[str]:
    """An address whose connections are never taken: the queue of what may wait is full."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        address = door.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for one in waiting:
            one.close()


def test_a_call_that_connects_is_given_up_at_once(make_provider: MakeProvider, silent_door: str) -> None:
    provider = make_provider(base_url=silent_door)
    caller = Caller()
    with under_way(provider, caller) as future:
        with pytest.raises(TimeoutError):
            future.result(1.5)  # the package is imported meanwhile, and the connection is waited for
        stop_within_a_second(caller, future)


def test_a_connection_that_does_not_come_was_not_charged(make_provider: MakeProvider, silent_door: str) -> None:
    with pytest.raises(Transient):
        call(make_provider(base_url=silent_door, connect_timeout_s=0.2))


def test_a_call_of_a_run_that_has_ended_is_not_made(messages_api: FakeMessagesApi, provider: Provider) -> None:
    messages_api.rule(Hang())
    caller = Caller()
    caller.is_stopped = True
    with pytest.raises(Given):
        call(provider, "hello", caller)


def test_calls_under_way_end_when_the_provider_is_closed(
    messages_api: FakeMessagesApi, make_provider: MakeProvider
) -> None:
    provider = make_provider()
    messages_api.rule(Hang("stream"), every=2)
    messages_api.rule(Hang("headers"))
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(call, provider) for _ in range(20)]
        messages_api.wait(hanging=20)
        provider.close()
        for future in futures:
            with pytest.raises(RuntimeClosed):
                future.result(1.0)
    messages_api.wait(outcomes={"abandoned": 20})
    with pytest.raises(RuntimeClosed):
        call(provider)
    provider.close()


def test_calls_that_begin_while_the_provider_is_closed_end_one_way_or_the_other(
    messages_api: FakeMessagesApi, make_provider: MakeProvider
) -> None:
    for _ in range(5):
        provider = make_provider()
        call(provider)
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(_call_until_closed, provider) for _ in range(8)]
            messages_api.wait(answered=messages_api.report().answered + 10)
            provider.close()
            assert all(future.result(3.0) for future in futures)


def _call_until_closed(provider: Provider) -> bool:
    while True:
        try:
            call(provider)
        except RuntimeClosed:
            return True
