"""Fleets run in the foreground: begun or resumed, watched to their end, their reports shown and kept.

A report is an agent's result that has a `report` (Markdown). It is printed, and kept in the runtime
directory as `reports/FLEET.md`.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument, NotAllowed, StoreFault
from fleetlog.domain.values import FLEET_ENDED, FleetSpec
from fleetlog.runtime.cli.console import Screen, agents_table, counted, duration, report_of
from fleetlog.runtime.cli.hosting import Host, daemon_for, host_for
from fleetlog.runtime.cli.live import Watched, interruptible, watch
from fleetlog.runtime.cli.visits import dir_option
from fleetlog.runtime.client import Client
from fleetlog.runtime.configuration import load_settings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.places import place_of
from fleetlog.runtime.replies import FleetStatus, Results

__all__ = ["Ending", "detach", "resume", "run"]


class Ending(Struct, frozen=True):
    """`is_complete`: every fleet is. `signal`: the one that ended the watching, if one did."""

    is_complete: bool
    signal: int | None = None


class FleetOutcome(Struct, frozen=True):
    """What `--json` says of a fleet that was run: how it ended, and where its report lies."""

    fleet_id: str
    status: str
    report: str | None
    results: Results


def run(directory: str, spec: FleetSpec, doing: str, screen: Screen, out: str | None) -> Ending:
    """Run a fleet to its end, here or in the directory's daemon. Raises before anything is recorded."""
    _check_out(out)
    with interruptible() as interrupt, host_for(directory, runtime_config()) as host:
        others = host.list_fleets(status="running", limit=1_000)
        fleet_id = host.spawn_fleet(spec).fleet_id
        screen.say(f"{fleet_id} {doing}{' in the daemon' if isinstance(host, Client) else ''}", "dim")
        watched = watch(host, [fleet_id], screen, interrupt, others.position)
        if others.fleets and not isinstance(host, Client):
            said = f"Interrupted here before: {counted(len(others.fleets), 'fleet')}. To go on: fleetlog resume"
            screen.say(said + dir_option(directory), "magenta")
        return _concluded(host, watched, screen, directory, out, interrupt.signal)


def detach(directory: str, spec: FleetSpec, doing: str, screen: Screen) -> None:
    """Leave a fleet to the directory's daemon, which is started if there is none."""
    with daemon_for(directory) as client:
        reply = client.spawn_fleet(spec)
    if screen.as_json:
        screen.json(reply)
        return
    option = dir_option(directory)
    screen.line(f"{reply.fleet_id} {doing} in the daemon")
    screen.say(f"To watch: fleetlog tail -f {reply.fleet_id}{option}   results: fleetlog results{option}", "dim")


def resume(directory: str, fleet_ids: Sequence[str], screen: Screen, out: str | None) -> Ending:
    """Have these fleets go on. What cannot go on here is said, and does not keep the others."""
    _check_out(out)
    with interruptible() as interrupt, Runtime.open(directory, config=runtime_config(), recover=False) as runtime:
        before = runtime.position
        going = [
            fleet_id for fleet_id in fleet_ids if _recovered(runtime, fleet_id, screen, is_only=len(fleet_ids) == 1)
        ]
        if not going:
            if screen.as_json:
                screen.json({"fleets": []})
            elif not fleet_ids:
                screen.line("Nothing is interrupted.")
            return Ending(is_complete=not fleet_ids)
        for fleet_id in going:
            screen.say(f"{fleet_id} goes on", "dim")
        watched = watch(runtime, going, screen, interrupt, before)
        ending = _concluded(runtime, watched, screen, directory, out, interrupt.signal)
        return Ending(ending.is_complete and len(going) == len(fleet_ids), ending.signal)


def runtime_config() -> RuntimeConfig:
    """What the configuration says of a runtime: how many brains run at once, and what tells people of tickets."""
    settings = load_settings()
    try:
        return RuntimeConfig(workers=settings.workers, notify_command=tuple(shlex.split(settings.notify)))
    except ValueError as error:
        raise InvalidArgument(f"'notify' must be a command line: {error}") from error


def _recovered(runtime: Runtime, fleet_id: str, screen: Screen, *, is_only: bool) -> bool:
    try:
        fleet = runtime.fleet_status(fleet_id).fleet
        if fleet.status == "paused" and is_only:
            runtime.resume_fleet(fleet_id)
        runtime.recover(fleet_id)
    except (InvalidArgument, NotAllowed) as error:
        if is_only:
            raise
        screen.error(error)
        return False
    return True


def _concluded(
    host: Host, watched: Watched, screen: Screen, directory: str, out: str | None, signal: int | None
) -> Ending:
    """Say how it ended, print and keep the reports of the fleets that have one."""
    outcomes = [_kept(host, fleet, directory) for fleet in watched.fleets]
    for fleet, outcome in zip(watched.fleets, outcomes, strict=True):
        screen.err.print(agents_table(fleet.agents[:50]))
        took = duration(watched.elapsed_s)
        messages = counted(watched.messages, "message") if len(watched.fleets) == 1 else ""
        screen.say(", ".join(filter(None, (f"{fleet.fleet.id} is {_state(fleet)}", messages, took))), "bold")
        report = _report(outcome.results)
        if report is not None and not screen.as_json:
            screen.gap()
            screen.markdown(report)
            screen.say(f"\nThe report is kept in {outcome.report}", "dim")
        if report is not None and out is not None:
            _write(Path(out), report)
    if screen.as_json:
        screen.json(outcomes[0] if len(outcomes) == 1 else {"fleets": outcomes})
    if not watched.is_over:
        _say_how_to_go_on(host, watched, screen, directory)
    complete = watched.is_over and all(fleet.fleet.status in ("complete", "running") for fleet in watched.fleets)
    return Ending(complete, None if watched.is_over else signal)


def _state(fleet: FleetStatus) -> str:
    status = fleet.fleet.status
    reason = f" ({fleet.fleet.reason})" if fleet.fleet.reason else ""
    return ("unfinished" if status not in FLEET_ENDED else status.replace("_", " ")) + reason


def _kept(host: Host, fleet: FleetStatus, directory: str) -> FleetOutcome:
    results = host.collect_results(fleet.fleet.id)
    report = _report(results)
    place = place_of(directory)
    kept = None
    if report is not None and place is not None:
        kept = place.folder / "reports" / f"{fleet.fleet.id}.md"
        _write(kept, report)
    return FleetOutcome(fleet.fleet.id, fleet.fleet.status, _shown(kept), results)


def _shown(path: Path | None) -> str | None:
    """The path as short as it can be said from here."""
    if path is None:
        return None
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _report(results: Results) -> str | None:
    return next((report for result in results.results if (report := report_of(result)) is not None), None)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StoreFault(f"the report cannot be written to {path}: {error.strerror}; `results` shows it") from error


def _say_how_to_go_on(host: Host, watched: Watched, screen: Screen, directory: str) -> None:
    option = dir_option(directory)
    if watched.needs_person:
        for fleet in watched.fleets:
            _say_what_is_paused(fleet, screen, option)
            for request in host.list_help(fleet.fleet.id, "open").requests:
                screen.say(f"A person is asked: {request.blocker}")
                is_approval = request.kind == "approval"
                how = f"approve {request.help_id}" if is_approval else f"answer {request.help_id} TEXT"
                screen.say(f"  fleetlog {how}{option}" + ("   or with --deny" if is_approval else ""))
            for doubt in host.doubts(fleet.fleet.id):
                screen.say(f"Was step '{doubt.name}' of {doubt.agent_id} done?")
                screen.say(f"  fleetlog resolve {doubt.agent_id} done{option}   or   retry")
    only = f" {watched.fleets[0].fleet.id}" if len(watched.fleets) == 1 else ""
    if isinstance(host, Client):
        screen.say(f"It goes on in the daemon. To watch: fleetlog tail -f{only}{option}", "magenta")
        return
    screen.say(f"Nothing is lost. To go on: fleetlog resume{only}{option}", "magenta")


def _say_what_is_paused(fleet: FleetStatus, screen: Screen, option: str) -> None:
    for target, reason in [
        (fleet.fleet.id, fleet.fleet.pause_reason),
        *((agent.id, agent.pause_reason) for agent in fleet.agents),
    ]:
        if reason:
            screen.say(f"{target} is paused: {reason}")
            screen.say(f"  fleetlog budget {target} --usd AMOUNT{option}   or   fleetlog resume {target}{option}")


def _check_out(out: str | None) -> None:
    """A report nobody can write should be known before the work, not after."""
    if out is None:
        return
    path = Path(out)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidArgument(f"'--out' must be a file in a folder that is there, got {out}")
