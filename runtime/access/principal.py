"""Who a caller is."""

from typing import Literal

import msgspec

__all__ = ["OWNER", "Principal", "Scope"]

Scope = Literal["operator", "read", "agent"]


class Principal(msgspec.Struct, frozen=True):
    """A caller. `name` is what its changes are recorded by; `agent_id` is whose it is, where the scope is `agent`;
    `token_id` is empty for the directory's owner, who needs none."""

    name: str
    scope: Scope
    agent_id: str = ""
    token_id: str = ""


OWNER = Principal("operator", "operator")
"""Whoever can open the runtime directory: a person at the machine, or the program that has opened the runtime."""
