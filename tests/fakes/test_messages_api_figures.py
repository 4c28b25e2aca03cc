"""What the fake server charges, limits and counts."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.asking import asked, create, streamed, words_of
from tests.fakes.messages_api.control import Controls
from tests.fakes.messages_api.faults import Break, Hang
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL, SMALL_MODEL, Settings

FIVE = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def marked(words: str, marker: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"cache_control": marker} if marker else {})}


def cached(client: anthropic.Anthropic, **request: Any) -> tuple[int, int, int, int]:
    """What was read, written for five minutes, written for an hour, and not cached."""
    usage = streamed(client, **{**asked(""), **request}).usage
    assert usage.cache_creation is not None
    written = usage.cache_creation
    assert usage.cache_creation_input_tokens == (written.ephemeral_5m_input_tokens + written.ephemeral_1h_input_tokens)
    return (
        usage.cache_read_input_tokens or 0,
        written.ephemeral_5m_input_tokens,
        written.ephemeral_1h_input_tokens,
        usage.input_tokens,
    )


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


LONG = "word" * 2_000  # 2003 tokens as a block


# --- caching -------------------------------------------------------------------------------------


def test_a_marked_prefix_is_written_once_and_then_read(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    request = {"system": [marked(LONG, FIVE)], "messages": [user(marked("Hello."))]}
    assert cached(client, **request) == (0, 2_003, 0, 5)
    assert cached(client, **request) == (2_003, 0, 0, 5)
    request["messages"] = [user(marked("Hello!"))]
    assert cached(client, **request) == (2_003, 0, 0, 5)
    request["system"] = [marked(f"{LONG}!", FIVE)]
    assert cached(client, **request) == (0, 2_004, 0, 5)


def test_a_conversation_reads_what_it_wrote_and_writes_what_is_new(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    first = [user(marked(LONG, FIVE))]
    assert cached(client, messages=first) == (0, 2_003, 0, 0)
    said = {"role": "assistant", "content": [marked("word" * 17)]}
    second = [user(marked(LONG)), said, user(marked("word" * 7, FIVE))]
    assert cached(client, messages=second) == (2_003, 30, 0, 0)


def test_a_prefix_is_looked_for_at_most_twenty_blocks_before_a_marker(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    def many(blocks: int) -> list[Any]:
        return [user(marked(LONG), *[marked("x")] * (blocks - 1), marked("x", FIVE))]

    assert cached(client, messages=[user(marked(LONG, FIVE))])[0] == 0
    assert cached(client, messages=many(20))[0] == 0
    assert cached(client, messages=many(39))[0] == 2_003 + 20 * 4
    messages_api.advance(301)
    assert cached(client, messages=[user(marked(LONG, FIVE))])[0] == 0
    assert cached(client, messages=many(19))[0] == 2_003


def test_what_is_cached_for_five_minutes_is_renewed_by_use_and_gone_when_unused(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    request = {"system": [marked(LONG, FIVE)], "messages": [user(marked("Hello."))]}
    cached(client, **request)
    for _ in range(2):
        messages_api.advance(200)
        assert cached(client, **request)[0] == 2_003
    messages_api.advance(301)
    assert cached(client, **request)[:2] == (0, 2_003)


def test_an_hour_before_five_minutes(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    request = {
        "system": [marked(LONG, HOUR)],
        "messages": [
            user(marked(LONG, FIVE)),
        ],
    }
    assert cached(client, **request) == (0, 2_003, 2_003, 0)
    messages_api.advance(301)
    assert cached(client, **request) == (2_003, 2_003, 0, 0)
    assert cached(client, **request) == (4_006, 0, 0, 0)


def test_short_prefixes_and_other_models_are_not_cached(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    short = {"messages": [user(marked("word" * 500, FIVE))]}
    assert [cached(client, **short), cached(client, **short)] == [(0, 0, 0, 503)] * 2
    small = {**short, "model": SMALL_MODEL}
    assert [cached(client, **small)[0], cached(client, **small)[0]] == [0, 503]


def test_another_choice_of_tools_leaves_only_the_system_prompt_cached(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    request: Any = {"system": [marked(LONG, FIVE)], "messages": [user(marked(LONG, FIVE))]}
    assert cached(client, **request)[0] == 0
    assert cached(client, **request, tool_choice={"type": "none"})[:2] == (2_003, 2_003)
    assert cached(client, **request, thinking={"type": "adaptive"})[:2] == (2_003, 2_003)


def test_the_marker_at_the_top_is_that_of_the_last_block(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    request: Any = {"messages": [{"role": "user", "content": LONG}], "cache_control": FIVE}
    assert cached(client, **request) == (0, 2_003, 0, 0)
    assert cached(client, **request) == (2_003, 0, 0, 0)


def test_a_cache_is_warmed_without_a_reply(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    request: Any = {**asked("Hello."), "system": [marked(LONG, FIVE)]}
    warmed = streamed(client, **{**request, "max_tokens": 0})
    assert (warmed.content, warmed.usage.output_tokens) == ([], 0)
    assert streamed(client, **request).usage.cache_read_input_tokens == 2_003


# --- limits --------------------------------------------------------------------------------------


def refused_for(client: anthropic.Anthropic, **more: Any) -> float | None:
    """The seconds that a 429 tells to wait; None when the request was answered."""
    try:
        create(client, **asked("Hello.", **more))
    except anthropic.RateLimitError as error:
        return float(error.response.headers["retry-after"])
    return None


def test_a_bucket_lets_a_burst_pass_and_then_tells_when_the_next_may_come(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.limit(requests_per_minute=6, burst=3)
    assert [refused_for(client) for _ in range(3)] == [None] * 3
    wait_s = refused_for(client)
    assert wait_s is not None
    assert 5 < wait_s <= 10
    assert refused_for(client, model=SMALL_MODEL) is None
    messages_api.advance(wait_s)
    assert refused_for(client) is None
    assert refused_for(client) is not None
    report = messages_api.report()
    assert report.models[MODEL].outcomes == {"answered": 4, "429": 2}
    assert report.models[SMALL_MODEL].outcomes == {"answered": 1}


def test_requests_that_come_while_they_were_told_to_wait_are_counted(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.limit(requests_per_minute=6, model=MODEL)
    for _ in range(3):
        refused_for(client)
    report = messages_api.report()
    assert (report.during_limit, report.during_limit_late) == (1, 0)
    messages_api.advance(1)
    refused_for(client, model=SMALL_MODEL)
    refused_for(client)
    report = messages_api.report()
    assert (report.during_limit, report.during_limit_late) == (2, 1)
    messages_api.advance(20)
    refused_for(client)
    assert messages_api.report().during_limit == 2


# --- counting ------------------------------------------------------------------------------------


def test_every_request_is_recorded_with_its_cost(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    usage = streamed(client, **asked("[script:long 10]")).usage
    messages_api.rule(Break("eof"), times=1)
    streamed(client, **asked("Hello."))
    first, second = messages_api.calls()
    assert (first.model, first.script, first.turn, first.outcome) == (MODEL, "long", 0, "answered")
    assert first.tokens is not None
    assert (first.tokens.prompt, first.tokens.output) == (usage.input_tokens, usage.output_tokens)
    assert (second.script, second.outcome) == ("default", "broken")
    assert first.digest != second.digest
    report = messages_api.report(all_digests=True)
    assert report.billed == first.tokens == report.models[MODEL].billed
    assert report.at_risk == second.tokens
    assert list(report.digests) == [first.digest]


def test_a_reply_is_known_to_be_read_when_the_client_goes_on_or_closes(messages_api: FakeMessagesApi) -> None:
    with anthropic.Anthropic(base_url=messages_api.url, api_key=messages_api.api_key) as client:
        streamed(client, **asked("One."))
        assert messages_api.report().read == 0
        streamed(client, **asked("Two."))
        assert messages_api.report().read == 1
    assert messages_api.wait(read=2).unread == 0


ASK_AND_WAIT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
body = sys.argv[2].encode()
head = "POST /v1/messages HTTP/1.1\\r\\nauthorization: Bearer test-key\\r\\nanthropic-version: 2026-10-21\\r\\n"
connection.sendall(f"{head}content-length: {len(body)}\\r\\n\\r\\n".encode() + body)
sys.stdin.read()
"""


def test_a_reply_that_nobody_read_is_known_when_its_client_is_killed(messages_api: FakeMessagesApi) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", ASK_AND_WAIT, str(messages_api.port), json.dumps(asked("Hello."))], stdin=subprocess.PIPE
    )
    messages_api.wait(answered=1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    report = messages_api.wait(unread=1)
    (count,) = messages_api.report(all_digests=True).digests.values()
    assert (report.read, count.answered, count.read, count.unread) == (0, 1, 0, 1)


def test_what_was_counted_may_be_forgotten(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    streamed(client, **asked("Hello."))
    messages_api.reset_stats()
    report = messages_api.report()
    assert (report.requests, report.answered, report.billed.prompt, messages_api.calls()) == (0, 0, 0, [])


def test_the_figures_are_there_after_the_end() -> None:
    with (
        FakeMessagesApi() as api,
        anthropic.Anthropic(base_url=api.url, api_key="wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        streamed(client, **asked("Hello."))
    assert api.report().outcomes == {"401": 1}
    assert api.report().models == {}


# --- commands ------------------------------------------------------------------------------------


@pytest.fixture(params=["thread", "process"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Controls]:
    """The server on a thread and in a process: they take the same commands."""
    settings = Settings(api_keys=("another-key",))
    with (
        FakeMessagesApi(settings=settings) if request.param == "thread" else FakeProcess(tmp_path, (), settings) as api
    ):
        yield api


def test_every_command_works_in_the_process_and_from_outside(api: Controls) -> None:
    with anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client:
        api.refuse(529, times=1)
        with pytest.raises(anthropic.InternalServerError):
            streamed(client, **asked("Hello."))
        api.limit(60, burst=1)
        assert [refused_for(client) is None for _ in range(2)] == [True, False]
        api.advance(1)
        assert refused_for(client) is None
        api.clear()
        api.pace(latency_s=0.01, tokens_per_s=10_000)
        assert words_of(streamed(client, **asked("Hello."))) == "You said: Hello."
        assert len(api.calls()) == 5
        assert api.wait(requests=5, answered=3).outcomes == {"529": 1, "429": 1, "answered": 3}
        with pytest.raises(TimeoutError, match="in vain"):
            api.wait(requests=6, timeout_s=0.01)
        api.reset_stats()
        assert api.violations == []


def test_a_call_hangs_until_it_is_released_from_outside(tmp_path: Path) -> None:
    with (
        FakeProcess(tmp_path) as api,
        subprocess.Popen(
            [sys.executable, "-c", ASK_AND_WAIT, str(api.port), json.dumps(asked("Hello."))], stdin=subprocess.PIPE
        ) as asking,
    ):
        api.rule(Hang())
        api.wait(hanging=1)
        assert api.report().in_flight == 1
        api.release()
        assert api.wait(answered=1).hanging == 0
        asking.kill()


def test_figures_and_commands_are_plain_json(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    def told(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", messages_api.port)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        return answer.status, said

    rule = {"do": "rule", "rule": {"fault": {"type": "refuse", "status": 500}, "times": 1}}
    assert told("POST", "/_control", rule) == (200, {"ok": True})
    with pytest.raises(anthropic.InternalServerError):
        streamed(client, **asked("Hello."))
    streamed(client, **asked("Hello."))
    status, stats = told("GET", "/_stats?digests=1")
    assert (status, stats["requests"], stats["answered"], len(stats["digests"])) == (200, 2, 1, 1)
    assert [call["outcome"] for call in told("GET", "/_calls")[1]] == ["500", "answered"]
    status, error = told("POST", "/_control", {"do": "dance"})
    assert (status, "dance" in error["error"]["message"]) == (400, True)
    assert told("GET", "/_nothing")[0] == 400


def test_a_module_without_scripts_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 1 before it was ready"):
        FakeProcess(tmp_path, [tmp_path / "scripts.txt"])
