"""The OpenAPI document says what the server does: schemathesis makes requests of it, good and bad ones."""

from contextlib import suppress
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fleetlog.runtime.servers.http.openapi import openapi
from fleetlog.runtime.servers.http.operations import operations
from tests.http.place import Place


@pytest.mark.parametrize("examples", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_whatever_the_document_allows_is_answered_as_it_says(
    examples: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetlog.runtime.servers.http.api.MAX_WAIT_S", 0.01)
    document = schemathesis.openapi.from_url(f"{place.house.url}/openapi.json")
    caller = Caller(place, examples)
    for found in document.exclude(path_regex="/events$").get_all_operations():
        assert isinstance(found, Ok), found
        caller.call_all(found.ok())
    assert caller.accepted > 5 * examples
    assert caller.refused > 50 * examples
    assert place.runtime.verify_ledger().ok


class Caller:
    """Makes the requests of an operation, and checks what each has recorded."""

    def __init__(self, place: Place, examples: int) -> None:
        self._place, self._examples = place, examples
        self.accepted = self.refused = 0
        self._position = place.settled()

    def call_all(self, operation: Any) -> None:
        """Requests that fit the document, and requests that do not."""
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong

                @settings(max_examples=self._examples, deadline=None, suppress_health_check=list(HealthCheck))
                @given(operation.as_strategy(generation_mode=mode))
                def check(case: Any) -> None:
                    self._call(case)

                check()

    def _call(self, case: Any) -> None:
        response = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if response.status_code < 400:
            self.accepted += 1
            self._position = self._place.settled() if case.method == "POST" else self._position
        else:
            self.refused += 1
            assert response.status_code != 500
            assert list(response.json()) == ["error"]
            assert self._place.runtime.position == self._position, "a refused call has recorded something"


def test_every_operation_and_every_stream_is_in_the_document(place: Place, http: httpx2.Client) -> None:
    found = http.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    for operation in operations().values():
        path = found["paths"][f"/v1/{operation.name}"]
        assert set(path) == ({"get", "post"} if operation.is_plain else {"post"})
        for described in path.values():
            assert described["summary"]
            assert {"200", "400", "401", "403", "404", "409", "503"} <= set(described["responses"])
    assert sum(path.endswith("/events") for path in found["paths"]) == 3
    assert len({one["operationId"] for path in found["paths"].values() for one in path.values()}) == sum(
        map(len, found["paths"].values())
    )


def test_every_reference_leads_somewhere() -> None:
    document = openapi(operations())

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [value["$ref"]] if "$ref" in value else [ref for one in value.values() for ref in references(one)]
        return [ref for one in value for ref in references(one)] if isinstance(value, list) else []

    for reference in references(document):
        _, components, kind, name = reference.split("/")
        assert name in document[components][kind]
