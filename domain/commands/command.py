"""What all commands share."""

import msgspec

__all__ = ["Command"]


class Command(msgspec.Struct, frozen=True, gc=False):
    """An intention."""
