"""What the server is told at its start: keys, models and their limits, its pace, and how strict it is."""

import msgspec

__all__ = ["DEFAULT_MODELS", "MODEL", "SMALL_MODEL", "Model", "Settings"]

MODEL = "claude-sonnet-5-5"
SMALL_MODEL = "claude-small-test"


class Model(msgspec.Struct, frozen=True):
    """A model's limits, in tokens. `prefill`: a request may end with an assistant message that is to be continued.
    `min_cacheable`: shorter prefixes are never cached."""

    context_window: int = 1_000_000
    max_output: int = 128_000
    min_cacheable: int = 1_024
    prefill: bool = False


DEFAULT_MODELS = {
    MODEL: Model(),
    "claude-opus-5-5": Model(min_cacheable=2_048),
    "claude-haiku-5-5": Model(min_cacheable=2_048),
    "claude-haiku-4-5": Model(context_window=200_000, max_output=64_000, min_cacheable=4_096, prefill=True),
    SMALL_MODEL: Model(context_window=8_000, max_output=2_000, min_cacheable=256, prefill=True),
}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the server answers.

    `latency_s` passes before every reply's head; with `tokens_per_s` a stream comes at that pace, without it at once,
    in one piece. A text is streamed in deltas of `delta_chars`. `system_messages` allows the role "system" among the
    messages; `merges_turns` allows one role twice in a row (the real API does both; here they are mistakes unless
    allowed). Requests count as `during_limit_late` when they come later than `limit_grace_s` after a 429.
    """

    api_keys: tuple[str, ...] = ("test-key",)
    models: dict[str, Model] = msgspec.field(default_factory=lambda: dict(DEFAULT_MODELS))
    latency_s: float = 0.0
    tokens_per_s: float | None = None
    delta_chars: int = 64
    system_messages: bool = False
    merges_turns: bool = False
    max_body_bytes: int = 32 * 1024 * 1024
    limit_grace_s: float = 0.25

    def model(self, name: str) -> Model | None:
        """The limits of a model, also by the id of a dated version (`name-20261007`)."""
        stem, _, version = name.rpartition("-")
        return self.models.get(name) or (self.models.get(stem) if version.isdigit() and len(version) == 8 else None)
