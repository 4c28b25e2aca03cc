"""Temporary."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    name: str
    scope: str
    agent_id: str = ""
    token_id: str = ""


OPERATOR_PRINCIPAL = Principal("operator", "operator")
