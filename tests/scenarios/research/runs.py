"""A research fleet, run to its end, and what it found."""

from pathlib import Path

import msgspec

from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_spec

__all__ = ["Answered", "Row", "researched"]


class Row(msgspec.Struct, frozen=True):
    """A claim, and what became of it."""

    id: str
    quote: str
    path: str
    line: int
    page: int
    verdict: str
    values: tuple[str, ...]
    also: tuple[str, ...]
    against: tuple[str, ...]

    @property
    def part(self) -> int:
        return int(self.id.partition(".")[0])


class Answered(msgspec.Struct, frozen=True):
    """The synthesizer's result."""

    report: str
    answers: tuple[str, ...]
    claims: tuple[Row, ...]

    def of_part(self, number: int) -> list[Row]:
        """The claims on a part."""
        return [row for row in self.claims if row.part == number]


def researched(runtime: Runtime, workspace: Path, question: str, researchers: int = 3, report: str = "") -> Answered:
    """What the fleet answers."""
    order = ResearchOrder(question, str(workspace), researchers=researchers, report_file=report)
    fleet = runtime.spawn_fleet(research_spec(order))
    found = runtime.collect_results(fleet.fleet_id, wait_s=60)
    assert found.status == "complete", found
    output = next(result.output for result in found.results if result.name == "synthesizer")
    return msgspec.convert(output, Answered)
