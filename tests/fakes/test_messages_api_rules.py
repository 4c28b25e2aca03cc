"""What the fake server refuses, as the real API does: every rule once kept and once broken."""

from collections.abc import Mapping, Sequence
from typing import Any

import anthropic
import pytest

from tests.fakes.asking import READ, asked, create, streamed
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL, SMALL_MODEL, Settings
from tests.fakes.messages_api.signatures import signature

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
ON = {"type": "enabled", "budget_tokens": 1_024}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
HIDDEN = {"type": "redacted_thinking", "data": signature("", "x")}
CHOICE = {"type": "tool", "name": "read"}


def said(words: str = "Hello.", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def call(id: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "read", "input": {"path": "a"}, **more}


def result(id: str = "toolu_1", content: Any = "It is empty.", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def search(id: str = "srvtoolu_1") -> dict[str, Any]:
    return {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "x"}}


def found(id: str = "srvtoolu_1") -> dict[str, Any]:
    return {"type": "web_search_tool_result", "tool_use_id": id, "content": []}


def thought(words: str = "Hm.", signed: str | None = None) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature(words, words) if signed is None else signed}


def talk(*contents: Any, **more: Any) -> dict[str, Any]:
    """A request with these contents by turns, the user's first."""
    messages = [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(contents)]
    return {**asked(""), "messages": messages, **more}


def roles(*order: str) -> dict[str, Any]:
    return {**asked(""), "messages": [{"role": role, "content": "Hello."} for role in order]}


def tool(**more: Any) -> dict[str, Any]:
    return {**READ, **more}


def schema(**more: Any) -> dict[str, Any]:
    return {"tools": [tool(input_schema={"type": "object", **more})]}


GOOD: Mapping[str, Mapping[str, Any]] = {
    "one message": talk("Hello."),
    "blocks": talk(
        [said(), {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]
    ),
    "an image by its address": talk([{"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}]),
    "two results": talk("Go.", [call("t1"), call("t2")], [result("t2"), result("t1"), said()]),
    "a result of blocks": talk("Go.", [call()], [result(content=[said()])]),
    "an empty result": talk("Go.", [call()], [result(content="")]),
    "a failed result": talk("Go.", [call()], [result(content="No such file.", is_error=True)]),
    "a search": talk("Go.", [said(), search(), found(), said()], "Thanks."),
    "a paused search": talk("Go.", [search()]),
    "a paused search that went on": {
        **talk("Go.", [search()]),
        "messages": [
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": [search()]},
            {"role": "assistant", "content": [found(), said()]},
            {"role": "user", "content": "Thanks."},
        ],
    },
    "thinking": talk("Go.", [thought(), call()], [result()], thinking=ON, max_tokens=2_000),
    "thoughts that are hidden": talk(
        "Go.", [{"type": "redacted_thinking", "data": signature("", "x")}, said()], "Go on."
    ),
    "no thought where thinking adapts": talk("Go.", [call()], [result()], thinking={"type": "adaptive"}),
    "thinking between tools": talk("Go.", thinking={"type": "between_tools"}),
    "effort": talk("Go.", output_config={"effort": "low"}),
    "a form": talk("Go.", output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
    "four markers": talk(
        [said(), said(cache_control=MARK)], tools=[tool(cache_control=HOUR)], system=[said(cache_control=MARK)] * 2
    ),
    "a marker within a result": talk("Go.", [call()], [result(content=[said(cache_control=MARK)])]),
    "a marker at the top": talk("Go.", cache_control=HOUR),
    "a tool of the API's": talk("Go.", tools=[SEARCH, READ]),
    "a tool of one's choice": talk("Go.", tools=[READ], tool_choice=CHOICE),
    "one tool at a time": talk("Go.", tools=[READ], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "a dated model": talk("Go.", model=f"{MODEL}-20261007"),
    "the beginning of an answer": talk("Go.", "The answer is", model=SMALL_MODEL),
    "a cache that is warmed": talk("Go.", max_tokens=0),
    "options": talk("Go.", metadata={"user_id": "u"}, stop_sequences=["x"], service_tier="auto"),
}

BAD: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "no message": ("messages", "at least one message", talk()),
    "the assistant first": ("roles", 'first message must use the "user" role', roles("assistant", "user")),
    "the user twice": ("roles", "roles must alternate", roles("user", "user")),
    "the assistant twice": ("roles", "roles must alternate", roles("user", "assistant", "assistant", "user")),
    "an unknown role": ("role", "messages.0.role", roles("tool")),
    "a system message": ("role", "messages.1.role", roles("user", "system")),
    "a message's unknown field": (
        "unknown_field",
        "messages.0.name: Extra inputs",
        {**asked(""), "messages": [{"role": "user", "content": "x", "name": "n"}]},
    ),
    "empty content": ("empty_content", "non-empty content", talk([])),
    "empty words": ("empty_text", "non-empty", talk("")),
    "only spaces": ("empty_text", "whitespace", talk(" \n")),
    "an empty text block": ("empty_text", "text content blocks must be non-empty", talk([said("")])),
    "a text block of spaces": ("empty_text", "non-whitespace", talk([said(" ")])),
    "an empty text in a result": ("empty_text", "non-empty", talk("Go.", [call()], [result(content=[said("")])])),
    "an empty failure": ("empty_text", "is_error", talk("Go.", [call()], [result(content="", is_error=True)])),
    "a space at the end": ("trailing_space", "trailing whitespace", talk("Go.", "The answer is ", model=SMALL_MODEL)),
    "no prefill": ("prefill", "does not support assistant message prefill", talk("Go.", "The answer is")),
    "an unknown block": ("block_type", "'tool_resul'", talk([{"type": "tool_resul"}])),
    "a user's call": ("block_type", "'tool_use'", talk([call()])),
    "an assistant's result": ("block_type", "'tool_result'", talk("Go.", [result()], "x")),
    "an unknown field of a block": ("unknown_field", "extra: Extra inputs", talk([said(extra=1)])),
    "no result": ("missing_result", "ids were found without `tool_result` blocks", talk("Go.", [call()], "Well?")),
    "no result at the end": ("missing_result", "toolu_1", talk("Go.", [call()], model=SMALL_MODEL)),
    "one result of two": ("missing_result", "after: t2", talk("Go.", [call("t1"), call("t2")], [result("t1")])),
    "a result too late": ("missing_result", "messages.1", talk("Go.", [call()], "Wait.", "Yes.", [result()])),
    "a result of nothing": ("unexpected_result", "unexpected `tool_use_id`", talk([result()])),
    "a result of another": ("unexpected_result", "toolu_2", talk("Go.", [call()], [result(), result("toolu_2")])),
    "two results of one": ("two_results", "single result", talk("Go.", [call()], [result(), result()])),
    "words before results": ("results_first", "must come before", talk("Go.", [call()], [said(), result()])),
    "an id twice": (
        "unique_ids",
        "ids must be unique",
        talk("Go.", [call()], [result()], [call()], [result()]),
    ),
    "an id twice at once": ("unique_ids", "ids must be unique", talk("Go.", [call(), call()], [result()])),
    "an id with spaces": ("tool_use_id", "should match pattern", talk("Go.", [call("a b")], [result("a b")])),
    "a call without a name": ("tool_name", "name", talk("Go.", [call(name="")], [result()])),
    "a call with a text": ("tool_input", "valid dictionary", talk("Go.", [call(input="{}")], [result()])),
    "a search without result": ("missing_result", "`web_search` tool use", talk("Go.", [search()], "Thanks.")),
    "a result without a search": ("unexpected_result", "`server_tool_use` block", talk("Go.", [found()], "Thanks.")),
    "a result before its search": ("unexpected_result", "before it", talk("Go.", [found(), search()], "Thanks.")),
    "a changed thought": ("signature", "Invalid `signature`", talk("Go.", [thought("A.", signature("B.", "B."))], "x")),
    "a forged signature": ("signature", "Invalid `signature`", talk("Go.", [thought(signed="x" * 48)], "x")),
    "a thought without signature": (
        "field",
        "signature: Field required",
        talk("Go.", [{"type": "thinking", "thinking": "x"}], "x"),
    ),
    "a late thought": (
        "thinking_first",
        "Expected `thinking`",
        talk("Go.", [said(), thought()], "x", thinking={"type": "adaptive"}),
    ),
    "no thought before a call": (
        "thinking_first",
        "must start with a thinking block",
        talk("Go.", [call()], [result()], thinking=ON, max_tokens=2_000),
    ),
    "a marked thought": (
        "unknown_field",
        "thinking.cache_control",
        talk("Go.", [{**thought(), "cache_control": MARK}, said()], "x"),
    ),
    "a marked empty text": ("cache_control", "empty text blocks", talk([said("", cache_control=MARK)])),
    "five markers": ("cache_control", "maximum of 4", talk([said(cache_control=MARK)] * 5)),
    "five with that at the top": (
        "cache_control",
        "Found 5",
        talk([*[said(cache_control=MARK)] * 4, said()], cache_control=MARK),
    ),
    "a marker's odd life": ("cache_control", "'5m' or '1h'", talk([said(cache_control={**MARK, "ttl": "2h"})])),
    "a marker's odd type": ("cache_control", "'ephemeral'", talk([said(cache_control={"type": "for ever"})])),
    "an hour after five minutes": (
        "cache_control",
        "must not come after",
        talk([said(cache_control=HOUR)], system=[said(cache_control=MARK)]),
    ),
    "a tool's odd name": ("tool_name", "tools.0.custom.name", talk("Go.", tools=[tool(name="read file")])),
    "a tool's long name": ("tool_name", "{1,128}", talk("Go.", tools=[tool(name="x" * 129)])),
    "one tool twice": ("unique_tools", "names must be unique", talk("Go.", tools=[READ, READ])),
    "no schema": ("input_schema", "Field required", talk("Go.", tools=[{"name": "read"}])),
    "a schema of no object": ("input_schema", "'object'", talk("Go.", **schema(type="string"))),
    "a broken schema": ("input_schema", "draft 2020-12", talk("Go.", **schema(properties={"a": {"type": "text"}}))),
    "a union of schemas": ("input_schema", "oneOf, allOf, or anyOf", talk("Go.", **schema(anyOf=[{}]))),
    "a tool's unknown field": ("unknown_field", "tools.0.custom.schema", talk("Go.", tools=[tool(schema={})])),
    "an unknown kind of tool": ("tool_type", "'magic'", talk("Go.", tools=[{"type": "magic", "name": "x"}])),
    "no tool to choose": ("tool_choice", "while providing tools", talk("Go.", tool_choice={"type": "any"})),
    "another tool": (
        "tool_choice",
        "'x' not found",
        talk("Go.", tools=[READ], tool_choice={"type": "tool", "name": "x"}),
    ),
    "forced while thinking": (
        "tool_choice",
        "Thinking may not be enabled",
        talk("Go.", tools=[READ], tool_choice={"type": "any"}, thinking={"type": "adaptive"}),
    ),
    "an unknown way to think": ("thinking", "'deep'", talk("Go.", thinking={"type": "deep"})),
    "a small budget": ("thinking", "1024", talk("Go.", thinking={"type": "enabled", "budget_tokens": 1_000})),
    "a budget above the limit": ("thinking", "must be greater", talk("Go.", thinking=ON)),
    "a budget where it adapts": (
        "unknown_field",
        "budget_tokens",
        talk("Go.", thinking={"type": "adaptive", "budget_tokens": 2_000}),
    ),
    "an unknown effort": ("output_config", "effort", talk("Go.", output_config={"effort": "most"})),
    "a broken form": ("output_config", "json_schema", talk("Go.", output_config={"format": {"type": "text"}})),
    "no limit": ("field", "max_tokens: Field required", {k: v for k, v in talk("x").items() if k != "max_tokens"}),
    "no model": ("field", "model: Field required", {k: v for k, v in talk("x").items() if k != "model"}),
    "no messages": ("field", "messages: Field required", {"model": MODEL, "max_tokens": 1}),
    "a limit of half a token": ("max_tokens", "valid integer", talk("Go.", max_tokens=0.5)),
    "a limit below zero": ("max_tokens", "greater than or equal to 0", talk("Go.", max_tokens=-1)),
    "a limit above the model's": ("max_tokens", "2001 > 2000", talk("Go.", model=SMALL_MODEL, max_tokens=2_001)),
    "a temperature": ("unknown_field", "temperature: Extra inputs", talk("Go.", temperature=0.5)),
    "a stop of spaces": ("stop_sequences", "non-whitespace", talk("Go.", stop_sequences=[" "])),
    "odd metadata": ("unknown_field", "metadata.name", talk("Go.", metadata={"name": "x"})),
    "an empty system block": ("empty_text", "system.0", talk("Go.", system=[said("")])),
    "an image in the system prompt": ("block_type", "system.0", talk("Go.", system=[{"type": "image"}])),
    "an image without source": ("source", "source: Field required", talk([{"type": "image"}])),
}


def post(client: anthropic.Anthropic, request: Mapping[str, Any], path: str = "/v1/messages") -> Any:
    """The request as it is: the client's own methods would add what is missing."""
    return client.post(path, body=dict(request), cast_to=object)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_request_is_answered(messages_api: FakeMessagesApi, client: anthropic.Anthropic, name: str) -> None:
    post(client, GOOD[name])
    streamed(client, **GOOD[name])
    assert messages_api.violations == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_and_recorded(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, name: str
) -> None:
    rule, words, request = BAD[name]
    with pytest.raises(anthropic.BadRequestError) as refused:
        post(client, request)
    assert refused.value.type == "invalid_request_error"
    assert words in str(refused.value)
    (violation,) = messages_api.violations
    assert violation.rule == rule
    assert words in violation.message
    assert messages_api.report().outcomes == {"400": 1}


def test_every_rule_holds_for_counting_too(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    counted = {"model": MODEL, "messages": [{"role": "assistant", "content": "x"}]}
    with pytest.raises(anthropic.BadRequestError, match="first message"):
        post(client, counted, "/v1/messages/count_tokens")
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
        post(client, talk("Go."), "/v1/messages/count_tokens")
    assert [violation.rule for violation in messages_api.violations] == ["roles", "unknown_field"]


def test_what_is_no_json_is_refused(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    for content in (b"{", b"[]", b'"x"'):
        with pytest.raises(anthropic.BadRequestError, match="not valid JSON"):
            client.post("/v1/messages", content=content, cast_to=object)
    assert len(messages_api.violations) == 3


def test_an_unknown_model_is_not_found(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-none") as refused:
        create(client, **talk("Go.", model="claude-none"))
    assert refused.value.type == "not_found_error"
    assert messages_api.violations == []


def test_a_prompt_longer_than_the_window_is_refused(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 10003 tokens > 8000 maximum"):
        create(client, **talk("word" * 10_000, model=SMALL_MODEL))
    assert messages_api.violations == []


def test_a_body_above_the_limit_is_too_large(messages_api: FakeMessagesApi, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as refused:
        create(client, **talk("x" * (32 * 1024 * 1024 + 1)))
    assert refused.value.status_code == 413
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"]["type"] == "request_too_large"
    assert streamed(client, **talk("Hello.")).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        (Settings(system_messages=True), ["user", "system", "assistant", "system", "user"]),
        (Settings(merges_turns=True), ["user", "user", "assistant", "assistant", "user"]),
    ],
)
def test_what_is_a_mistake_may_be_allowed(settings: Settings, order: Sequence[str]) -> None:
    with (
        FakeMessagesApi(settings=settings) as api,
        anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client,
    ):
        post(client, roles(*order))
        assert api.violations == []
