"""A fleet of two mailboxes in a daemon's runtime, with a message and tickets, and what is known of it."""

import time

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SendReply
from tests.servers.house import House


class Place:
    """Everything in it has settled: no event follows by itself any more."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.runtime: Runtime = house.runtime
        agents = tuple(AgentSpec(role=role, prompt="x", skills=("sql",)) for role in "ab")
        fleet = self.runtime.spawn_fleet(FleetSpec(agents=agents, name="mailboxes", keep_open=True))
        self.fleet_id = fleet.fleet_id
        self.a, self.b = fleet.agent_ids
        self.message_id = self.send("first").message_id
        self.help_id = self.runtime.request_help(self.a, "what now?").help_id
        self.settled()

    def send(self, payload: str) -> SendReply:
        return self.runtime.send_message(self.a, self.b, self.fleet_id, "question", payload)

    def settled(self) -> int:
        """The log's position once nothing follows any more."""
        position, since = self.runtime.position, time.monotonic()
        while time.monotonic() - since < 0.02:
            if self.runtime.position != position:
                position, since = self.runtime.position, time.monotonic()
        return position
