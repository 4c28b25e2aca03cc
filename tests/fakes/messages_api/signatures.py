"""Signatures of thinking: made when it is emitted, checked when it comes back, with nothing remembered between."""

import hashlib

__all__ = ["is_signed", "signature"]

_KEY = b"the key of the fake Messages API"
_SALT = 16
_MAC = 32


def signature(shown: str, thought: str) -> str:
    """Signs the text that is shown; the thought itself may be left out of it."""
    salt = hashlib.blake2b(thought.encode(), key=_KEY, digest_size=_SALT // 2).hexdigest()
    return f"{salt}{_mac(salt, shown)}"


def is_signed(shown: str, signed: str) -> bool:
    """Whether the text is what was signed."""
    return len(signed) == _SALT + _MAC and signed[_SALT:] == _mac(signed[:_SALT], shown)


def _mac(salt: str, shown: str) -> str:
    return hashlib.blake2b(f"{salt}{shown}".encode(), key=_KEY, digest_size=_MAC // 2).hexdigest()
