"""Webhooks: alerts of other monitors become alerts of a fleet. `POST /hooks/alerts?fleet=FLEET` takes what
Alertmanager sends (version 4 of its webhooks), or one alert (or a list) as plain JSON.

Its rule: an alert that is sent again is told once. What makes it the same is its fingerprint, when it began, and
whether it fires or is resolved; without a fingerprint, the request's Idempotency-Key.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import OPERATOR
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.calls import KeyReused
from fleetlog.runtime.servers.http.bodies import (
    MAX_JSON_BYTES,
    body_of,
    json_of,
    key_of,
    refuse_other_types,
    refuse_unknown,
)
from fleetlog.runtime.servers.http.replies import encoded
from fleetlog.runtime.servers.http.streams import House

__all__ = ["MAX_ALERTS", "AlertmanagerAlert", "AlertmanagerWebhook", "HookReply", "PlainAlert", "take_alerts"]

MAX_ALERTS = 1_000
_TEXT_CHARS = 2_000
_LABELS, _LABEL_CHARS = 64, 300
_SEVERITIES = {
    "critical": "critical",
    "page": "critical",
    "emergency": "critical",
    "high": "high",
    "error": "high",
    "major": "high",
    "warning": "warning",
    "minor": "warning",
    "info": "info",
    "none": "info",
}


class PlainAlert(Struct, frozen=True, forbid_unknown_fields=True):
    """An alert of anybody's. `status` is firing or resolved; `fingerprint` is the same for the same thing; `startsAt`
    tells one time it fires from the next. `skills`: who should respond."""

    text: str
    severity: str = "warning"
    status: str = "firing"
    labels: dict[str, str] = {}
    fingerprint: str = ""
    startsAt: str = ""  # noqa: N815 - Alertmanager's name
    skills: list[str] = []


class AlertmanagerAlert(Struct, frozen=True):
    """One alert as Alertmanager sends it."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815 - Alertmanager's name
    fingerprint: str = ""


class AlertmanagerWebhook(Struct, frozen=True):
    """What Alertmanager sends; fields that mean nothing here are ignored."""

    version: str
    alerts: list[AlertmanagerAlert]


class HookReply(Struct, frozen=True):
    """`received` alerts; `message_ids` are those of the messages they became, the same for what was sent before."""

    received: int
    message_ids: tuple[str, ...]


async def take_alerts(house: House, request: Request) -> Response:
    """The route. Every alert is durable when it is answered; a request that was answered with an error is simply sent
    again."""
    fleet, to = _query(request)
    refuse_other_types(request, "application/json")
    alerts = alerts_in(json_of("alerts", await body_of(request, MAX_JSON_BYTES)))
    key = key_of(request)
    door = house.door(request)
    reply = await house.run_blocking(lambda: _tell(door, fleet, to, alerts, key))
    return Response(encoded(reply), media_type="application/json", headers={"cache-control": "no-store"})


def _query(request: Request) -> tuple[str, str]:
    given: dict[str, str] = {}
    for name, word in request.query_params.multi_items():
        if name in given:
            raise InvalidArgument(f"alerts: '{name[:80]}' is given twice")
        given[name] = word
    refuse_unknown(given, ("fleet", "to"))
    if not given.get("fleet"):
        raise InvalidArgument("alerts: say whom the alerts are for: /hooks/alerts?fleet=FLEET")
    return given["fleet"], given.get("to", "*")


def alerts_in(body: Any) -> list[PlainAlert]:
    """The alerts in a body of either form. Raises `InvalidArgument`."""
    is_alertmanager = isinstance(body, dict) and "alerts" in body
    rows = body if isinstance(body, list) else [body]
    try:
        if is_alertmanager:
            alerts = [_plain(one) for one in msgspec.convert(body, AlertmanagerWebhook).alerts]
        else:
            alerts = [msgspec.convert(row, PlainAlert) for row in rows]
    except msgspec.ValidationError as error:
        said = "an Alertmanager webhook" if is_alertmanager else "an alert ({text, severity, labels, ...})"
        raise InvalidArgument(f"alerts: the body is not {said}: {error}") from error
    if len(alerts) > MAX_ALERTS:
        raise InvalidArgument(f"alerts: at most {MAX_ALERTS} at once, got {len(alerts)}")
    return [_checked(alert) for alert in alerts]


def _plain(alert: AlertmanagerAlert) -> PlainAlert:
    labels = alert.labels
    name = labels.get("alertname", "alert")
    said = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    fingerprint = alert.fingerprint or _digest(sorted(labels.items()))
    skills = [one.strip() for one in labels.get("skills", labels.get("skill", "")).split(",") if one.strip()]
    text = f"{name}: {said}" if said else name
    severity = _SEVERITIES.get(labels.get("severity", "").lower(), "warning")
    return PlainAlert(text, severity, alert.status, labels, fingerprint, alert.startsAt, skills)


def _checked(alert: PlainAlert) -> PlainAlert:
    if not alert.text.strip():
        raise InvalidArgument("alerts: 'text' must say what is wrong")
    if alert.status not in ("firing", "resolved"):
        raise InvalidArgument(f"alerts: 'status' must be firing or resolved, got '{alert.status[:40]}'")
    if alert.severity not in _SEVERITIES:
        words = "info, warning, high, critical"
        raise InvalidArgument(f"alerts: 'severity' must be one of {words}, got '{alert.severity[:40]}'")
    labels = {name[:_LABEL_CHARS]: value[:_LABEL_CHARS] for name, value in list(alert.labels.items())[:_LABELS]}
    return msgspec.structs.replace(
        alert, text=alert.text[:_TEXT_CHARS], severity=_SEVERITIES[alert.severity], labels=labels
    )


def _tell(door: Door, fleet: str, to: str, alerts: list[PlainAlert], key: str | None) -> HookReply:
    fleet_id = door.resolve_fleet(fleet)
    message_ids = []
    for number, alert in enumerate(alerts):
        payload = msgspec.json.encode({name: value for name, value in _fields(alert).items() if value}).decode()
        known = _key(fleet_id, to, alert, f"{key} {number}" if key else "")
        try:
            sent = door.send_message(OPERATOR, to, fleet_id, "alert", payload, idempotency_key=known)
        except KeyReused:
            continue  # sent before, in other words
        message_ids.append(sent.message_id)
    return HookReply(len(alerts), tuple(message_ids))


def _fields(alert: PlainAlert) -> dict[str, Any]:
    fields = msgspec.structs.asdict(alert)
    del fields["startsAt"]
    return fields


def _key(fleet_id: str, to: str, alert: PlainAlert, given: str) -> str | None:
    same = [alert.fingerprint, alert.startsAt, alert.status] if alert.fingerprint else [given]
    return f"hook-{_digest([fleet_id, to, *same])}" if alert.fingerprint or given else None


def _digest(value: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()
