"""Secrets taken out of a stream of bytes, wherever the pieces of it happen to be cut."""

from collections.abc import Mapping

__all__ = ["Redactor"]

_SHORTEST_SECRET = 8


class Redactor:
    """Feed it what was read; it gives that with each secret as the name it stands for. What may be the beginning of a
    secret is held back until more is known."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` are values, each with what stands for it; those below 8 characters are words like any other."""
        longest_first = sorted(secrets.items(), key=lambda pair: -len(pair[0]))
        self._secrets = {
            secret.encode(): name.encode() for secret, name in longest_first if len(secret) >= _SHORTEST_SECRET
        }
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be said by now."""
        if not self._secrets:
            return data
        data = self._replaced(self._held + data)
        held = max(self._begun(data, secret) for secret in self._secrets)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def rest(self) -> bytes:
        """What was held back to the end."""
        rest, self._held = self._held, b""
        return rest

    def _replaced(self, data: bytes) -> bytes:
        for secret, name in self._secrets.items():
            data = data.replace(secret, name)
        return data

    @staticmethod
    def _begun(data: bytes, secret: bytes) -> int:
        """How many of the last bytes are the first ones of the secret."""
        return next((n for n in range(min(len(secret) - 1, len(data)), 0, -1) if secret.startswith(data[-n:])), 0)
