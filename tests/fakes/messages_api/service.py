"""From a request to its answer: key, form, limits, rules, script, message. All of it runs on the server's loop."""

import asyncio
import itertools
import time
from collections.abc import Mapping

import msgspec

from tests.fakes.messages_api.checks import check_markers, check_request
from tests.fakes.messages_api.delivery import Answer, deliver, send_at_once
from tests.fakes.messages_api.faults import Fault, Refuse, Rules, Slow, retry_header
from tests.fakes.messages_api.limits import Limits
from tests.fakes.messages_api.message import Message, finished, frames, whole
from tests.fakes.messages_api.prompt import Prompt, Prompts
from tests.fakes.messages_api.prompt_cache import PromptCache
from tests.fakes.messages_api.refusals import Invalid, Json, Refusal, error_body
from tests.fakes.messages_api.replies import Reply, Script
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.settings import Model, Settings
from tests.fakes.messages_api.stats import ABANDONED, ANSWERED, Call, Stats, tokens_of
from tests.fakes.messages_api.tokens import json_bytes
from tests.fakes.messages_api.waiting import Waiting
from tests.fakes.messages_api.wire import Connection, HttpRequest

__all__ = ["Pace", "Service"]

_JSON = {"content-type": "application/json"}
_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")


class Pace(msgspec.Struct, frozen=True):
    """How long a reply takes."""

    latency_s: float
    tokens_per_s: float | None

    def slower(self, latency_s: float, tokens_per_s: float | None) -> "Pace":
        """This pace, with more latency and another speed, if one is given."""
        return Pace(self.latency_s + latency_s, tokens_per_s or self.tokens_per_s)


class Service:
    """Answers the API's endpoints. `scripts` may grow while it runs."""

    def __init__(self, settings: Settings, scripts: Mapping[str, Script]) -> None:
        self.settings, self.scripts = settings, scripts
        self.pace = Pace(settings.latency_s, settings.tokens_per_s)
        self.ahead_s = 0.0
        self.stats = Stats(self.now, time.time, settings.limit_grace_s)
        self.rules, self.limits = Rules(), Limits(self.now)
        self.waiting = Waiting(self.stats)
        self._prompts, self._cache = Prompts(), PromptCache(self.now)
        self._numbers = itertools.count(1)

    def now(self) -> float:
        """Seconds of the clock of caches and limits."""
        return time.monotonic() + self.ahead_s

    def answer(self, connection: Connection, http: HttpRequest) -> None:
        """Answer a request of the API."""
        request_id = f"req_{next(self._numbers):012d}"
        endpoint = http.path.removeprefix("/v1/").replace("messages/count_tokens", "count_tokens")
        call = self.stats.begin(endpoint)
        try:
            self._admit(http)
            match http.method, endpoint.partition("/"):
                case "POST", ("messages", "", _):
                    self._messages(connection, call, http, request_id)
                case "POST", ("count_tokens", "", _):
                    self._count_tokens(connection, call, http, request_id)
                case "GET", ("models", _, name):
                    self._models(connection, call, name, request_id)
                case _:
                    raise Refusal(404, f"{http.method} {http.path} not found")
        except Refusal as error:
            self._refuse(connection, call, error, request_id)
        self.waiting.look()

    # --- what every request must have --------------------------------------------------------

    def _admit(self, http: HttpRequest) -> None:
        scheme, _, key = http.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or key not in self.settings.api_keys:
            raise Refusal(401, "Invalid bearer token" if key else "Authorization header is required")
        version = http.headers.get("anthropic-version")
        if version not in _VERSIONS:
            said = "header is required" if version is None else f'"{version}" is not a valid version'
            raise Invalid("version", f"anthropic-version: {said}")
        if http.too_large:
            raise Refusal(413, "Request exceeds the maximum size")

    def _body(self, call: Call, http: HttpRequest) -> Json:
        """The request's body; its model is counted, and may be limited."""
        try:
            body: Json = msgspec.json.decode(http.body, type=dict)
        except msgspec.MsgspecError as error:
            raise Invalid("body", f"The request body is not valid JSON: {error}") from error
        model = body.get("model")
        self.stats.name(call, model if isinstance(model, str) else "")
        return body

    def _met(self, call: Call) -> tuple[Pace, Fault | None]:
        """The pace and the fault that the rules have for a call. Raises `Refusal` when they refuse it."""
        pace, fault = self.pace, None
        for met in self.rules.faults(call.endpoint, call.model, call.script, call.turn):
            if isinstance(met, Slow):
                pace = pace.slower(met.latency_s, met.tokens_per_s)
            else:
                fault = met
        self._check_refused(call, fault)
        return pace, fault

    def _check_refused(self, call: Call, fault: Fault | None) -> None:
        if isinstance(fault, Refuse):
            if fault.status == 429 and fault.retry_after_s:
                self.stats.limited(call.model, fault.retry_after_s)
            raise fault.refusal()

    # --- the endpoints -----------------------------------------------------------------------

    def _messages(self, connection: Connection, call: Call, http: HttpRequest, request_id: str) -> None:
        body = self._body(call, http)
        self._check_rate(call)
        model = check_request(body, self.settings, counting=False)
        prompt = self._prompts.read(body)
        check_markers(prompt)
        request = ParsedRequest(body, prompt.digest)
        call.script, call.digest, call.turn = request.script, request.digest, request.turn
        pace, fault = self._met(call)
        _check_room(prompt, model)
        reply = self._scripted(request)
        fault = fault or reply.fault
        self._check_refused(call, fault)
        message = self._message(reply, request, prompt, model)
        pace = pace.slower(reply.latency_s, reply.tokens_per_s)
        answer = self._answer(message, request, pace, request_id)
        if fault is None and not pace.latency_s and not answer.pace_s:
            send_at_once(connection, answer)
            self._sent(connection, call, ANSWERED, message)
        else:
            connection.run(self._later(connection, call, answer, message, pace.latency_s, fault))

    def _count_tokens(self, connection: Connection, call: Call, http: HttpRequest, request_id: str) -> None:
        body = self._body(call, http)
        check_request(body, self.settings, counting=True)
        self._met(call)
        prompt = self._prompts.read(body)
        check_markers(prompt)
        self._send(connection, call, {"input_tokens": prompt.tokens}, request_id)

    def _models(self, connection: Connection, call: Call, name: str, request_id: str) -> None:
        self._met(call)
        known = [_described(id, model) for id, model in self.settings.models.items()]
        if name:
            named = next((entry for entry in known if entry["id"] == name), None)
            if named is None:
                raise Refusal(404, f"model: {name}")
            self._send(connection, call, named, request_id)
            return
        page = {"data": known, "has_more": False, "first_id": known[0]["id"], "last_id": known[-1]["id"]}
        self._send(connection, call, page, request_id)

    def _check_rate(self, call: Call) -> None:
        limited = self.limits.take(call.model)
        if limited is not None:
            self.stats.limited(call.model, limited.seconds)
            said = "This request would exceed your organization's rate limit of requests per minute"
            raise Refusal(429, said, headers=retry_header(limited.seconds, limited.form))

    # --- the reply ---------------------------------------------------------------------------

    def _scripted(self, request: ParsedRequest) -> Reply:
        script = self.scripts.get(request.script)
        if script is None:
            known = ", ".join(sorted(self.scripts))
            raise Invalid("script", f"there is no script '{request.script}': the scripts are {known}")
        try:
            said = script(request)
        except Exception as error:
            failed = f"the script '{request.script}' failed in turn {request.turn}: {type(error).__name__}: {error}"
            raise Invalid("script", failed) from error
        return said if isinstance(said, Reply) else Reply((said,))

    def _message(self, reply: Reply, request: ParsedRequest, prompt: Prompt, model: Model) -> Message:
        cached = self._cache.charge(request.model, prompt.positions, model.min_cacheable)
        return finished(reply, request, model.context_window - prompt.tokens, cached)

    def _answer(self, message: Message, request: ParsedRequest, pace: Pace, request_id: str) -> Answer:
        if not request.stream:
            return Answer({**_JSON, "request-id": request_id}, request_id, body=whole(message))
        events = frames(message, self.settings.delta_chars)
        took = message.usage["output_tokens"] / pace.tokens_per_s if pace.tokens_per_s else 0.0
        headers = {**_STREAM, "request-id": request_id}
        return Answer(headers, request_id, events=events, pace_s=took / len(events))

    async def _later(
        self,
        connection: Connection,
        call: Call,
        answer: Answer,
        message: Message,
        latency_s: float,
        fault: Fault | None,
    ) -> None:
        outcome = ABANDONED
        try:
            if latency_s:
                await asyncio.sleep(latency_s)
            outcome = await deliver(connection, answer, fault, self.waiting.hang)
        except Refusal as error:
            outcome = ""
            self._refuse(connection, call, error, answer.request_id)
        finally:
            if outcome:
                self._sent(connection, call, outcome, message)
            self.waiting.look()

    def _sent(self, connection: Connection, call: Call, outcome: str, message: Message) -> None:
        self.stats.end(call, outcome, tokens_of(message.usage))
        if outcome == ANSWERED:
            connection.after_reply = lambda is_read: self._seen(call, is_read)

    def _seen(self, call: Call, is_read: bool) -> None:
        self.stats.seen(call, is_read)
        self.waiting.look()

    def _send(self, connection: Connection, call: Call, body: Json, request_id: str) -> None:
        connection.send(200, {**_JSON, "request-id": request_id}, json_bytes(body))
        self.stats.end(call, ANSWERED)

    def _refuse(self, connection: Connection, call: Call, error: Refusal, request_id: str) -> None:
        if isinstance(error, Invalid):
            self.stats.violated(call, error)
        body = json_bytes(error_body(error.kind, error.message, request_id))
        connection.send(error.status, {**_JSON, "request-id": request_id, **error.headers}, body)
        self.stats.end(call, str(error.status))


def _check_room(prompt: Prompt, model: Model) -> None:
    if prompt.tokens > model.context_window:
        raise Refusal(400, f"prompt is too long: {prompt.tokens} tokens > {model.context_window} maximum")


def _described(name: str, model: Model) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
    }
