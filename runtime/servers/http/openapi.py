"""The OpenAPI 3.1 document, made from the same operations that answer requests."""

from collections.abc import Container, Mapping
from importlib import metadata
from typing import Any

import msgspec

from fleetlog.runtime.rows import InboxMessage, TimelineEntry
from fleetlog.runtime.servers.http.hooks import MAX_ALERTS, AlertmanagerWebhook, HookReply, PlainAlert
from fleetlog.runtime.servers.http.operations import Operation

__all__ = ["openapi"]

Json = dict[str, Any]

_REFS = "#/components/schemas/{name}"
_FAULTS = {
    400: "An argument is wrong: which one, what it got, what is allowed.",
    401: "The token is not known, or one is needed.",
    403: "This token may not do this.",
    404: "There is no such thing.",
    409: "It exists, but its state does not allow this; or the idempotency key was used for another call.",
    413: "The body is too large.",
    415: "The body's content type is not supported.",
    503: "Not now: try again after Retry-After seconds.",
}
_BODY_FAULTS = {413, 415}


class ErrorDetail(msgspec.Struct):
    """`kind` is a word for programs, `message` one sentence for people."""

    kind: str
    message: str


class ErrorReply(msgspec.Struct):
    """Every answer that is not the reply."""

    error: ErrorDetail


class ServerHealth(msgspec.Struct):
    """Somebody is there."""

    status: str
    version: str


class _Schemas:
    """Schemas of types, and the components they refer to."""

    def __init__(self, types: list[Any], strict: list[Any]) -> None:
        found, self.components = msgspec.json.schema_components(types, ref_template=_REFS)
        self._by_type = list(zip(types, found, strict=True))
        _, of_arguments = msgspec.json.schema_components(strict, ref_template=_REFS)
        for name in of_arguments:  # what is given is refused when it has fields nobody knows
            if self.components[name].get("type") == "object":
                self.components[name].setdefault("additionalProperties", False)

    def of(self, wanted: Any) -> Json:
        """The schema of one of the types."""
        return next(schema for one, schema in self._by_type if one is wanted)


def openapi(table: Mapping[str, Operation]) -> Json:
    """The document of these operations."""
    arguments = [one.arguments for one in table.values()]
    replies = [one.reply for one in table.values() if one.reply is not bytes]
    others = [ErrorReply, ServerHealth, TimelineEntry, InboxMessage, *_OF_HOOKS]
    schemas = _Schemas([*arguments, *replies, *others], [*arguments, PlainAlert])
    paths: dict[str, Json] = {
        "/health": {"get": _health(schemas)},
        "/hooks/alerts": {"post": _hook(schemas)},
        **_streams(),
    }
    for operation in table.values():
        path: Json = {"post": _post(operation, schemas)}
        if operation.is_plain:
            path["get"] = _get(operation, schemas)
        paths[f"/v1/{operation.name}"] = path
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fleetlog",
            "version": metadata.version("fleetlog"),
            "summary": "Fleets of agents: spawn them, talk to them, collect what they have found.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _fault_answers(schemas),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }


def _post(operation: Operation, schemas: _Schemas) -> Json:
    described = _described(operation, operation.name, schemas)
    if operation.raw:
        content: Json = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        described["parameters"] = _query(operation, schemas)
    else:
        content = {"application/json": {"schema": schemas.of(operation.arguments)}}
    described["requestBody"] = {"required": _needs_body(operation), "content": content}
    if operation.takes_key:
        described.setdefault("parameters", []).append(_KEY_HEADER)
    return described


def _needs_body(operation: Operation) -> bool:
    return bool(operation.raw) or any(field.required for field in operation.fields.values())


def _get(operation: Operation, schemas: _Schemas) -> Json:
    described = _described(operation, f"get_{operation.name}", schemas)
    described["parameters"] = _query(operation, schemas)
    described["responses"] = {"200": _reply(operation, schemas), **_refusals(_BODY_FAULTS)}
    return described


def _described(operation: Operation, operation_id: str, schemas: _Schemas) -> Json:
    return {
        "operationId": operation_id,
        "summary": operation.summary,
        "description": operation.about,
        "responses": {"200": _reply(operation, schemas), **_refusals()},
    }


def _reply(operation: Operation, schemas: _Schemas) -> Json:
    if operation.reply is bytes:
        content: Json = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": schemas.of(operation.reply)}}
    return {"description": "The reply.", "content": content}


def _refusals(but: Container[int] = ()) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in _FAULTS if status not in but}


def _fault_answers(schemas: _Schemas) -> Json:
    content = {"application/json": {"schema": schemas.of(ErrorReply)}}
    return {str(status): {"description": said, "content": content} for status, said in _FAULTS.items()}


def _query(operation: Operation, schemas: _Schemas) -> list[Json]:
    name = schemas.of(operation.arguments)["$ref"].rpartition("/")[2]
    properties = schemas.components[name]["properties"]
    return [
        {"name": field, "in": "query", "required": info.required, "schema": _of_a_word(properties[field])}
        for field, info in operation.fields.items()
    ]


def _of_a_word(schema: Json) -> Json:
    """Without null: a query leaves out what is not given."""
    if "anyOf" not in schema:
        return schema
    kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


_KEY_HEADER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeat a call with its key, and it is made once: the first result is given again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _health(schemas: _Schemas) -> Json:
    content = {"application/json": {"schema": schemas.of(ServerHealth)}}
    answer = {"200": {"description": "It serves.", "content": content}}
    return {"operationId": "server_health", "summary": "Is anybody there?", "responses": answer, "security": []}


# --- webhooks ------------------------------------------------------------------------------------

_OF_HOOKS = [AlertmanagerWebhook, PlainAlert, HookReply]


def _hook(schemas: _Schemas) -> Json:
    fleet: Json = {"name": "fleet", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}}
    to: Json = {"name": "to", "in": "query", "required": False, "schema": {"type": "string", "default": "*"}}
    plain = schemas.of(PlainAlert)
    forms = [schemas.of(AlertmanagerWebhook), plain, {"type": "array", "items": plain, "maxItems": MAX_ALERTS}]
    reply = {"application/json": {"schema": schemas.of(HookReply)}}
    return {
        "operationId": "take_alerts",
        "summary": "Alerts of another monitor, for a fleet",
        "description": "What Alertmanager sends to a webhook, or an alert (or several) as plain JSON. What has "
        "the same fingerprint, beginning and status as before is told once.",
        "parameters": [fleet, to, _KEY_HEADER],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": forms}}}},
        "responses": {"200": {"description": "They are told.", "content": reply}, **_refusals()},
    }


# --- event streams -------------------------------------------------------------------------------

_FEEDS = (
    ("/v1/events", "all_events", "Every fleet's events, as they happen", TimelineEntry),
    ("/v1/fleets/{fleet_id}/events", "fleet_events", "A fleet's events, as they happen", TimelineEntry),
    ("/v1/agents/{agent_id}/inbox/events", "agent_messages", "An agent's messages, as they come", InboxMessage),
)
_ABOUT_FEEDS = (
    "Server-sent events. An event's id is its position in the log: the stream goes on behind Last-Event-ID, or after. "
    "Its data is {name} as JSON. Lines that begin with a colon keep the connection."
)
_AFTER: Json = {
    "name": "after",
    "in": "query",
    "description": "A position of the log, or now.",
    "schema": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "now"}], "default": 0},
}
_LAST_EVENT_ID: Json = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}}


def _streams() -> dict[str, Json]:
    return {path: {"get": _feed(path, name, summary, of)} for path, name, summary, of in _FEEDS}


def _feed(path: str, name: str, summary: str, of: type) -> Json:
    within = [word[1:-1] for word in path.split("/") if word.startswith("{")]
    ids: list[Json] = [{"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in within]
    return {
        "operationId": name,
        "summary": summary,
        "description": _ABOUT_FEEDS.format(name=of.__name__),
        "parameters": [*ids, _AFTER, _LAST_EVENT_ID],
        "responses": {
            "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **_refusals(_BODY_FAULTS),
        },
    }
