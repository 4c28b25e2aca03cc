"""What all events share."""

import msgspec

__all__ = ["Fact", "stored_name"]


class Fact(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="is", tag="fact"):
    """What all events share: immutability and a tagged, default-omitting encoding."""


def stored_name(event_class: type[Fact]) -> str:
    """The name an event is stored under."""
    return str(event_class.__struct_config__.tag)
