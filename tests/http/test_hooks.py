"""Webhooks: alerts of other monitors, told once each to a fleet, by whoever may."""

from typing import Any

import httpx2
import msgspec
import pytest

from tests.http.place import Place

FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "InstanceDown", "severity": "page", "skill": "network, web", "job": "shop"},
    "annotations": {"summary": "the shop is down", "description": "for five minutes"},
    "startsAt": "2026-11-23T10:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus.example/graph",
    "fingerprint": "a1b2c3",
}


def webhook(*alerts: dict[str, Any]) -> dict[str, Any]:
    """As Alertmanager 0.27 sends it."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="InstanceDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "fleetlog",
        "groupLabels": {"alertname": "InstanceDown"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": list(alerts),
    }


def told(place: Place) -> list[dict[str, Any]]:
    """The alerts that have come to agent b."""
    found = place.runtime.inbox(place.b).messages
    return [msgspec.json.decode(message.payload) for message in found if message.type == "alert"]


def post(http: httpx2.Client, place: Place, body: Any, **options: Any) -> httpx2.Response:
    return http.post(
        "/hooks/alerts", params={"fleet": place.fleet_id, **options.pop("params", {})}, json=body, **options
    )


def test_an_alertmanager_webhook_becomes_an_alert_of_the_fleet(place: Place, http: httpx2.Client) -> None:
    reply = post(http, place, webhook(FIRING))
    assert reply.status_code == 200
    assert reply.json()["received"] == len(reply.json()["message_ids"]) == 1
    (alert,) = told(place)
    assert alert["text"] == "InstanceDown: the shop is down"
    assert (alert["severity"], alert["status"], alert["fingerprint"]) == ("critical", "firing", "a1b2c3")
    assert alert["skills"] == ["network", "web"]
    assert alert["labels"]["job"] == "shop"


def test_a_webhook_that_is_sent_again_is_told_once_even_in_other_words(place: Place, http: httpx2.Client) -> None:
    first = post(http, place, webhook(FIRING)).json()
    assert post(http, place, webhook(FIRING)).json() == first
    again = {**FIRING, "annotations": {"summary": "the shop is down, still"}}
    assert post(http, place, webhook(again)).json() == {"received": 1, "message_ids": []}
    assert len(told(place)) == 1


def test_what_is_resolved_is_told_too_and_so_is_the_next_time_it_fires(place: Place, http: httpx2.Client) -> None:
    later = {**FIRING, "startsAt": "2026-11-24T10:00:00Z"}
    for one in (FIRING, {**FIRING, "status": "resolved"}, later):
        post(http, place, webhook(one))
    assert [alert["status"] for alert in told(place)] == ["firing", "resolved", "firing"]


def test_an_alert_without_a_fingerprint_is_known_by_its_labels(place: Place, http: httpx2.Client) -> None:
    bare = {name: value for name, value in FIRING.items() if name != "fingerprint"}
    post(http, place, webhook(bare, {**bare, "labels": {"alertname": "Other"}}, bare))
    assert [alert["text"] for alert in told(place)] == ["InstanceDown: the shop is down", "Other: the shop is down"]


def test_plain_json_is_taken_too_one_or_several_to_all_or_to_one(place: Place, http: httpx2.Client) -> None:
    post(http, place, {"text": "the disk is full", "severity": "high", "labels": {"host": "a"}})
    post(http, place, [{"text": "one"}, {"text": "two"}], params={"to": place.b})
    post(http, place, {"text": "for a alone"}, params={"to": place.a})
    assert [alert["text"] for alert in told(place)] == ["the disk is full", "one", "two"]


def test_a_plain_alert_is_told_once_for_its_key_and_each_time_without_one(place: Place, http: httpx2.Client) -> None:
    for _ in range(2):
        post(http, place, [{"text": "one"}, {"text": "two"}], headers={"Idempotency-Key": "request 7"})
    assert [alert["text"] for alert in told(place)] == ["one", "two"]
    for _ in range(2):
        post(http, place, {"text": "three"})
    assert len(told(place)) == 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": ""}, "'text' must say what is wrong"),
        ({"txt": "x"}, "contains unknown field `txt`"),
        ({"text": "x", "severity": "bad"}, "'severity' must be one of info, warning, high, critical, got 'bad'"),
        ({"text": "x", "status": "odd"}, "'status' must be firing or resolved, got 'odd'"),
        ({"alerts": [{"status": "firing"}]}, "is not an Alertmanager webhook"),
        ([{"text": "x"}] * 1_001, "at most 1000 at once, got 1001"),
        ("just words", "is not an alert"),
    ],
)
def test_what_is_no_alert_is_refused_in_a_sentence_and_nothing_of_it_is_told(
    body: Any, said: str, place: Place, http: httpx2.Client
) -> None:
    reply = post(http, place, body)
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]
    assert told(place) == []


def test_the_rest_of_the_rules_is_that_of_every_route(place: Place, http: httpx2.Client) -> None:
    assert post(http, place, {"text": "x" * 2_000_000}).status_code == 413
    assert http.post("/hooks/alerts", json={"text": "x"}).status_code == 400
    assert http.get("/hooks/alerts").status_code == 405
    assert http.post("/hooks/alerts?fleet=nobody", json={"text": "x"}).status_code == 404
    assert http.post(f"/hooks/alerts?fleet={place.fleet_id}&flet=x", json={"text": "x"}).status_code == 400
    assert post(http, place, {"text": "x"}, headers={"Origin": "http://elsewhere.example"}).status_code == 403
    assert post(http, place, {"text": "x"}, headers={"Host": "elsewhere.example"}).status_code == 421
    words = http.post(f"/hooks/alerts?fleet={place.fleet_id}", content='{"text": "x"}')
    assert words.status_code == 415
    assert told(place) == []


def test_only_an_operators_token_may_raise_alerts(place: Place, http: httpx2.Client) -> None:
    tokens = {place.runtime.issue_token("read").token: 403, place.runtime.issue_token("operator").token: 200}
    for token, status in tokens.items():
        assert post(http, place, {"text": "x"}, headers={"Authorization": f"Bearer {token}"}).status_code == status
    assert len(told(place)) == 1
