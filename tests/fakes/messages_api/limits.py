"""The rate limits in force and the bucket of every model."""

from collections.abc import Callable
from typing import NamedTuple

from tests.fakes.messages_api.faults import Bucket, Limit, RetryForm

__all__ = ["Limited", "Limits"]


class Limited(NamedTuple):
    """Come again after so many seconds, told in this form."""

    seconds: float
    form: RetryForm


class Limits:
    """`clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits: dict[str | None, Limit] = {}
        self._buckets: dict[str, Bucket] = {}

    def set(self, limit: Limit) -> None:
        """Limit a model, or all that have no own limit; their buckets are full again."""
        self._limits[limit.model] = limit
        self._buckets.clear()

    def clear(self) -> None:
        self._limits.clear()
        self._buckets.clear()

    def take(self, model: str) -> Limited | None:
        """None when a request of that model may pass."""
        limit = self._limits.get(model) or self._limits.get(None)
        if limit is None:
            return None
        if model not in self._buckets:
            self._buckets[model] = Bucket(limit, self._clock)
        seconds = self._buckets[model].take()
        return None if seconds is None else Limited(seconds, limit.form)
