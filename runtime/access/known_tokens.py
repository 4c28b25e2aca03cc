"""The tokens that count now, by the digests of their secrets: in memory, as every request asks."""

import hashlib
import threading
from collections.abc import Callable, Iterable

from fleetlog.domain.errors import Unauthenticated
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.rows import TokenRow

__all__ = ["KnownTokens", "digest_of"]


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 bits of its own: a slow hash would only slow us, and needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KnownTokens:
    """Any thread. Loaded from the view at the first question, then kept up by what this runtime issues and revokes."""

    def __init__(self, load: Callable[[], Iterable[TokenRow]]) -> None:
        self._load = load
        self._lock = threading.Lock()  # guards _known
        self._known: dict[str, TokenRow] | None = None

    def changed(self) -> None:
        """A token was issued or revoked: load again."""
        with self._lock:
            self._known = None

    def principal(self, secret: str, now_ms: int) -> Principal:
        """Whose secret this is; raises `Unauthenticated`. The digest is looked up, never the secret compared: the
        time it takes tells nothing of it."""
        with self._lock:
            if self._known is None:
                self._known = {token.digest: token for token in self._load()}
            token = self._known.get(digest_of(secret))
        if token is None:
            raise Unauthenticated("this token is not known")
        if token.revoked_at is not None:
            raise Unauthenticated(f"token {token.token_id} was revoked")
        if token.expires_at is not None and token.expires_at <= now_ms:
            raise Unauthenticated(f"token {token.token_id} has expired")
        name = token.agent_id or token.label or token.token_id
        return Principal(name, token.scope, token.agent_id, token.token_id)
