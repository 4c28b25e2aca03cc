"""What goes wrong on purpose, as the real client sees it."""

import email.utils
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest

from tests.fakes.asking import asked, create, streamed, words_of
from tests.fakes.messages_api.faults import Break, Garbage, Hang, Refuse, Slow
from tests.fakes.messages_api.replies import Reply, reply, text
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL, SMALL_MODEL

Make = Callable[..., anthropic.types.Message]

REFUSALS: list[tuple[int, type[anthropic.APIStatusError], str]] = [
    (401, anthropic.AuthenticationError, "authentication_error"),
    (402, anthropic.APIStatusError, "billing_error"),
    (403, anthropic.PermissionDeniedError, "permission_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (503, anthropic.InternalServerError, "api_error"),
    (504, anthropic.InternalServerError, "timeout_error"),
    (529, anthropic.InternalServerError, "overloaded_error"),
]


@pytest.mark.parametrize("make", [streamed, create])
@pytest.mark.parametrize(("status", "error", "kind"), REFUSALS)
def test_a_refused_request_is_the_clients_error(
    messages_api: FakeMessagesApi,
    client: anthropic.Anthropic,
    make: Make,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    messages_api.refuse(status, times=1)
    with pytest.raises(error) as refused:
        make(client, **asked("Hello."))
    assert (refused.value.status_code, refused.value.type) == (status, kind)
    assert make(client, **asked("Hello.")).stop_reason == "end_turn"
    report = messages_api.report()
    assert report.outcomes == {str(status): 1, "answered": 1}
    assert (report.at_risk.prompt, report.violations) == (0, [])


def test_when_to_come_again_is_told_in_seconds_milliseconds_or_as_a_date(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    def told(form: Any) -> httpx2.Headers:
        messages_api.refuse(429, retry_after_s=1.5, form=form, times=1)
        with pytest.raises(anthropic.RateLimitError) as refused:
            streamed(client, **asked("Hello."))
        return refused.value.response.headers

    assert told("seconds")["retry-after"] == "1.5"
    assert told("ms")["retry-after-ms"] == "1500"
    date = email.utils.parsedate_to_datetime(told("date")["retry-after"]).timestamp()
    assert 0 < date - time.time() < 3


def test_the_clients_own_retries_wait_as_long_as_they_are_told(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.refuse(429, retry_after_s=0.2, times=2)
    begun = time.monotonic()
    streamed(client.with_options(max_retries=2), **asked("Hello."))
    assert time.monotonic() - begun >= 0.4
    assert messages_api.report().during_limit == 0


def test_a_refusal_may_forbid_to_retry(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Refuse(500, should_retry=False), times=1)
    with pytest.raises(anthropic.InternalServerError):
        streamed(client.with_options(max_retries=2), **asked("Hello."))
    assert messages_api.report().requests == 1


# --- replies that end too soon -------------------------------------------------------------------


def test_an_error_within_a_stream_has_status_200(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Break("error"), times=1)
    with pytest.raises(anthropic.APIStatusError) as broken, client.messages.stream(**asked("Hello.")) as stream:
        stream.until_done()
    assert (broken.value.status_code, broken.value.type) == (200, "overloaded_error")
    assert words_of(stream.current_message_snapshot) == "You said: Hello."
    assert_at_risk(messages_api)


def test_a_clean_end_without_a_stop_raises_nothing(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Break("eof"), times=1)
    cut = streamed(client, **asked("Hello."))
    assert (words_of(cut), cut.stop_reason) == ("You said: Hello.", None)
    assert_at_risk(messages_api)


@pytest.mark.parametrize("after_events", [0, 1, 4])
def test_a_broken_chunk_is_an_error_of_the_http_client(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, after_events: int
) -> None:
    messages_api.rule(Break("chunk", after_events), times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        streamed(client, **asked("Hello."))
    assert_at_risk(messages_api)


def test_a_reset_is_a_read_error_of_the_http_client(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Break("reset"), times=1)
    with pytest.raises(httpx2.ReadError):
        streamed(client, **asked("Hello."))
    assert_at_risk(messages_api)


@pytest.mark.parametrize("make", [streamed, create])
def test_a_connection_that_drops_before_the_head_is_a_connection_error(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, make: Make
) -> None:
    messages_api.rule(Break("drop"), times=1)
    with pytest.raises(anthropic.APIConnectionError):
        make(client, **asked("Hello."))
    assert_at_risk(messages_api)


@pytest.mark.parametrize("how", ["eof", "chunk", "reset"])
def test_half_a_body_is_an_error(messages_api: FakeMessagesApi, client: anthropic.Anthropic, how: Any) -> None:
    messages_api.rule(Break(how), times=1)
    with pytest.raises(anthropic.APIConnectionError):
        create(client, **asked("Hello."))
    assert_at_risk(messages_api)


def test_an_error_without_a_stream_is_a_status(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Break("error"), times=1)
    with pytest.raises(anthropic.InternalServerError) as refused:
        create(client, **asked("Hello."))
    assert refused.value.status_code == 529
    assert messages_api.report().outcomes == {"529": 1}


def test_an_event_that_is_no_json_is_an_error(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Garbage("event"), times=1)
    with pytest.raises(ValueError, match="Unterminated string"):
        streamed(client, **asked("Hello."))
    assert messages_api.report().outcomes == {"garbage": 1}


def test_a_body_that_is_no_reply_is_not_taken_for_one(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.rule(Garbage(), times=2)
    with pytest.raises(ValueError, match="Expecting value"):
        create(client, **asked("Hello."))
    with pytest.raises(AssertionError):  # the client's own: it waited for a first event
        streamed(client, **asked("Hello."))
    assert messages_api.report().outcomes == {"garbage": 2}


def assert_at_risk(api: FakeMessagesApi) -> None:
    """The one request so far was not answered, and may have cost something."""
    report = api.report()
    assert (report.outcomes, report.answered, report.billed.prompt) == ({"broken": 1}, 0, 0)
    assert report.at_risk.prompt > 0


# --- silence -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [streamed, create])
@pytest.mark.parametrize("where", ["headers", "stream"])
def test_silence_is_a_timeout_and_the_call_is_abandoned(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, where: Any, make: Make
) -> None:
    messages_api.rule(Hang(where), times=1)
    with pytest.raises((anthropic.APITimeoutError, httpx2.TimeoutException)):
        make(client.with_options(timeout=0.2), **asked("Hello."))
    report = messages_api.wait(outcomes={"abandoned": 1})
    assert (report.outcomes, report.hanging) == ({"abandoned": 1}, 0)
    assert report.at_risk.prompt > 0


@pytest.mark.parametrize("make", [streamed, create])
@pytest.mark.parametrize("where", ["headers", "stream"])
def test_silence_ends_by_itself_if_it_is_told_to(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, where: Any, make: Make
) -> None:
    messages_api.rule(Hang(where, seconds=0.05), times=1)
    assert words_of(make(client, **asked("Hello."))) == "You said: Hello."
    assert messages_api.report().outcomes == {"answered": 1}


def test_a_reply_comes_at_its_pace(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.rule(Slow(latency_s=0.1), times=1)
    messages_api.rule(Slow(tokens_per_s=1_000), times=1)
    begun = time.monotonic()
    with client.messages.stream(**asked("[script:long 200]")) as stream:
        pieces = list(stream.text_stream)
    took = time.monotonic() - begun
    assert took >= 0.1 + stream.get_final_message().usage.output_tokens / 1_000
    assert len(pieces) > 10


def test_the_pace_of_everything_and_of_a_script_add_up(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.scripts["slow"] = lambda request: reply(text("At last."), latency_s=0.1)
    messages_api.pace(latency_s=0.1)
    begun = time.monotonic()
    create(client, **asked("[script:slow]"))
    assert time.monotonic() - begun >= 0.2


# --- which requests ------------------------------------------------------------------------------


def outcomes(api: FakeMessagesApi, client: anthropic.Anthropic, *requests: dict[str, Any]) -> str:
    """What became of the requests, a letter each: answered or refused."""
    letters = ""
    for request in requests:
        try:
            create(client, **request)
        except anthropic.APIStatusError:
            letters += "r"
        else:
            letters += "a"
    return letters


def test_rules_take_the_next_the_every_second_and_the_later_ones(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    hello = [asked("Hello.")] * 6
    messages_api.refuse(500, times=2)
    assert outcomes(messages_api, client, *hello) == "rraaaa"
    messages_api.refuse(500, every=2)
    assert outcomes(messages_api, client, *hello) == "ararar"
    messages_api.clear()
    messages_api.refuse(500, every=2, skip=1, times=2)
    assert outcomes(messages_api, client, *hello) == "aarara"
    messages_api.clear()
    assert outcomes(messages_api, client, *hello) == "aaaaaa"


def test_rules_may_be_for_one_model_or_script_or_turn_or_endpoint(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    later = asked("Hello.")
    later["messages"] = [{"role": role, "content": "Hello."} for role in ("user", "assistant", "user")]
    requests = [asked("Hello."), asked("Hello.", model=SMALL_MODEL), asked("[script:long 3]"), later]
    for which, letters in (
        ({"model": SMALL_MODEL}, "araa"),
        ({"script": "long"}, "aara"),
        ({"turn": 1}, "aaar"),
        ({"endpoint": "models"}, "aaaa"),
    ):
        messages_api.refuse(500, **which)
        assert outcomes(messages_api, client, *requests) == letters
        messages_api.clear()


def test_the_other_endpoints_fail_by_rules_too(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.refuse(429, endpoint="count_tokens", times=1)
    messages_api.refuse(503, endpoint="models", times=1)
    with pytest.raises(anthropic.RateLimitError):
        client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Hello."}])
    with pytest.raises(anthropic.InternalServerError):
        client.models.list()


def test_a_script_may_state_the_fault_itself(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    messages_api.scripts["ill"] = lambda request: Reply((text("x"),), fault=Refuse(529))
    with pytest.raises(anthropic.InternalServerError):
        create(client, **asked("[script:ill]"))
