"""Who may do what over HTTP: each scope, forged senders, tokens that end while they are used."""

from collections.abc import Iterator

import httpx2
import pytest

from fleetlog.domain.errors import Forbidden, Refused, Unauthenticated
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.client import Client
from fleetlog.runtime.servers.http.operations import operations
from tests.http.place import Place
from tests.http.test_streams import Stream


@pytest.fixture
def reader(place: Place) -> Iterator[Client]:
    with Client(place.house.url, token=place.runtime.issue_token("read").token) as client:
        yield client


@pytest.fixture
def agent(place: Place) -> Iterator[Client]:
    with Client(place.house.url, token=place.runtime.issue_token("agent", agent_id=place.a).token) as client:
        yield client


def test_every_operation_goes_through_the_door() -> None:
    for operation in operations().values():
        assert operation.call is vars(Door)[operation.name]


def test_what_get_reaches_is_what_a_reading_token_may_call(place: Place) -> None:
    door = Door(place.runtime, Principal("reader", "read", token_id="token-x"))
    for operation in operations().values():
        required = {name: "" for name, field in operation.fields.items() if field.required}
        given = {**required, operation.raw: b""} if operation.raw else required
        try:
            operation.call(door, **given)
            is_forbidden = False
        except Forbidden:
            is_forbidden = True
        except Refused:
            is_forbidden = False
        assert operation.is_reading == (not is_forbidden or operation.name == "list_tokens"), operation.name


def test_a_reading_token_reads_and_changes_nothing(place: Place, reader: Client) -> None:
    assert reader.fleet_status(place.fleet_id) == place.runtime.fleet_status(place.fleet_id)
    assert next(reader.events(place.fleet_id)).what == "fleet.spawned"
    before = place.settled()
    with pytest.raises(Forbidden, match="may only read"):
        reader.cancel_fleet(place.fleet_id)
    assert place.settled() == before


def test_an_agent_acts_as_itself_and_a_forged_sender_is_refused_and_recorded(place: Place, agent: Client) -> None:
    agent.send_message(place.a, place.b, place.fleet_id, "handoff", "from a")
    entry = place.runtime.timeline(place.fleet_id)[-1]
    assert (entry.what, entry.by) == ("message.delivered", place.a)
    before = place.settled()
    with pytest.raises(Forbidden, match="this token is"):
        agent.send_message(place.b, place.a, place.fleet_id, "handoff", "forged")
    assert place.settled() == before + 1
    assert [message.payload for message in place.runtime.inbox(place.a).messages] == []


def test_an_agent_follows_its_own_mail_and_no_others(place: Place, agent: Client) -> None:
    place.runtime.send_message(place.b, place.a, place.fleet_id, "handoff", "to a")
    assert next(agent.inbox_events(place.a)).payload == "to a"
    for others in (agent.inbox_events(place.b), agent.events(), agent.events("fleet-1-2-3")):
        with pytest.raises(Forbidden):
            next(others)


def test_a_stream_ends_when_its_token_is_revoked(place: Place) -> None:
    issued = place.runtime.issue_token("read")
    with httpx2.Client(base_url=place.house.url, headers={"authorization": f"Bearer {issued.token}"}) as http:
        stream = Stream(http, "/v1/events?after=now")
        place.runtime.revoke_token(issued.token_id)
        name, _, said = stream.next()
        while name != "fault":  # the revocation itself may be the last event that is seen
            name, _, said = stream.next()
        assert said["error"]["kind"] == "unauthenticated"
        assert stream.ends()
        stream.close()
    with Client(place.house.url, token=issued.token) as client, pytest.raises(Unauthenticated):
        next(client.events())


def test_a_token_that_was_issued_over_http_works_at_once(place: Place, client: Client) -> None:
    issued = client.issue_token("operator", label="another")
    with Client(place.house.url, token=issued.token) as other:
        assert other.pause_fleet(place.fleet_id).fleet_id == place.fleet_id
    assert issued.token_id in {token.token_id for token in client.list_tokens().tokens}


@pytest.mark.parametrize("header", ["Basic eDp5", "Bearer", "Bearer fl_x", "fl_x", "Bearer \u00ff"])
def test_what_is_no_token_is_refused(header: str, place: Place, http: httpx2.Client) -> None:
    answer = http.get("/v1/list_fleets", headers=[(b"authorization", header.encode())])
    assert (answer.status_code, answer.json()["error"]["kind"]) == (401, "unauthenticated")


def test_other_hosts_and_pages_of_other_sites_are_refused(place: Place, http: httpx2.Client) -> None:
    before = place.settled()
    for headers, status in (({"host": "evil.example"}, 421), ({"origin": "https://evil.example"}, 403)):
        answer = http.post("/v1/cancel_fleet", json={"fleet_id": place.fleet_id}, headers=headers)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
    assert place.settled() == before
