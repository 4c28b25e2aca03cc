"""The prompt cache by the rules of the real one: marked prefixes are written, found again within their time to live,
and looked for at most twenty blocks before a marker."""

from collections.abc import Callable, Sequence

import msgspec

from tests.fakes.messages_api.prompt import Position

__all__ = ["CacheUse", "PromptCache"]

LIFETIMES_S = {"5m": 300.0, "1h": 3_600.0}
LOOKBACK_BLOCKS = 20
MAX_ENTRIES = 100_000


class CacheUse(msgspec.Struct, frozen=True):
    """How a prompt's tokens are charged; they add up to the prompt."""

    read: int
    written_5m: int
    written_1h: int
    uncached: int


class PromptCache:
    """For the server's loop alone. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: dict[tuple[str, bytes], tuple[float, str]] = {}

    def charge(self, model: str, positions: Sequence[Position], min_tokens: int) -> CacheUse:
        """Look the prompt up, write what is marked, and say what it costs."""
        now = self._clock()
        marked = [index for index, position in enumerate(positions) if position.ttl and position.tokens >= min_tokens]
        hit = self._hit(model, positions, marked, now)
        read = positions[hit].tokens if hit is not None else 0
        written = [positions[index] for index in marked if positions[index].tokens > read]
        self._write(model, written, now)
        hour_end = max((p.tokens for p in written if p.ttl == "1h"), default=read)
        end = max((p.tokens for p in written), default=read)
        return CacheUse(read, end - hour_end, hour_end - read, positions[-1].tokens - end)

    def _hit(self, model: str, positions: Sequence[Position], marked: list[int], now: float) -> int | None:
        """The longest prefix that is cached; being read renews it."""
        for mark in reversed(marked):
            for index in range(mark, max(mark - LOOKBACK_BLOCKS, -1), -1):
                key = (model, positions[index].digest)
                end, ttl = self._ends.get(key, (0.0, ""))
                if end > now:
                    self._ends[key] = (now + LIFETIMES_S[ttl], ttl)
                    return index
        return None

    def _write(self, model: str, written: Sequence[Position], now: float) -> None:
        for position in written:
            ttl = position.ttl or "5m"
            self._ends[model, position.digest] = (now + LIFETIMES_S[ttl], ttl)
        if len(self._ends) > MAX_ENTRIES:
            self._ends = {key: entry for key, entry in self._ends.items() if entry[0] > now}
            for key in list(self._ends)[: max(0, len(self._ends) - MAX_ENTRIES // 2)]:
                del self._ends[key]
