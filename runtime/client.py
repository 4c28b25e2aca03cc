"""The facade of a runtime that another process has: the same methods, by way of its daemon's HTTP.

    with Client.of(".fleetlog") as client:          # the daemon of a directory: fleetlog serve
        fleet = client.spawn_fleet(FleetSpec(agents=(explorer,)))
        print(client.collect_results(fleet.fleet_id, wait_s=600))

Replies are the facade's structs, errors the facade's exceptions. A call whose answer is lost is made again, with the
same idempotency key, until the daemon is back or the patience is over (`DaemonUnreachable`): nothing is made twice.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from fleetlog.domain import checks
from fleetlog.domain.errors import DaemonUnreachable, RuntimeClosed, Unauthenticated
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.remote_calls import (
    SLICE_S,
    STREAM_TIMEOUT_S,
    Address,
    Following,
    Frames,
    Patience,
    RemoteCall,
    error_in,
    reply_of,
    stream_path,
)
from fleetlog.runtime.replies import Results
from fleetlog.runtime.rows import InboxMessage, TimelineEntry

__all__ = ["Client"]

P = ParamSpec("P")
T = TypeVar("T")


def _remote(method: Callable[Concatenate[Runtime, P], T]) -> Callable[Concatenate["Client", P], T]:
    @functools.wraps(method)
    def call(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        reply: T = self._call(RemoteCall(method, args, kwargs))
        return reply

    return call


class Client:
    """A daemon's runtime. Any thread. `patience_s` is how long a daemon that does not answer is tried again,
    `timeout_s` how long one may take over an answer."""

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        patience_s: float = 30.0,
        timeout_s: float = 120.0,
        address: Address | None = None,
    ) -> None:
        import httpx2  # takes a while to load

        self._address = address or Address(url, token)
        self._patience_s = checks.seconds("patience_s", patience_s, zero=True)
        timeout_s = checks.seconds("timeout_s", timeout_s)
        self._http = httpx2.Client(timeout=timeout_s, trust_env=not self._address.is_loopback)
        self._lost = (
            *(httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout),
            *(DaemonUnreachable, RuntimeClosed, Unauthenticated),
        )
        self._failed = httpx2.HTTPError

    @classmethod
    def of(
        cls,
        directory: str | os.PathLike[str] = ".fleetlog",
        *,
        token: str = "",
        patience_s: float = 30.0,
        timeout_s: float = 120.0,
    ) -> Self:
        """A client of the daemon that serves a directory of this machine: its operator, or whoever the token names.
        Raises `DaemonUnreachable` when there is none."""
        return cls(address=Address.of(directory, token), patience_s=patience_s, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- calls ---------------------------------------------------------------------------------

    spawn_fleet = _remote(Runtime.spawn_fleet)
    fork_fleet = _remote(Runtime.fork_fleet)
    attach_agent = _remote(Runtime.attach_agent)
    set_fleet_timeout = _remote(Runtime.set_fleet_timeout)
    pause_fleet = _remote(Runtime.pause_fleet)
    resume_fleet = _remote(Runtime.resume_fleet)
    pause_agent = _remote(Runtime.pause_agent)
    resume_agent = _remote(Runtime.resume_agent)
    set_budget = _remote(Runtime.set_budget)
    spend = _remote(Runtime.spend)
    recover = _remote(Runtime.recover)
    cancel_fleet = _remote(Runtime.cancel_fleet)
    close_fleet = _remote(Runtime.close_fleet)
    archive_fleet = _remote(Runtime.archive_fleet)
    cancel_agent = _remote(Runtime.cancel_agent)
    submit_result = _remote(Runtime.submit_result)
    resolve_doubt = _remote(Runtime.resolve_doubt)
    undo_compaction = _remote(Runtime.undo_compaction)
    send_message = _remote(Runtime.send_message)
    send_messages = _remote(Runtime.send_messages)
    alert = _remote(Runtime.alert)
    inbox = _remote(Runtime.inbox)
    ack = _remote(Runtime.ack)
    request_help = _remote(Runtime.request_help)
    answer_help = _remote(Runtime.answer_help)
    save_fleet_template = _remote(Runtime.save_fleet_template)
    list_fleet_templates = _remote(Runtime.list_fleet_templates)
    get_fleet_template = _remote(Runtime.get_fleet_template)
    delete_fleet_template = _remote(Runtime.delete_fleet_template)
    spawn_from_template = _remote(Runtime.spawn_from_template)
    register_capability = _remote(Runtime.register_capability)
    route_work = _remote(Runtime.route_work)
    record_routing_outcome = _remote(Runtime.record_routing_outcome)
    decide_approval = _remote(Runtime.decide_approval)
    cancel_help = _remote(Runtime.cancel_help)
    list_help = _remote(Runtime.list_help)
    help_requests = _remote(Runtime.help_requests)
    doubts = _remote(Runtime.doubts)
    fleet_status = _remote(Runtime.fleet_status)
    list_fleets = _remote(Runtime.list_fleets)
    list_agents = _remote(Runtime.list_agents)
    definitions = _remote(Runtime.definitions)
    health = _remote(Runtime.health)
    unread = _remote(Runtime.unread)
    gates = _remote(Runtime.gates)
    drafts = _remote(Runtime.drafts)
    resolve_fleet = _remote(Runtime.resolve_fleet)
    store_artifact = _remote(Runtime.store_artifact)
    artifact = _remote(Runtime.artifact)
    verify_ledger = _remote(Runtime.verify_ledger)
    give_receipt = _remote(Runtime.give_receipt)
    receipts = _remote(Runtime.receipts)
    wake_agent = _remote(Runtime.wake_agent)
    open_ratification = _remote(Runtime.open_ratification)
    cast_vote = _remote(Runtime.cast_vote)
    ratification = _remote(Runtime.ratification)
    sweep_ratifications = _remote(Runtime.sweep_ratifications)
    ask_peer = _remote(Runtime.ask_peer)
    reply_discussion = _remote(Runtime.reply_discussion)
    discussion = _remote(Runtime.discussion)
    attach_external = _remote(Runtime.attach_external)
    renew_lease = _remote(Runtime.renew_lease)
    release_lease = _remote(Runtime.release_lease)
    issue_token = _remote(Runtime.issue_token)
    revoke_token = _remote(Runtime.revoke_token)
    list_tokens = _remote(Runtime.list_tokens)

    _collect = _remote(Runtime.collect_results)
    _timeline = _remote(Runtime.timeline)

    def collect_results(self, fleet_id: str, wait_s: float = 0.0) -> Results:
        """See `Runtime.collect_results`. It may wait for as long as you like, over restarts of the daemon."""
        return self._until(lambda slice_s: self._collect(fleet_id, slice_s), lambda results: results.is_final, wait_s)

    def timeline(
        self, fleet_id: str | None = None, *, after: int = 0, limit: int = 200, wait_s: float = 0.0
    ) -> tuple[TimelineEntry, ...]:
        """See `Runtime.timeline`. It may wait for as long as you like, over restarts of the daemon."""

        def ask(slice_s: float) -> tuple[TimelineEntry, ...]:
            return self._timeline(fleet_id, after=after, limit=limit, wait_s=slice_s)

        return self._until(ask, bool, wait_s)

    def _until(self, ask: Callable[[float], T], found: Callable[[T], bool], wait_s: float) -> T:
        deadline = time.monotonic() + checks.seconds("wait_s", wait_s, zero=True)
        while True:
            remaining_s = deadline - time.monotonic()
            answer = ask(min(SLICE_S, max(0.0, remaining_s)))
            if found(answer) or remaining_s <= 0:
                return answer

    # --- event streams -------------------------------------------------------------------------

    def events(self, fleet_id: str | None = None, *, after: int | Literal["now"] = 0) -> Iterator[TimelineEntry]:
        """Events behind a log position, of a fleet or of all, and then each as it happens, for ever. It goes on by
        itself after the connection was lost; an entry's `position` is where to go on later."""
        return self._follow(Following(stream_path(fleet_id=fleet_id), after, TimelineEntry))

    def inbox_events(self, agent_id: str, *, after: int | Literal["now"] = 0) -> Iterator[InboxMessage]:
        """An agent's messages behind a log position that it has not acknowledged, and then each as it comes."""
        return self._follow(Following(stream_path(agent_id=agent_id), after, InboxMessage))

    def _follow(self, following: Following[T]) -> Iterator[T]:
        patience = self._patience()
        while True:
            try:
                stream = self._stream(following)
                with contextlib.closing(stream) as events:
                    for event in events:
                        patience = self._patience()
                        if event is not None:
                            yield event
                lost: Exception = DaemonUnreachable(f"the daemon at {self._address.url} has ended the stream")
            except (*self._lost, self._failed) as error:
                lost = error
            time.sleep(patience.pause_after(lost))

    def _stream(self, following: Following[T]) -> Generator[T | None, None, None]:
        """One connection's events, and None for each other sign of life."""
        headers = {**self._address.headers, **following.headers}
        url = self._address.url + following.path
        with self._http.stream("GET", url, headers=headers, timeout=STREAM_TIMEOUT_S) as response:
            if response.status_code != 200:
                raise error_in(response.status_code, response.read())
            frames = Frames()
            for chunk in response.iter_bytes():
                yield None
                yield from map(following.take, frames.feed(chunk))

    # --- a call's way --------------------------------------------------------------------------

    def _patience(self) -> Patience:
        return Patience(self._address, self._patience_s, time.monotonic)

    def _call(self, call: RemoteCall) -> Any:
        patience = self._patience()
        while True:
            try:
                return self._once(call)
            except self._lost as error:
                pause_s = patience.pause_after(error)
            except self._failed as error:
                raise patience.final(error) from error
            time.sleep(pause_s)

    def _once(self, call: RemoteCall) -> Any:
        sent = call.outbound
        headers = {**self._address.headers, **sent.headers}
        response = self._http.post(self._address.url + sent.path, headers=headers, content=sent.body)
        return reply_of(call, response.status_code, response.content)
