"""What people see: tables, lines and reports on a terminal, or JSON on a pipe.

Answers go to stdout, everything said meanwhile to stderr. Whatever agents wrote is shown as text: its
control characters are spelled out, and nothing in it is markup.
"""

import re
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleetlog.domain.budget import budget_text, usd
from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.values import Usage, agent_name_of
from fleetlog.runtime.definitions.definition import AgentDefinition, Problem
from fleetlog.runtime.replies import Spend
from fleetlog.runtime.rows import AgentRow, DoubtRow, FleetRow, HelpRow, InboxMessage, ResultRow, TimelineEntry

__all__ = [
    "STYLES",
    "Screen",
    "agents_table",
    "clock_time",
    "counted",
    "duration",
    "plain",
    "report_of",
    "without_call",
]

STYLES = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "yellow",
    "paused": "yellow",
    "interrupted": "magenta",
    "complete": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "red",
}
_PIPE_WIDTH = 1_000
_C1 = re.compile("[\x7f-\x9f]")


class Screen:
    """Where one command's output goes. `as_json`: answers are JSON, and nothing is said meanwhile."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr, quiet=as_json)

    def json(self, answer: object) -> None:
        """One JSON document, indented."""
        text = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
        print(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text))  # noqa: T201 - this is the room that prints

    def json_line(self, answer: object) -> None:
        """One JSON document, on a line of its own."""
        print(msgspec.json.encode(answer).decode(), flush=True)  # noqa: T201 - this is the room that prints

    def say(self, text: str, style: str = "") -> None:
        """A line beside the answer."""
        self.err.print(Text(plain(text), style=style), soft_wrap=True)

    def error(self, error: FleetlogError | str) -> None:
        """Why it failed, in one line; with `--json` as `{"error": ...}`, as the tools answer."""
        text = " ".join(str(error).split("\n"))
        if self.as_json:
            print(msgspec.json.encode({"error": text}).decode(), file=sys.stderr)  # noqa: T201
        else:
            self.err.print(Text.assemble(("fleetlog: ", "bold red"), plain(text)), soft_wrap=True)

    def line(self, text: str = "") -> None:
        """A line of the answer."""
        self.out.print(Text(plain(text)), soft_wrap=True)

    def gap(self) -> None:
        """An empty line between what was said and the answer, where both are on one terminal."""
        if self.out.is_terminal:
            self.out.print()

    def markdown(self, text: str) -> None:
        """A document: rendered on a terminal, as it is on a pipe."""
        if self.out.is_terminal:
            from rich.markdown import Markdown  # here: it takes long to load

            self.out.print(Markdown(plain(text)))
        else:
            print(plain(text))  # noqa: T201

    # --- answers -----------------------------------------------------------------------------

    def fleets(self, fleets: Sequence[FleetRow], next_cursor: str | None) -> None:
        """One line a fleet."""
        if not fleets:
            self.line("No fleets.")
            return
        table = _table("fleet", "name", "state", "agents", "spawned", "took")
        for fleet in fleets:
            table.add_row(
                Text(fleet.id),
                Text(plain(fleet.name)),
                _state(fleet.status),
                Text(_counts(fleet)),
                Text(clock_time(fleet.created_at)),
                Text(_took(fleet.created_at, fleet.completed_at)),
            )
        self.out.print(table)
        if next_cursor:
            self.line(f"There are more: --cursor {next_cursor}")

    def status(self, fleet: FleetRow, agents: Sequence[AgentRow]) -> None:
        """A fleet and its agents."""
        heading = Text.assemble((plain(fleet.name) or "fleet", "bold"), " ", fleet.id, "  ", _state(fleet.status))
        self.out.print(heading, soft_wrap=True)
        about = (
            ("goal", fleet.goal),
            ("workspace", fleet.workspace),
            ("reason", fleet.reason),
            ("was stuck", fleet.stuck),
        )
        for label, said in about:
            if said:
                self.line(f"  {label}: {said}")
        if fleet.pause_reason:
            self.line(f"  paused: {fleet.pause_reason}")
        if fleet.spent.calls or fleet.budget is not None:
            self.line(f"  spent: {_spent(fleet.spent)}; budget: {budget_text(fleet.budget)}")
        self.out.print(agents_table(agents))

    def spend(self, spend: Spend) -> None:
        """What a fleet has spent, by agent, most first."""
        self.line(f"{spend.fleet_id} has spent {_spent(spend.spent)}; budget: {budget_text(spend.budget)}")
        if spend.reserved.calls:
            self.line(f"Set aside for calls that are on their way: up to {usd(spend.reserved.cost_nusd)}")
        for name, spent in sorted(spend.agents.items(), key=lambda item: -item[1].cost_nusd):
            self.line(f"  {name:<24} {_spent(spent)}")
        lost = sum(call.state == "lost" for call in spend.calls)
        if lost:
            self.line(f"{counted(lost, 'call')} cut off and counted as far as is known, or in full.")

    def results(self, results: Sequence[ResultRow]) -> None:
        """Each agent's result; a report is rendered, and comes last."""
        if not results:
            self.line("No agent has ended yet.")
        for result in sorted(results, key=lambda result: report_of(result) is not None):
            self.out.print(Text.assemble((plain(result.name), "bold"), "  ", _state(result.status)), soft_wrap=True)
            report = report_of(result)
            if report is not None:
                self.markdown(report)
            elif result.status == "complete":
                self.line(_pretty(result.output))
            else:
                self.line(f"  {result.error}")

    def timeline(self, entries: Iterable[TimelineEntry]) -> None:
        """One line an event."""
        for entry in entries:
            who = agent_name_of(entry.agent_id) or entry.fleet_id
            at, said = clock_time(entry.at), _one_line(entry.summary)
            self.line(f"{entry.position:>7}  {at}  {who:<16.40}  {entry.what:<22}  {said}".rstrip())

    def inbox(self, messages: Sequence[InboxMessage]) -> None:
        """One block a message."""
        if not messages:
            self.line("No messages.")
        for message in messages:
            sender = agent_name_of(message.from_agent_id)
            self.line(f"{message.id}  {message.type} from {sender}  {clock_time(message.timestamp)}  {message.state}")
            self.line("  " + message.payload.replace("\n", "\n  "))

    def help_requests(self, requests: Sequence[HelpRow], none: str = "Nobody asks for help.") -> None:
        """One block a ticket."""
        if not requests:
            self.line(none)
        for request in requests:
            asked = f"{agent_name_of(request.agent_id)} of {request.fleet_id}, {clock_time(request.requested_at)}"
            self.line(f"{request.help_id}  {request.kind}  {request.status}  {asked}{_age(request)}")
            for label, said in _about(request):
                if said:
                    self.line(f"  {label + ':':<10} {said}")

    def doubts(self, doubts: Sequence[DoubtRow]) -> None:
        """One line a step in doubt."""
        if not doubts:
            self.line("No step is in doubt.")
        for doubt in doubts:
            self.line(f"{doubt.agent_id}  step {doubt.step} '{doubt.name}'  since {clock_time(doubt.since)}")

    def definitions(self, found: Sequence[AgentDefinition], problems: Sequence[Problem]) -> None:
        """A row a definition; what is wrong with files below."""
        table = _table("agent", "from", "")
        for definition in found:
            means = "; ".join(filter(None, (definition.model, _tools(definition))))
            about = Text.assemble(plain(definition.description), (f" ({plain(means)})", "dim"))
            table.add_row(Text(definition.name), Text(definition.scope), about)
        self.out.print(table) if found else self.line("No agent definition fits.")
        self.problems(problems)

    def problems(self, problems: Sequence[Problem]) -> None:
        """A line each, beside the answer."""
        for problem in problems:
            style = "red" if problem.severity == "error" else "yellow"
            self.say(f"{problem.path}:{problem.line}: {problem.severity}: {problem.message}", style)

    def definition(self, found: AgentDefinition) -> None:
        """One definition, whole."""
        self.line(f"{found.name}  ({found.scope}: {found.path})")
        self.line(found.description)
        self.line(f"model: {found.model or 'the default'}")
        self.line(f"tools: {_tools(found)}")
        self.gap()
        self.markdown(found.prompt)


def _tools(definition: AgentDefinition) -> str:
    return "the reading tools" if definition.tools is None else ", ".join(definition.tools) or "no tools"


def _about(request: HelpRow) -> tuple[tuple[str, str], ...]:
    escalated = f"to {request.escalated_to}, {clock_time(request.escalated_at)}" if request.escalated_at else ""
    reminders = f"{request.reminders}" if request.reminders else ""
    expires = clock_time(request.expires_at) if request.expires_at else ""
    followed = (("reminders", reminders), ("escalated", escalated), ("expires", expires), ("reason", request.reason))
    if request.kind == "approval":
        decided = {True: "granted", False: "denied", None: ""}[request.granted]
        answer = " ".join(filter(None, (decided, request.answer)))
        asked = (("action", request.blocker), ("exactly", request.subject), ("because", request.attempted))
        return (*asked, (f"decision by {request.by}", answer), *followed)
    asked = (
        ("blocker", request.blocker),
        ("attempted", request.attempted),
        (f"answer by {request.by}", request.answer or ""),
    )
    return (*asked, *followed)


def _age(request: HelpRow) -> str:
    """How long an open ticket has been waiting."""
    return (
        f", open for {duration(max(0.0, time.time() - request.requested_at / 1000))}"
        if request.status == "open"
        else ""
    )


def _console(file: TextIO, *, quiet: bool = False) -> Console:
    """As wide as the terminal; into a pipe or a file nothing is cut."""
    return Console(file=file, highlight=False, quiet=quiet, width=None if file.isatty() else _PIPE_WIDTH)


def agents_table(agents: Sequence[AgentRow]) -> Table:
    """One row an agent: what it is, how far, and what it says or waits for."""
    table = _table("agent", "state", "steps", "")
    for agent in agents:
        table.add_row(Text(plain(agent.name)), _state(agent.status), Text(str(agent.steps)), Text(_doing(agent)))
    return table


def _doing(agent: AgentRow) -> str:
    if agent.status in ("failed", "timed_out", "cancelled"):
        said = agent.error
    elif agent.waiting_for and agent.status != "complete":
        said = f"waits for {_shortly(without_call(agent.waiting_for))}" + (f" ({agent.error})" if agent.error else "")
    else:
        said = agent.progress
    again = (
        f"resumed {agent.resumptions} times; " if agent.resumptions > 1 else "resumed; " if agent.resumptions else ""
    )
    return _one_line(again + said)


def without_call(step: str) -> str:
    """A step's name without the id of the model's call it answers."""
    name = step.partition(" toolu_")[0]
    return "a message" if name == "wait_for_messages" else name


def _shortly(waiting_for: str) -> str:
    """The wait in words: steps are called after the calls that make them."""
    words = waiting_for.split()
    if words[:1] != ["receive"]:
        return waiting_for
    kinds = words[1 : words.index("from")] if "from" in words else words[1:]
    sender = f" from {words[-1]}" if "from" in words else ""
    return (" or ".join(kinds) or "a message") + sender


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold" if column == "" else "ellipsis", no_wrap=column not in ("", "name"))
    return table


def _spent(spent: Usage) -> str:
    return f"{usd(spent.cost_nusd)}, {spent.tokens:,} tokens, {counted(spent.calls, 'call')}"


def _state(status: str) -> Text:
    return Text(status.replace("_", " "), style=STYLES.get(status, ""))


def _counts(fleet: FleetRow) -> str:
    ended = fleet.agents.get("complete", 0)
    failed = sum(fleet.agents.get(status, 0) for status in ("failed", "timed_out", "cancelled"))
    return f"{ended} of {fleet.agent_count} complete" + (f", {failed} not" if failed else "")


def _took(started_ms: int, ended_ms: int | None) -> str:
    return "" if ended_ms is None else duration((ended_ms - started_ms) / 1000)


def _pretty(output: Any) -> str:
    return output if isinstance(output, str) else msgspec.json.format(msgspec.json.encode(output), indent=2).decode()


def _one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def report_of(result: ResultRow) -> str | None:
    """The report in an agent's result: what it gave as `report`, Markdown."""
    report = result.output.get("report") if isinstance(result.output, dict) else None
    return report if isinstance(report, str) else None


def plain(text: str) -> str:
    """The text with control, format and bidirectional characters spelled out: a terminal obeys none of it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def clock_time(epoch_ms: int) -> str:
    """Local time of a moment, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch_ms / 1000))


def counted(count: int, noun: str) -> str:
    """`1 message`, `1,200 messages`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
