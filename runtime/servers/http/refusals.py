"""Errors as HTTP answers, all of one shape: `{"error": {"kind": "not_found", "message": "..."}}`."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from fleetlog.domain.errors import FleetlogError, Refused
from fleetlog.runtime.error_kinds import kind_of

__all__ = ["STATUSES", "Problem", "error_body", "problem_of", "refusal"]

STATUSES: Mapping[str, int] = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_allowed": 409,
    "refused": 409,
    "overloaded": 503,
    "runtime_closed": 503,
    "store_unavailable": 503,
    "version_conflict": 503,
}
"""The statuses of the kinds that have one of their own; any other refusal is 409, any other fault 500."""
RETRY_AFTER_S = 1


class Problem(Exception):
    """What is wrong with a request as HTTP, before it is a call."""

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, dict(headers or {})


def problem_of(error: FleetlogError) -> Problem:
    """The answer to a call that was refused, or could not be done."""
    kind = kind_of(type(error))
    status = STATUSES.get(kind, 409 if isinstance(error, Refused) else 500)
    headers = {"retry-after": str(RETRY_AFTER_S)} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Problem(status, kind, str(error), headers)


def error_body(problem: Problem) -> bytes:
    """The problem as JSON."""
    return msgspec.json.encode({"error": {"kind": problem.kind, "message": _printable(str(problem))}})


def refusal(problem: Problem) -> Response:
    """The problem as a response."""
    return Response(error_body(problem), problem.status, problem.headers, "application/json")


def _printable(text: str) -> str:
    """The text without lone surrogates, which no JSON can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
