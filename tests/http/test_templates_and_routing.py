"""Templates and routing through the client: the same replies as the facade's."""

import pytest

from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec, TemplateVariable
from fleetlog.runtime.client import Client
from fleetlog.runtime.templates import SpecOverrides
from tests.http.place import Place

SPEC = FleetSpec(agents=(AgentSpec(role="reader", prompt="read ${topic}", skills=("bees",)),))


def test_a_template_is_saved_read_and_spawned_over_http(place: Place, client: Client) -> None:
    assert client.save_fleet_template("job", SPEC, variables=(TemplateVariable("topic"),)).version == 1
    assert client.get_fleet_template("job") == place.runtime.get_fleet_template("job")
    assert client.list_fleet_templates() == place.runtime.list_fleet_templates()
    made = client.spawn_from_template("job", {"topic": "x"}, spawn=True, overrides=SpecOverrides(name="n"))
    assert place.runtime.fleet_status(made.fleet_id).fleet.name == "n"
    with pytest.raises(InvalidArgument, match="did you mean 'topic'"):
        client.spawn_from_template("job", {"topik": "x"})
    assert client.delete_fleet_template("job").version == 1
    with pytest.raises(NotFound, match='Template "job" not found'):
        client.get_fleet_template("job")


def test_work_is_routed_over_http(place: Place, client: Client) -> None:
    assert client.register_capability(place.a, place.fleet_id, "bee keeper", ["honey"]).agent_id == place.a
    assert client.record_routing_outcome(place.a, "honey", True).success
    (match,) = client.route_work("harvest honey").matches
    assert match == place.runtime.route_work("harvest honey").matches[0]
    assert (match.agent_id, match.role) == (place.a, "bee keeper")
