"""What a request must be as a whole. The rules and their words are the real API's, as far as they are known."""

from typing import Any

from tests.fakes.messages_api.blocks import check_fields, check_marker, check_texts
from tests.fakes.messages_api.prompt import Prompt
from tests.fakes.messages_api.refusals import Invalid, Json, Refusal
from tests.fakes.messages_api.settings import Model, Settings
from tests.fakes.messages_api.tool_checks import check_choice, check_schema, check_tools
from tests.fakes.messages_api.turns import check_messages

__all__ = ["check_markers", "check_request"]

_COUNTED = frozenset(
    {"model", "messages", "cache_control", "output_config", "speed", "system", "thinking", "tool_choice", "tools"}
)
_CREATED = _COUNTED | {
    "max_tokens",
    "container",
    "diagnostics",
    "inference_geo",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
}
_MAX_MARKERS = 4
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING = {
    "adaptive": frozenset({"type", "display"}),
    "enabled": frozenset({"type", "display", "budget_tokens"}),
    "disabled": frozenset({"type"}),
    "between_tools": frozenset({"type"}),
}


def check_request(body: Any, settings: Settings, *, counting: bool) -> Model:
    """The limits of the model that the request names. Raises `Invalid` at the first rule that it breaks, and
    `Refusal` (404) for a model that is not there. `counting`: the request is for /v1/messages/count_tokens."""
    if not isinstance(body, dict):
        raise Invalid("body", "The request body must be a JSON object")
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            raise Invalid("field", f"{name}: Field required")
    check_fields(body, _COUNTED if counting else _CREATED)
    model = _model(body, settings)
    if not counting:
        _check_limits(body, model)
    _check_options(body)
    thinking = body.get("thinking") or {}
    if body.get("system") is not None:
        _check_system(body["system"])
    if body.get("tools") is not None:
        check_tools(body["tools"])
    if body.get("tool_choice") is not None:
        check_choice(body["tool_choice"], body.get("tools") or (), thinking)
    check_messages(body["messages"], thinking, settings, model)
    if body.get("cache_control") is not None:
        check_marker(body["cache_control"])
    return model


def _check_system(system: Any) -> None:
    try:
        check_texts(system)
    except Invalid as error:
        raise error.at("system") from error


def _model(body: Json, settings: Settings) -> Model:
    name = body["model"]
    if not isinstance(name, str) or not name:
        raise Invalid("model", "model: Input should be a valid string")
    model = settings.model(name)
    if model is None:
        raise Refusal(404, f"model: {name}")
    return model


def _check_limits(body: Json, model: Model) -> None:
    limit = body["max_tokens"]
    if type(limit) is not int:
        raise Invalid("max_tokens", "max_tokens: Input should be a valid integer")
    if limit < 0:
        raise Invalid("max_tokens", "max_tokens: Input should be greater than or equal to 0")
    if limit > model.max_output:
        said = f"which is the maximum allowed number of output tokens for {body['model']}"
        raise Invalid("max_tokens", f"max_tokens: {limit} > {model.max_output}, {said}")


def _check_options(body: Json) -> None:
    if body.get("thinking") is not None:
        _check_thinking(body["thinking"], body.get("max_tokens"))
    if body.get("output_config") is not None:
        _check_output(body["output_config"])
    if not isinstance(body.get("stream", False), bool):
        raise Invalid("stream", "stream: Input should be a valid boolean")
    if "metadata" in body:
        _check_metadata(body["metadata"])
    _check_stops(body.get("stop_sequences") or [])
    for name, allowed in (("service_tier", ("auto", "standard_only")), ("speed", (None, "standard", "fast"))):
        if name in body and body[name] not in allowed:
            raise Invalid(name, f"{name}: Input should be one of {', '.join(filter(None, allowed))}")


def _check_thinking(thinking: Any, max_tokens: int | None) -> None:
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in _THINKING:
        raise Invalid("thinking", f"thinking: Input tag '{kind}' does not match any of: {', '.join(_THINKING)}")
    check_fields(thinking, _THINKING[kind], f"thinking.{kind}.")
    if thinking.get("display") not in (None, "summarized", "omitted"):
        raise Invalid("thinking", f"thinking.{kind}.display: Input should be 'summarized' or 'omitted'")
    if kind == "enabled":
        _check_thinking_budget(thinking.get("budget_tokens"), max_tokens)


def _check_thinking_budget(budget: Any, max_tokens: int | None) -> None:
    path = "thinking.enabled.budget_tokens"
    if type(budget) is not int:
        raise Invalid("thinking", f"{path}: Field required")
    if budget < 1_024:
        raise Invalid("thinking", f"{path}: Input should be greater than or equal to 1024")
    if max_tokens is not None and budget >= max_tokens:
        raise Invalid("thinking", "`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_output(config: Any) -> None:
    if not isinstance(config, dict):
        raise Invalid("output_config", "output_config: Input should be a valid dictionary")
    check_fields(config, frozenset({"effort", "format"}), "output_config.")
    if config.get("effort") not in (None, *_EFFORTS):
        raise Invalid("output_config", f"output_config.effort: Input should be one of {', '.join(_EFFORTS)}")
    form = config.get("format")
    if form is None:
        return
    if not isinstance(form, dict) or form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
        raise Invalid("output_config", "output_config.format: Input should be a json_schema with its schema")
    check_schema(form["schema"], "output_config.format.schema")


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise Invalid("metadata", "metadata: Input should be a valid dictionary")
    check_fields(metadata, frozenset({"user_id"}), "metadata.")


def _check_stops(sequences: Any) -> None:
    if not isinstance(sequences, list) or not all(isinstance(sequence, str) for sequence in sequences):
        raise Invalid("stop_sequences", "stop_sequences: Input should be a valid list of strings")
    if not all(sequence.strip() for sequence in sequences):
        raise Invalid("stop_sequences", "stop_sequences: each stop sequence must contain non-whitespace")


# --- cache markers -------------------------------------------------------------------------------


def check_markers(prompt: Prompt) -> None:
    """At most four places are marked, the longer lives first."""
    lives = [position.ttl for position in prompt.positions if position.ttl]
    if len(lives) > _MAX_MARKERS:
        said = f"A maximum of {_MAX_MARKERS} blocks with cache_control may be provided. Found {len(lives)}."
        raise Invalid("cache_control", said)
    if lives != sorted(lives):  # "1h" sorts before "5m"
        said = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
        raise Invalid("cache_control", f"{said} (they are read in the order tools, system, messages)")
