"""`fleetlog token`: who may come in."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json, Reason, chosen_agent, say_changed
from fleetlog.runtime.cli.visits import DEFAULT_DIR, changing, reading

__all__ = ["tokens_app"]

tokens_app = typer.Typer(
    name="token", help="Tokens: who may come in, and as whom.", no_args_is_help=True, rich_markup_mode=None
)
_HOURS_MS = 3_600_000
_MAX_HOURS = 1_000_000


@tokens_app.command()
def issue(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="operator, read or agent.")],
    agent: Annotated[str, typer.Option(metavar="AGENT", help="Whose it is: an agent's id, or its name.")] = "",
    fleet: Annotated[str | None, typer.Option(help="The fleet, if AGENT is a name.")] = None,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    hours: Annotated[float | None, typer.Option(metavar="N", help="It expires after so many hours.")] = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Make a token. Its secret is shown once, here."""
    if scope not in ("operator", "read", "agent"):
        raise InvalidArgument(f"'SCOPE' must be exactly one of operator | read | agent, got {scope!r}")
    expires = None
    if hours is not None:
        if not 0 < hours <= _MAX_HOURS:  # also when it is not a number
            raise InvalidArgument(f"'--hours' must be above 0 and at most {_MAX_HOURS}, got {hours}")
        expires = round(datetime.now(UTC).timestamp() * 1000 + hours * _HOURS_MS)
    if agent:
        with reading(directory) as queries:
            agent = chosen_agent(queries, agent, fleet)
    with changing(directory) as runtime:
        reply = runtime.issue_token(scope, agent_id=agent, label=label, expires_at=expires)  # type: ignore[arg-type]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.json(reply)
        return
    screen.line(reply.token)
    screen.say(f"This is {reply.token_id}. It is shown only now; only its digest is kept.", "dim")


@tokens_app.command("list")
def list_tokens(directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """List tokens: whose they are, and whether they count."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        found = queries.tokens()
    if as_json:
        screen.json({"tokens": found})
        return
    for token in found:
        state = "revoked" if token.revoked_at else "expired" if is_over(token.expires_at) else "counts"
        forged = f", {token.forgeries} forgeries" if token.forgeries else ""
        screen.line(f"{token.token_id}  {token.scope:<8}  {state:<7}  {token.agent_id or token.label}{forged}")


def is_over(expires_at: int | None) -> bool:
    """Is this epoch millisecond past?"""
    return expires_at is not None and expires_at <= datetime.now(UTC).timestamp() * 1000


@tokens_app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id, see token list.")],
    reason: Reason = "",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Have a token count for nothing, from now on."""
    with changing(directory) as runtime:
        reply = runtime.revoke_token(token, reason)
    say_changed(Screen(as_json=as_json), reply, f"Revoked {token}.")
