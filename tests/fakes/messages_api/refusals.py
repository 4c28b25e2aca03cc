"""The errors a request is answered with, and their form on the wire."""

from collections.abc import Mapping
from typing import Any

__all__ = ["ERROR_TYPES", "Invalid", "Json", "Refusal", "error_body"]

Json = dict[str, Any]

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refusal(Exception):
    """The request is answered with this status and error type."""

    def __init__(
        self, status: int, message: str, kind: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})
        self.kind = kind or ERROR_TYPES.get(status, "api_error")


class Invalid(Refusal):
    """The request breaks a rule that the client could have kept: 400, and a violation on the server's record.
    `rule` names the rule, for tests."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(400, message)
        self.rule = rule

    def at(self, path: str) -> "Invalid":
        """The same error, seen from one step further out."""
        return Invalid(self.rule, f"{path}.{self.message}")


def error_body(kind: str, message: str, request_id: str) -> Json:
    """An error as the API words it."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
