"""Calls over HTTP as any program makes them: good ones, and each kind of bad one, by its status and its words."""

import json
from typing import Any

import httpx2
import msgspec
import pytest

from fleetlog.runtime.servers.http.operations import operations
from tests.http.place import Place

TABLE = operations()
JSON = {"content-type": "application/json"}


def error_of(answer: httpx2.Response) -> tuple[int, str, str]:
    """(status, kind, message); every refusal has this shape and no other."""
    said = answer.json()
    assert list(said) == ["error"]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, said["error"]["kind"], said["error"]["message"]


def plain(reply: object) -> Any:
    """The reply as JSON says it."""
    return json.loads(msgspec.json.encode(reply))


def test_a_call_is_a_post_of_its_arguments_and_its_reply_is_the_facades(place: Place, http: httpx2.Client) -> None:
    answer = http.post("/v1/fleet_status", json={"fleet_id": place.fleet_id})
    assert answer.status_code == 200
    assert answer.json() == plain(place.runtime.fleet_status(place.fleet_id))


def test_what_reads_can_be_called_with_get(place: Place, http: httpx2.Client) -> None:
    answer = http.get("/v1/timeline", params={"fleet_id": place.fleet_id, "after": 2, "limit": 3})
    assert answer.json() == plain(place.runtime.timeline(place.fleet_id, after=2, limit=3))
    assert http.get("/v1/inbox", params={"agent_id": place.b, "all": "true"}).json()["messages"]
    assert http.get("/v1/list_fleets", params={"query": "17%"}).json()["fleets"] == []
    assert http.get("/v1/collect_results", params={"fleet_id": place.fleet_id, "wait_s": "1e-3"}).status_code == 200
    assert http.head("/v1/health").status_code == 200


def test_what_changes_something_cannot_be_called_with_get(place: Place, http: httpx2.Client) -> None:
    for operation in TABLE.values():
        if not operation.is_plain:
            answer = http.get(f"/v1/{operation.name}")
            assert error_of(answer)[:2] == (405, "method_not_allowed")
            assert answer.headers["allow"] == "POST"


def test_a_spec_goes_in_whole_and_a_fleet_comes_out(place: Place, http: httpx2.Client) -> None:
    spec = {"agents": [{"role": "reader", "prompt": "read", "budget": {"tokens": 5}}], "keep_open": True, "name": "n"}
    reply = http.post("/v1/spawn_fleet", json={"spec": spec}).json()
    found = place.runtime.fleet_status(reply["fleet_id"])
    assert (found.fleet.name, found.agents[0].role, found.agents[0].budget.tokens) == ("n", "reader", 5)  # type: ignore[union-attr]


def test_the_key_in_the_header_makes_a_call_once(place: Place, http: httpx2.Client) -> None:
    body = {"from_agent_id": place.a, "to_agent_id": place.b, "fleet_id": place.fleet_id, "type": "question"}
    first, again, other = (
        http.post("/v1/send_message", json={**body, "payload": payload}, headers={"idempotency-key": "k"})
        for payload in ("x", "x", "y")
    )
    assert first.json()["message_id"] == again.json()["message_id"]
    assert error_of(other)[:2] == (409, "not_allowed")
    assert [message.payload for message in place.runtime.inbox(place.b).messages] == ["first", "x"]


def test_a_key_is_text_in_utf_8_and_the_same_as_the_facades(place: Place, http: httpx2.Client) -> None:
    place.runtime.cancel_help(place.help_id, idempotency_key="ключ")
    position = place.settled()
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", "ключ".encode())]
    answer = http.post("/v1/cancel_help", content=json.dumps({"help_id": place.help_id}), headers=headers)
    assert answer.json()["help_id"] == place.help_id
    assert place.settled() == position


def test_an_artifact_goes_in_and_out_as_it_is(place: Place, http: httpx2.Client) -> None:
    content = bytes(range(256)) * 8_000  # more than JSON may have
    raw = {"content-type": "application/octet-stream"}
    stored = http.post("/v1/store_artifact", content=content, headers=raw).json()
    assert stored["size_bytes"] == len(content)
    answer = http.get("/v1/artifact", params={"sha256": stored["sha256"]})
    assert (answer.content, answer.headers["content-type"]) == (content, "application/octet-stream")


def test_a_result_whose_keys_are_no_json_comes_with_text_keys(place: Place, http: httpx2.Client) -> None:
    place.runtime.submit_result(place.a, {None: 1, True: {2: (3, {False: 4})}})
    answer = http.get("/v1/collect_results", params={"fleet_id": place.fleet_id})
    assert answer.json()["results"][0]["output"] == {"None": 1, "True": {"2": [3, {"False": 4}]}}


def test_a_call_that_waits_is_answered_when_it_is_final(place: Place, http: httpx2.Client) -> None:
    place.runtime.submit_result(place.a, 1)
    place.runtime.submit_result(place.b, 2)
    answer = http.post("/v1/collect_results", json={"fleet_id": place.fleet_id, "wait_s": 50.0})
    assert answer.json()["is_final"]
    assert answer.elapsed.total_seconds() < 20


BAD: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    "an argument nobody knows": ("ack", {"agent_id": "A", "mesage_id": "x"}, 400, "invalid_argument", "'message_id'?"),
    "an argument that is missing": ("ack", {"agent_id": "A"}, 400, "invalid_argument", "'message_id' is required"),
    "a number for text": (
        "ack",
        {"agent_id": 1, "message_id": "x"},
        400,
        "invalid_argument",
        "must be a string, got 1",
    ),
    "text for a number": ("timeline", {"after": "1"}, 400, "invalid_argument", "'after' must be an integer"),
    "a flag that is text": ("inbox", {"agent_id": "B", "all": "true"}, 400, "invalid_argument", "must be a boolean"),
    "a word that is not one of those": (
        "alert",
        {"fleet_id": "F", "severity": "loud", "text": "x"},
        400,
        "invalid_argument",
        "exactly one of",
    ),
    "a field of a spec nobody knows": (
        "spawn_fleet",
        {"spec": {"agents": [{"role": "a", "prompt": "x", "promt": "y"}]}},
        400,
        "invalid_argument",
        "did you mean 'prompt'?",
    ),
    "the key among the arguments": (
        "cancel_fleet",
        {"fleet_id": "F", "idempotency_key": "k"},
        400,
        "invalid_argument",
        "unknown argument 'idempotency_key'",
    ),
    "a number beyond 64 bits": ("timeline", {"after": 2**80}, 400, "invalid_argument", "after"),
    "a limit beyond all": ("list_fleets", {"limit": 10**6}, 400, "invalid_argument", "must be <= 1000"),
    "a fleet that is not there": ("fleet_status", {"fleet_id": "fleet-x"}, 404, "not_found", "fleet-x not found"),
    "an agent that is not there": ("inbox", {"agent_id": "agent-x"}, 404, "not_found", "agent-x"),
    "what its state does not allow": ("archive_fleet", {"fleet_id": "F"}, 409, "not_allowed", "running"),
    "a payload too large": (
        "send_message",
        {"from_agent_id": "A", "to_agent_id": "B", "fleet_id": "F", "type": "question", "payload": "x" * 65_537},
        400,
        "invalid_argument",
        "Payload too large: 65537 bytes (limit 65536)",
    ),
    "a digest that is a path": ("artifact", {"sha256": "../" * 21 + "x"}, 400, "invalid_argument", "sha256"),
    "waiting for nothing": ("timeline", {"wait_s": -1}, 400, "invalid_argument", "wait_s"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_call_is_refused_in_a_sentence_and_records_nothing(case: str, place: Place, http: httpx2.Client) -> None:
    operation, arguments, status, kind, words = BAD[case]
    ids = {"A": place.a, "B": place.b, "F": place.fleet_id}
    given = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    before = place.settled()
    found = error_of(http.post(f"/v1/{operation}", json=given))
    assert found[:2] == (status, kind)
    assert words in found[2]
    assert place.settled() == before


NO_JSON: dict[str, tuple[bytes, str]] = {
    "nothing but a brace": (b"{", "is not JSON"),
    "a list": (b"[]", "must be an object"),
    "text": (b'"x"', "must be an object"),
    "null": (b"null", "must be an object"),
    "not a number": (b'{"after": NaN}', "is not JSON"),
    "a number too large": (b'{"after": 1e999}', "is not JSON"),
    "bytes that are no UTF-8": (b'{"fleet_id": "\xff"}', "is not UTF-8"),
    "half a pair": (rb'{"fleet_id": "\ud800"}', "is not JSON"),
    "brackets without end": (b"[" * 500_000, "nested too deeply"),
    "brackets just too deep": (b'{"a":' * 101 + b"1" + b"}" * 101, "nested too deeply"),
    "quotes without end": (b"[" + b"[]," * 101 + rb'"\"' * 100_000, "is not JSON"),
}


@pytest.mark.parametrize("case", NO_JSON)
def test_a_body_that_is_no_json_is_refused(case: str, place: Place, http: httpx2.Client) -> None:
    body, words = NO_JSON[case]
    status, kind, said = error_of(http.post("/v1/timeline", content=body, headers=JSON))
    assert (status, kind) == (400, "invalid_argument")
    assert words in said


def test_brackets_inside_of_text_are_no_depth(place: Place, http: httpx2.Client) -> None:
    payload = json.dumps([[{"a": "]"}] for _ in range(90)]) + '\\"[' * 200
    body = {"from_agent_id": place.a, "to_agent_id": place.b, "fleet_id": place.fleet_id, "type": "question"}
    assert http.post("/v1/send_message", json={**body, "payload": payload}).status_code == 200
    assert place.runtime.inbox(place.b).messages[-1].payload == payload


def test_a_value_as_deep_as_is_allowed_comes_back(place: Place, http: httpx2.Client) -> None:
    output: Any = 1
    for _ in range(99):
        output = [output]
    assert http.post("/v1/submit_result", json={"agent_id": place.a, "output": output}).status_code == 200
    found = http.get("/v1/collect_results", params={"fleet_id": place.fleet_id})
    assert found.json()["results"][0]["output"] == output


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("after=1&after=2", "given twice"),
        ("aftr=1", "did you mean 'after'?"),
        ("after=one", "must be an integer"),
        ("after=1.5", "must be an integer"),
        ("wait_s=NaN", "must be a finite number"),
        ("wait_s=1_0", "must be a finite number"),
        ("after=" + "9" * 50, "must be an integer"),
        ("after=", "must be an integer"),
    ],
)
def test_a_bad_query_is_refused(query: str, words: str, place: Place, http: httpx2.Client) -> None:
    status, kind, said = error_of(http.get(f"/v1/timeline?{query}"))
    assert (status, kind) == (400, "invalid_argument")
    assert words in said


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ],
)
def test_only_json_is_taken_for_json(headers: dict[str, str], place: Place, http: httpx2.Client) -> None:
    before = place.settled()
    body = json.dumps({"fleet_id": place.fleet_id}).encode()
    request = http.build_request("POST", "/v1/cancel_fleet", content=body, headers=headers)
    assert error_of(http.send(request))[:2] == (415, "unsupported_media_type")
    assert place.settled() == before


def test_a_call_without_arguments_needs_no_body(place: Place, http: httpx2.Client) -> None:
    assert http.post("/v1/gates").json() == []
    assert http.post("/v1/gates", content=b"", headers=JSON).json() == []


def test_an_operation_that_is_not_there_is_said_to_be_so_with_the_nearest(place: Place, http: httpx2.Client) -> None:
    assert error_of(http.post("/v1/spawn_flet", json={}))[0] == 404
    assert "did you mean 'spawn_fleet'?" in error_of(http.post("/v1/spawn_flet", json={}))[2]
    for name in ("close", "open", "listening", "_change", "__init__", "acting_as", "begin_send_message", "position"):
        assert error_of(http.post(f"/v1/{name}", json={}))[:2] == (404, "not_found")


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"])
def test_other_verbs_are_refused(verb: str, place: Place, http: httpx2.Client) -> None:
    assert http.request(verb, "/v1/cancel_fleet").status_code == 405


def test_two_keys_and_keys_that_are_no_text_are_refused(place: Place, http: httpx2.Client) -> None:
    body = json.dumps({"help_id": place.help_id}).encode()
    for keys in ([b"a", b"b"], [b"\xff"], [b""], [b"k" * 201]):
        headers = [(b"content-type", b"application/json"), *((b"idempotency-key", key) for key in keys)]
        assert error_of(http.post("/v1/cancel_help", content=body, headers=headers))[:2] == (400, "invalid_argument")


def test_health_and_the_index_say_what_is_there(place: Place, http: httpx2.Client) -> None:
    assert http.get("/health").json()["status"] == "ok"
    index = http.get("/v1").json()
    assert {one["name"] for one in index["operations"]} == set(TABLE)
    assert all(one["summary"] for one in index["operations"])


def test_a_runtime_that_is_closed_says_so_and_when_to_come_again(place: Place, http: httpx2.Client) -> None:
    place.runtime.close()
    answer = http.post("/v1/list_fleets", json={})
    assert error_of(answer)[:2] == (503, "runtime_closed")
    assert answer.headers["retry-after"] == "1"
