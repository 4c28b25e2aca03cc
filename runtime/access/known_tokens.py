"""The tokens that count now, by the digests of their secrets: in memory, as every request asks."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from fleetlog.domain.errors import Unauthenticated
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.rows import TokenRow

__all__ = ["KnownTokens", "digest_of"]


MANY = 50
"""So many changed tokens are loaded one by one; of more, all are."""


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 bits of its own: a slow hash would only slow us, and needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KnownTokens:
    """Any thread. Loaded from the view at the first question; what this runtime issues and revokes then follows."""

    def __init__(self, load: Callable[[str | None], Iterable[TokenRow]], catch_up: Callable[[], object]) -> None:
        """`load` gives one token's row as the view has it, or without an id all; `catch_up` waits for the view."""
        self._load, self._catch_up = load, catch_up
        self._lock = threading.Lock()  # guards all below
        self._known: dict[str, TokenRow] | None = None
        self._changed = set[str]()
        self._changing: Counter[str] = Counter()

    @contextmanager
    def changing(self, token_id: str) -> Iterator[None]:
        """Within it the token is issued or revoked. Until it ends, the token is looked up for every answer: whoever
        sees the change in the views finds that it counts. After it, it counts for everybody."""
        with self._lock:
            self._changing[token_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._changing -= Counter([token_id])
                self._changed.add(token_id)

    def _current(self) -> dict[str, TokenRow]:
        """The tokens as they are now. Within the lock."""
        if self._known is None or self._changed:
            self._catch_up()
        if self._known is None or len(self._changed) > MANY:
            self._known = {token.digest: token for token in self._load(None)}
            self._changed.clear()
        for token_id in self._changed | self._changing.keys():
            self._known.update((token.digest, token) for token in self._load(token_id))
            self._changed.discard(token_id)
        return self._known

    def principal(self, secret: str, now_ms: int) -> Principal:
        """Whose secret this is; raises `Unauthenticated`. The digest is looked up, never the secret compared: the
        time it takes tells nothing of it."""
        with self._lock:
            token = self._current().get(digest_of(secret))
        if token is None:
            raise Unauthenticated("this token is not known")
        if token.revoked_at is not None:
            raise Unauthenticated(f"token {token.token_id} was revoked")
        if token.expires_at is not None and token.expires_at <= now_ms:
            raise Unauthenticated(f"token {token.token_id} has expired")
        name = token.agent_id or token.label or token.token_id
        return Principal(name, token.scope, token.agent_id, token.token_id)
