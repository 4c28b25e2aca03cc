"""How long one call takes on a runtime in which nothing else happens."""

from collections.abc import Callable

import pytest

from benchmarks.conftest import Scale
from benchmarks.mailboxes import Mailboxes
from benchmarks.measuring import Benchmark, Line, percentile, report, timed

SECTION = "One call, nothing else going on"


@pytest.mark.parametrize("mailboxes", [10], indirect=True)
def test_durable_send(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale) -> None:
    """From the call to the reply after the fsync; the views have caught up before each."""
    mailboxes.start(views=True)
    _report(benchmark, "send_message, durable", mailboxes.send_one, scale.calls, mailboxes.catch_up)


@pytest.mark.parametrize("mailboxes", [10], indirect=True)
def test_send_then_status(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale) -> None:
    """A send, then a status that must show it: read your own writes."""
    mailboxes.start(views=True)

    def send_and_look() -> None:
        mailboxes.send_one()
        mailboxes.runtime.fleet_status(mailboxes.fleet_id)

    _report(benchmark, "send_message and a fleet_status that shows it", send_and_look, scale.calls)


@pytest.mark.parametrize("mailboxes", [10, 1_000], indirect=True)
def test_fleet_status(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale) -> None:
    """A fleet and all its agents, read from the views."""
    mailboxes.start(views=True)
    runtime, fleet_id = mailboxes.runtime, mailboxes.fleet_id
    _report(
        benchmark, f"fleet_status, {mailboxes.agents:,} agents", lambda: runtime.fleet_status(fleet_id), scale.calls
    )


def _report(
    benchmark: Benchmark,
    label: str,
    call: Callable[[], object],
    calls: int,
    setup: Callable[[], object] | None = None,
) -> None:
    seconds = timed(benchmark, call, calls, setup)
    report(
        benchmark,
        *(
            Line(
                section=SECTION,
                label=f"{label}, p{round(share * 100)}",
                unit="ms",
                values=(percentile(seconds, share) * 1e3,),
                less=True,
            )
            for share in (0.5, 0.99)
        ),
    )
