"""One runtime's parts: started in one order here, and stopped in its exact reverse.

Its rule: nothing of it is global, and whatever was started is stopped, also when a later start fails.
"""

import contextlib
import functools
import itertools
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain.errors import FleetlogError, NotFound
from fleetlog.domain.spec import MAX_AGENTS
from fleetlog.projections.all import all_projections
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.aggregate_host import Passivate, Recover
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.brains.claude_room import ClaudeRoom
from fleetlog.runtime.brains.command.mesh import MeshAccess
from fleetlog.runtime.brains.command.room import CommandRoom
from fleetlog.runtime.brains.function import Brain, Brains
from fleetlog.runtime.brains.gate import Gates
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.clock import Clock
from fleetlog.runtime.council_actor import CouncilActor
from fleetlog.runtime.council_queries import CouncilQueries
from fleetlog.runtime.discussion_actor import DiscussionActor
from fleetlog.runtime.discussion_queries import DiscussionQueries
from fleetlog.runtime.dispatcher import Dispatcher, PooledActor
from fleetlog.runtime.engine import Engine, Residents
from fleetlog.runtime.extensions import Extensions
from fleetlog.runtime.fleet_actor import FleetActor
from fleetlog.runtime.journal import Journal
from fleetlog.runtime.lease_table import LeaseTable
from fleetlog.runtime.opening import Opened, open_place
from fleetlog.runtime.places import Place
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.recruiting import Recruiting
from fleetlog.runtime.routing.queries import RouteMatch, RoutingQueries
from fleetlog.runtime.routing.similarity import BertSimilarity, Similarity
from fleetlog.runtime.scenarios.templates import bundled_templates
from fleetlog.runtime.store import EventStore, open_store
from fleetlog.runtime.template_actor import TemplateActor
from fleetlog.runtime.template_queries import TemplateQueries
from fleetlog.runtime.ticket_notices import OnTicket, TicketNotices, command_hook
from fleetlog.runtime.timers import Timers
from fleetlog.runtime.token_actor import TokenActor
from fleetlog.runtime.views import Reader, ViewFile
from fleetlog.runtime.workers import Workers

__all__ = ["Assembly", "RuntimeConfig"]


class RuntimeConfig(msgspec.Struct, frozen=True):
    """Sizes and limits of one runtime.

    `workers` brains execute at once; `actor_threads` share all actors; an actor without work leaves memory
    after `idle_after_s`; a brain that waits keeps its thread for up to `linger_s` (while no other run wants
    one), so that a quick answer finds it where it waits; one call may make `max_agents` agents; `close_timeout_s`
    bounds `close`. `claude` says where the model calls of the brain `claude` go.
    `notify_command` is a program and its arguments, run for every notice about a ticket, with
    the notice as JSON on its stdin. A fleet in which everyone has waited for `stuck_after_s` (None: however long),
    with nothing in flight, is declared stuck. `embeddings_model` is the folder of a sentence encoder that routing also
    asks (else that of FLEETLOG_EMBEDDINGS_MODEL, else none).
    """

    workers: int = 16
    actor_threads: int = 2
    idle_after_s: float = 300.0
    linger_s: float = 0.3
    max_agents: int = MAX_AGENTS
    close_timeout_s: float = 3.0
    claude: ClaudeSettings = ClaudeSettings()
    notify_command: tuple[str, ...] = ()
    stuck_after_s: float | None = 5.0
    embeddings_model: str = ""


class Assembly:
    """Everything a runtime consists of, running."""

    def __init__(
        self,
        place: Place | None,
        config: RuntimeConfig,
        clock: Clock,
        brains: Mapping[str, Brain] | None = None,
        store: EventStore | None = None,
        mesh: MeshAccess | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        self._closing = contextlib.ExitStack()
        self._close_lock = threading.Lock()
        self._config = config
        self.place = place
        self._notified = place.folder / "notified" if place is not None else None
        try:
            self._start(place, config, clock, brains, store, mesh, extensions or Extensions())
        except BaseException:
            self._closing.close()
            raise

    def _start(
        self,
        place: Place | None,
        config: RuntimeConfig,
        clock: Clock,
        brains: Mapping[str, Brain] | None,
        store: EventStore | None,
        mesh: MeshAccess | None,
        extensions: Extensions,
    ) -> None:
        then = self._closing.callback
        if place is None:
            scratch = Path(tempfile.mkdtemp(prefix="fleetlog-"))
            then(shutil.rmtree, scratch, ignore_errors=True)
            opened, views_path = Opened(store or open_store(None), ArtifactStore(None)), scratch / "views.db"
        else:
            opened, views_path = open_place(place, clock, then, store), place.views
        self.database = opened.database
        directory = place.folder if place is not None else None
        store, artifacts = opened.store, opened.artifacts
        then(store.close)
        own, guests = all_projections(), extensions.projections
        self.projector = Projector(store, ViewFile(views_path, [*own, *guests]), own, guests)
        then(self.projector.close)
        reader = Reader(views_path, lambda: self.projector.wait(self.engine.journal.position))
        then(reader.close)  # before the projector: the last writer to leave tidies the file up
        self.queries = Queries(reader, artifacts, is_owned=True)
        self.councils = CouncilQueries(reader)
        self.discussions = DiscussionQueries(reader, self.councils)
        self.templates = TemplateQueries(reader, bundled_templates)
        self.routing = RoutingQueries(reader, directory, functools.cache(lambda: _similarity(config.embeddings_model)))
        journal = Journal(store)
        then(self._show_the_last, journal)
        timers = Timers(clock)
        gates = Gates(store, journal, clock, timers, config.claude.max_concurrency)
        self.claude = claude = ClaudeRoom(config.claude, directory, gates, random.random, extensions.tools)
        programs = CommandRoom(directory, mesh, claude.prompt_of, self.queries.has_replied)
        then(programs.close)
        found_brains = Brains(brains, {"claude": claude.brain, "command": programs.brain})
        self.engine = engine = Engine(
            store=store,
            journal=journal,
            dispatcher=Dispatcher(config.actor_threads),
            clock=clock,
            timers=timers,
            workers=Workers(config.workers),
            artifacts=artifacts,
            brains=found_brains,
            results=self._outputs,
            recruiting=Recruiting(found_brains, claude.definitions, config.max_agents),
            route=self._route,
            fleet_ended=claude.fleet_ended,
            agent_stopped=gates.forget,
            jitter=random.random,
            idle_after_s=config.idle_after_s,
            linger_s=config.linger_s,
            stuck_after_s=config.stuck_after_s,
        )
        self.leases = LeaseTable(engine, reader)
        engine.residents = Residents(lambda stream_id: _make_actor(engine, stream_id))
        then(engine.residents.close)
        then(journal.close)
        then(engine.dispatcher.close)
        then(claude.close, config.close_timeout_s)
        then(engine.workers.close, config.close_timeout_s)
        then(engine.timers.close)

    def recover(self, *fleet_ids: str) -> None:
        """Have these fleets go on; without any, every one in which something is left to do."""
        self.projector.wait(self.engine.journal.position, timeout_s=3600)
        streams = fleet_ids or (
            *self.queries.open_fleets(),
            *self.councils.open_ids(),
            *self.discussions.open_ids(),
        )
        for stream_id in streams:
            self.engine.residents.post(stream_id, Recover())

    def notify(self, on_ticket: OnTicket | None) -> None:
        """From now on people are told of tickets, if somebody asked for it."""
        hooks = [on_ticket] if on_ticket is not None else []
        if self._config.notify_command:
            hooks.append(command_hook(self._config.notify_command))
        if hooks:
            notices = TicketNotices(self.queries, self.projector, hooks, self._notified)
            self._closing.callback(notices.close)

    def sweep_idle(self) -> None:
        """Now and from time to time, ask the actors that have been idle to leave the memory."""
        engine = self.engine
        now = engine.clock.now().uptime_s
        for actor in engine.residents.all():
            actor.post(Passivate(now - engine.idle_after_s))
        engine.timers.arm("sweep", now + max(0.05, engine.idle_after_s / 4), self.sweep_idle)

    def catch_up(self) -> int:
        """Wait until the views show everything that is committed; their position."""
        return self.projector.wait(self.engine.journal.position)

    def _show_the_last(self, journal: Journal) -> None:
        """Readers that come after us should see what was committed last."""
        with contextlib.suppress(FleetlogError):
            self.projector.wait(journal.position, timeout_s=2.0)

    def _outputs(self, fleet_id: str, names: tuple[str, ...]) -> dict[str, Any]:
        """The outputs a dependent agent sees. They are final: it started after they were committed."""
        self.catch_up()
        outputs = self.queries.outputs(fleet_id)
        return {name: outputs[name] if name in outputs else _numbered(outputs, name) for name in names}

    def _route(self, fleet_id: str, description: str, top_n: int) -> list[RouteMatch]:
        self.catch_up()
        return self.routing.route(description, self.routing.asked(description), top_n, fleet_id)

    def close(self) -> None:
        """Stop all of it; a second call does nothing."""
        with self._close_lock:
            self._closing.close()


def _numbered(outputs: Mapping[str, Any], name: str) -> list[Any]:
    """The outputs of `name-1`, `name-2`, ...: those of an agent with `each`."""
    numbered = (f"{name}-{number}" for number in itertools.count(1))
    return [outputs[item] for item in itertools.takewhile(outputs.__contains__, numbered)]


def _similarity(folder: str) -> Similarity | None:
    """The model in this folder, or in that of the environment; None where none is named."""
    folder = folder or os.environ.get("FLEETLOG_EMBEDDINGS_MODEL", "")
    return BertSimilarity(Path(folder)) if folder else None


def _make_actor(engine: Engine, stream_id: str) -> PooledActor:
    if stream_id.startswith("agent-"):
        return AgentActor(engine, stream_id)
    if stream_id.startswith("fleet-"):
        return FleetActor(engine, stream_id)
    if stream_id.startswith("council-"):
        return CouncilActor(engine, stream_id)
    if stream_id.startswith("discussion-"):
        return DiscussionActor(engine, stream_id)
    if stream_id.startswith("token-"):
        return TokenActor(engine, stream_id)
    if stream_id.startswith("template-"):
        return TemplateActor(engine, stream_id)
    raise NotFound(f"'{stream_id}' is neither a fleet's nor an agent's id")
