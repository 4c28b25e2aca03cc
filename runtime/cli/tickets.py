"""The commands about tickets: what agents ask people, and what people say."""

from typing import Annotated, Any

import typer

from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, FleetOrAll, Json, Reason
from fleetlog.runtime.cli.visits import DEFAULT_DIR, changing, reading
from fleetlog.runtime.replies import HelpList

__all__ = ["tickets_app"]

tickets_app = typer.Typer(rich_markup_mode=None)

All = Annotated[bool, typer.Option("--all", help="Closed ones too: answered, expired, cancelled.")]
By = Annotated[str, typer.Option(help="Who answers.")]


@tickets_app.command()
@tickets_app.command("help-requests", hidden=True)  # what it was called first
def tickets(
    fleet: FleetOrAll = None, all_requests: All = False, directory: Dir = DEFAULT_DIR, as_json: Json = False
) -> None:
    """List what agents ask people: help, and approvals."""
    _list(fleet, None, all_requests, directory, as_json)


@tickets_app.command()
def approvals(
    fleet: FleetOrAll = None, all_requests: All = False, directory: Dir = DEFAULT_DIR, as_json: Json = False
) -> None:
    """List the actions agents ask approval of."""
    _list(fleet, "approval", all_requests, directory, as_json)


def _list(fleet: str | None, kind: str | None, all_requests: bool, directory: str, as_json: bool) -> None:
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        fleet_id = queries.resolve_fleet(fleet) if fleet else None
        found = queries.help_requests(fleet_id, None if all_requests else "open", kind)
        if as_json:
            screen.json(HelpList(tuple(found), queries.position()))
        else:
            screen.help_requests(found, "Nobody asks for an approval." if kind else "Nobody asks for help.")


@tickets_app.command()
def answer(
    help_id: Annotated[str, typer.Argument(metavar="HELP", help="The request's id, or its beginning or end.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer.")],
    by: By = "operator",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Answer a request for help, then resume."""
    help_id = _ticket(directory, help_id)
    with changing(directory) as runtime:
        reply = runtime.answer_help(help_id, text, by=by)
    _changed(as_json, reply, f"Answered {help_id}.")


@tickets_app.command()
def approve(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="The approval's id, or its beginning or end.")],
    deny: Annotated[bool, typer.Option("--deny", help="It may not be done.")] = False,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What the agent should know besides.")] = "",
    by: By = "operator",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Let an agent do what it asks approval of, or deny it; then resume."""
    ticket = _ticket(directory, ticket)
    with changing(directory) as runtime:
        reply = runtime.decide_approval(ticket, not deny, note, by=by)
    _changed(as_json, reply, f"{'Denied' if deny else 'Approved'} {ticket}.")


@tickets_app.command("cancel-help")
def cancel_help(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's id, or its beginning or end.")],
    reason: Reason = "",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Close a ticket without an answer, then resume."""
    ticket = _ticket(directory, ticket)
    with changing(directory) as runtime:
        reply = runtime.cancel_help(ticket, reason)
    _changed(as_json, reply, f"Cancelled {ticket}.")


def _ticket(directory: str, given: str) -> str:
    with reading(directory) as queries:
        return queries.resolve_ticket(given)


def _changed(as_json: bool, reply: Any, said: str) -> None:
    screen = Screen(as_json=as_json)
    if as_json:
        screen.json(reply)
    else:
        screen.line(said)
