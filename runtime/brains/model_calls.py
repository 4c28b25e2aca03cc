"""A model call as a paid step: through the gate, within the budget, made again when it failed for a passing reason.

Its rule: waiting is no failure. For the gate, for a budget, between tries, the agent is parked and holds no thread.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from fleetlog.domain.agent import backoff_s
from fleetlog.domain.errors import Fault, GivenUp
from fleetlog.domain.values import Usage
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.drafts import Drafts
from fleetlog.runtime.brains.gate import Gate, Gates
from fleetlog.runtime.brains.prices import UNKNOWN_MODEL, ModelPrice, Prices
from fleetlog.runtime.brains.provider import (
    Limited,
    ModelReply,
    Provider,
    Refused,
    Transient,
    Unanswered,
    usage_of,
)

__all__ = ["ModelCalls"]


class ModelCalls:
    """The model calls of one runtime. Workers' threads."""

    def __init__(
        self, provider: Provider, gates: Gates, prices: Prices, drafts: Drafts, jitter: Callable[[], float]
    ) -> None:
        self.provider, self.prices, self.drafts = provider, prices, drafts
        self._gates, self._jitter = gates, jitter
        self._lock = threading.Lock()  # guards _failures
        self._failures: dict[str, int] = {}

    def model_id(self, name: str) -> str:
        """The model a spec or a definition names: by its id or by an alias of the price table; the default one for
        none."""
        return self.prices.alias(name) or self.provider.settings.model or name

    def price(self, model: str) -> ModelPrice:
        """The model's prices and limits; careful ones for a model that is not in the table."""
        return self.prices.find(model) or UNKNOWN_MODEL

    def make(
        self,
        ctx: Context,
        name: str,
        request: Mapping[str, Any],
        prompt_tokens: int,
        keep: Callable[[ModelReply], dict[str, Any]] = msgspec.to_builtins,
    ) -> None:
        """Make the call in a step of this name, which `ctx.recorded` then gives; `keep` makes what is recorded of
        the reply. `prompt_tokens` is an upper bound. Raises `TooLong`, `GivenUp`, and `Fault` when it has failed too
        often; pauses the agent when the provider refuses the account."""
        model = request["model"]
        bound = self._bound(request, prompt_tokens)
        with self._place(ctx, model) as gate:
            try:
                ctx.paid_step(name, bound, lambda: self._call(ctx, request, keep))
            except Limited as limited:
                gate.limited(ctx.agent_id, limited.status, str(limited), limited.retry_after_s)
                ctx.park(0.0 if gate.enter(ctx.fleet_id, ctx.agent_id, ctx.unpark) else None)
            except Refused as refused:
                if refused.is_account:
                    ctx.pause(str(refused), "provider")
                raise GivenUp(f"the provider refuses the call: {refused}") from refused
            except (Transient, Unanswered) as failure:
                if isinstance(failure, Unanswered) and failure.is_limit:
                    gate.limited(ctx.agent_id, 529, str(failure), None)
                self._failed(ctx, failure)
            else:
                gate.leave(ctx.agent_id, succeeded=True)
        self._forget_failures(ctx.agent_id)

    @contextmanager
    def _place(self, ctx: Context, model: str) -> Iterator[Gate]:
        gate = self._gates.find(self.provider.account, model)
        if not gate.enter(ctx.fleet_id, ctx.agent_id, ctx.unpark):
            ctx.park()
        try:
            yield gate
        finally:
            gate.leave(ctx.agent_id, succeeded=False)

    def _bound(self, request: Mapping[str, Any], prompt_tokens: int) -> Usage:
        searches = sum(tool.get("max_uses", 0) for tool in request["tools"] if tool["name"] == "web_search")
        extra = searches * self.prices.web_search_nusd
        return self.price(request["model"]).bound(prompt_tokens, request["max_tokens"], extra)

    def _call(
        self, ctx: Context, request: Mapping[str, Any], keep: Callable[[ModelReply], dict[str, Any]]
    ) -> tuple[dict[str, Any], Usage]:
        with self.drafts.of(ctx.agent_id) as draft, ctx.tool_run.link.lend_place():
            reply = self.provider.call(request, ctx.tool_run, draft)
        used = usage_of(reply)
        searches = (reply.usage.get("server_tool_use") or {}).get("web_search_requests") or 0
        cost = self.price(request["model"]).cost_nusd(used) + searches * self.prices.web_search_nusd
        return keep(reply), msgspec.structs.replace(used, cost_nusd=cost)

    def _failed(self, ctx: Context, failure: Exception) -> None:
        """Come back a little later; or, when it has failed too often in a row, give up this attempt."""
        with self._lock:
            failures = self._failures[ctx.agent_id] = self._failures.get(ctx.agent_id, 0) + 1
        if failures > self.provider.settings.max_failures:
            self._forget_failures(ctx.agent_id)
            raise Fault(f"the model call failed {failures} times in a row: {failure}") from failure
        ctx.park(backoff_s(failures, self._jitter()))

    def _forget_failures(self, agent_id: str) -> None:
        with self._lock:
            self._failures.pop(agent_id, None)
