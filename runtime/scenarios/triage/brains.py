"""The agents. The triager reads, sorts, attaches debuggers and writes; each debugger goes through the history of what
it is asked about. What is costly or may change is a step; between steps is nothing but arithmetic.

A case goes to a debugger as a question with the case as JSON, and comes back as a result; the word that no more will
come is a handoff.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.domain.errors import StepFailed
from fleetlog.domain.values import AgentSpec
from fleetlog.runtime.git import GitFailed
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.triage import suspects as git
from fleetlog.runtime.scenarios.triage.cases import by_signs, cases_of, fails_here
from fleetlog.runtime.scenarios.triage.clusters import clusters_of
from fleetlog.runtime.scenarios.triage.cutting import cut_to
from fleetlog.runtime.scenarios.triage.facts import (
    INFRASTRUCTURE,
    UNDECIDED,
    Attempt,
    Case,
    Cluster,
    Finding,
    Ground,
    Log,
    Suspect,
    TestRuns,
)
from fleetlog.runtime.scenarios.triage.findings import by_clues, by_search, judged, not_committed
from fleetlog.runtime.scenarios.triage.nodes import file_of, is_test_file
from fleetlog.runtime.scenarios.triage.order import Order, inputs_text, order_of
from fleetlog.runtime.scenarios.triage.reading import look_at, read_log, source_of, sources_of
from fleetlog.runtime.scenarios.triage.report import Triage, figures, report
from fleetlog.runtime.scenarios.triage.running import Runner, probe, run_again
from fleetlog.runtime.scenarios.triage.search import Search, search
from fleetlog.runtime.scenarios.triage.signs import imported_files

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

__all__ = ["debugger", "triager"]

_DEBUGGER = f"{__name__}:debugger"


# --- the triager ---------------------------------------------------------------------------------


def triager(ctx: "Context") -> dict[str, Any]:
    """Reads the log, sorts what failed, has debuggers look into what is broken, and writes the report."""
    try:
        return _triage(ctx, order_of(inputs_of(ctx.prompt)))
    except StepFailed as error:
        ctx.close_fleet(f"the triager failed: {error}"[:500])  # or it would stay open for ever
        raise


def _triage(ctx: "Context", order: Order) -> dict[str, Any]:
    workspace = ctx.workspace or ""
    ground = msgspec.convert(ctx.step("look at the workspace", "pure", look_at, workspace), Ground)
    log = msgspec.convert(ctx.step("read the log", "pure", read_log, order.log, ground.files), Log)
    found = ctx.step("sort by what failed alike", "pure", _clusters, workspace, ground, log)
    clusters = msgspec.convert(found, list[Cluster])
    ctx.progress(f"{len(log.failures)} failing tests in {len(clusters)} clusters")
    desk = _Desk(ctx, order)
    cases: list[Case] = []
    for number, cluster in enumerate(clusters, 1):
        for case in _sorted(ctx, order, cluster):
            cases.append(case)
            if not case.kind:
                desk.hand_over(case)
        ctx.progress(f"sorted {cluster.id}", number / (len(clusters) + 1))
    findings = desk.findings()
    done = Triage(ground, order, log, tuple(cases), tuple(findings))
    text = ctx.step("write the report", "pure", report, done, _name_of(workspace))
    ctx.close_fleet("every cluster has its finding")
    return {"report": text, **figures(done)}


def _name_of(workspace: str) -> str:
    return workspace.rstrip("/").rpartition("/")[2] or "the workspace"


def _clusters(workspace: str, ground: Ground, log: Log) -> list[Cluster]:
    return clusters_of(log.failures, ground, sources_of(workspace, ground, log.failures))


def _sorted(ctx: "Context", order: Order, cluster: Cluster) -> list[Case]:
    """The cases of a cluster, each with an id of its own."""
    if not order.rerun:
        return [by_signs(cluster)]
    runner = Runner(ctx.tool_run, ctx.workspace or "", order, ctx.agent_id)
    made = ctx.step(f"run {cluster.id} again", "pure", run_again, runner, cluster)
    cases = _tried_where_it_passed(ctx, runner, cases_of(cluster, msgspec.convert(made, list[TestRuns])))
    suffixes = [""] if len(cases) == 1 else [chr(ord("a") + n) for n in range(len(cases))]
    renamed = [msgspec.structs.replace(cluster, id=cluster.id + suffix) for suffix in suffixes]
    return [msgspec.structs.replace(case, cluster=named) for case, named in zip(cases, renamed, strict=True)]


def _tried_where_it_passed(ctx: "Context", runner: Runner, cases: list[Case]) -> list[Case]:
    """What looks like infrastructure, but passes at the commit that is known to be good, is something a commit did."""
    if not runner.order.good or cases[0].kind != INFRASTRUCTURE or not fails_here(cases[0]):
        return cases
    case, good = cases[0], runner.order.good
    made = ctx.step(f"run {case.cluster.id} at {good[:10]}", "pure", probe, runner, case.tests[0], good, {})
    if msgspec.convert(made, Attempt).outcome != "passed":
        return cases
    return [msgspec.structs.replace(case, kind="", evidence=(*case.evidence, f"passes at `{good[:10]}`"))]


class _Desk:
    """Where the triager has its debuggers, and what it has asked them."""

    def __init__(self, ctx: "Context", order: Order) -> None:
        self._ctx, self._order = ctx, order
        self._names: list[str] = []
        self._load: Counter[str] = Counter()
        self._asked: list[tuple[Case, str]] = []
        """(the case, the id of the question about it; empty where nobody could be asked)."""

    def hand_over(self, case: Case) -> None:
        """Attach a debugger for the case, while there may be more of them, and ask the one who fits it best."""
        if len(self._names) < self._order.debuggers:
            self._names.append(self._ctx.attach_agent(_debugger_spec(len(self._names) + 1, case, self._order)))
            self._ctx.progress(f"attached {self._names[-1]} for {case.cluster.id}")
        name = self._chosen(case)
        try:
            question = self._ctx.send(name, "question", _question(case), step_name=f"hand {case.cluster.id} over")
        except StepFailed:  # it has ended: its end is recorded, and the case is told as undecided
            question = ""
        self._load[name] += 1
        self._asked.append((case, question))

    def _chosen(self, case: Case) -> str:
        """Of those who fit best, the first of those with the least to do; else whoever has the least to do."""
        matches = [match.name for match in self._ctx.route_work(_described(case), 3) if match.name in self._names]
        return min(matches or self._names, key=lambda name: self._load[name])

    def findings(self) -> list[Finding]:
        """What came back, in the order of the cases. The debuggers are told that no more will come."""
        for name in self._names:
            self._tell_the_end(name)
        return [self._finding(case, question) for case, question in self._asked]

    def _tell_the_end(self, name: str) -> None:
        try:
            self._ctx.send(name, "handoff", '{"text": "That was all.", "cases": 0}', step_name=f"no more for {name}")
        except StepFailed:
            return  # it has ended by itself

    def _finding(self, case: Case, question: str) -> Finding:
        number = case.cluster.id
        if not question:
            return Finding(number, UNDECIDED, False, ("no debugger could be asked",))
        answer = self._ctx.receive(("result",), correlation_id=question)
        if answer.declined:
            return Finding(number, UNDECIDED, False, (f"its debugger ended without an answer: {answer.payload[:200]}",))
        return msgspec.json.decode(answer.payload, type=Finding)


def _debugger_spec(number: int, case: Case, order: Order) -> AgentSpec:
    return AgentSpec(
        role="debugger",
        name=f"debugger-{number}",
        brain=_DEBUGGER,
        prompt=f"Find out since when this fails, and who knows why: {_described(case)}{inputs_text(order)}",
        skills=_skills(case),
        max_attempts=2,
    )


def _skills(case: Case) -> tuple[str, ...]:
    """What whoever looks into this will know: the files, the functions, the kind of failure."""
    cluster = case.cluster
    paths = [*(frame.path for frame in cluster.frames), *(file_of(test) for test in case.tests[:3])]
    stems = [path.rpartition("/")[2].removesuffix(".py").removeprefix("test_") for path in paths]
    words = [*stems, *(frame.function for frame in cluster.frames), cluster.exception]
    return tuple(dict.fromkeys(word for word in words if word and word.isidentifier()))[:8]


def _described(case: Case) -> str:
    cluster = case.cluster
    at = f" in {cluster.frames[-1].path} {cluster.frames[-1].function}" if cluster.frames else ""
    return f"{cluster.exception}{at}: {cluster.message[:200]} ({case.tests[0]})"


def _question(case: Case) -> str:
    """JSON, with a `text` for those who read along; the tests of a large case but the first are not needed."""
    told = msgspec.structs.replace(case, tests=case.tests[:5], cluster=msgspec.structs.replace(case.cluster, tests=()))
    return msgspec.json.encode({"text": f"Since when? {_described(case)}", **msgspec.to_builtins(told)}).decode()


# --- a debugger ----------------------------------------------------------------------------------


def debugger(ctx: "Context") -> dict[str, Any]:
    """Looks into each case it is asked about, until it is told that there are no more."""
    order = order_of(inputs_of(ctx.prompt))
    said: list[dict[str, str]] = []
    while True:
        message = ctx.receive(("question", "handoff"))
        if message.type == "handoff":
            return {"cases": len(said), "findings": said}
        case = msgspec.json.decode(message.payload, type=Case)
        finding = _investigated(ctx, order, case)
        worded = {"text": f"{finding.case}: {finding.kind}; {'; '.join(finding.evidence)}"[:2_000]}
        ctx.reply(message, msgspec.json.encode({**worded, **msgspec.to_builtins(finding)}).decode())
        said.append({"case": finding.case, "kind": finding.kind, "evidence": "; ".join(finding.evidence)})


def _investigated(ctx: "Context", order: Order, case: Case) -> Finding:
    number, workspace = case.cluster.id, ctx.workspace or ""
    clues = msgspec.convert(
        ctx.step(f"who changed what {number} passes", "pure", _clues, workspace, order, case), git.Clues
    )
    if not order.rerun:
        return by_clues(case, clues, order.good)
    line = list(ctx.step(f"the commits behind {number}", "pure", _line, workspace, order.good))
    if len(line) < 2:
        return by_clues(case, clues, order.good)
    return _searched(ctx, order, case, clues, line)


def _clues(workspace: str, order: Order, case: Case) -> git.Clues:
    frames = [frame for frame in case.cluster.frames if not is_test_file(frame.path)][-2:]
    path = file_of(case.tests[0])
    about = imported_files(source_of(workspace, path), frozenset(look_at(workspace).files))
    files = [] if frames else [one for one in about if not is_test_file(one)][:3]
    return git.clues(workspace, frames, [*files, path], order.good)


def _line(workspace: str, good: str) -> list[str]:
    try:
        return git.commit_line(workspace, good)
    except GitFailed:
        return []


def _basis(workspace: str, test: str) -> tuple[dict[str, str], bool]:
    """What today's test stands on (its file, cut to it, the conftests above it, the test files that it imports), by
    path; and whether the workspace has changes that are not committed."""
    ground = look_at(workspace)
    files, path = frozenset(ground.files), file_of(test)
    folders = path.split("/")[:-1]
    above = ["/".join([*folders[:end], "conftest.py"]) for end in range(len(folders) + 1)]
    beside = [one for one in imported_files(source_of(workspace, path), files) if is_test_file(one)]
    texts = {one: source_of(workspace, one) for one in (path, *above, *beside) if one in files}
    return texts | ({path: cut_to(texts[path], test)} if path in texts else {}), ground.is_dirty


def _searched(ctx: "Context", order: Order, case: Case, clues: git.Clues, line: list[str]) -> Finding:
    """Run the case's first test at older commits until it is known which one broke it."""
    number, test = case.cluster.id, case.tests[0]
    carried, is_dirty = ctx.step(f"what {number} stands on", "pure", _basis, ctx.workspace or "", test)
    runner = Runner(ctx.tool_run, ctx.workspace or "", order, ctx.agent_id)
    runs: Counter[str] = Counter()

    def look(at: int) -> str:
        runs["all"] += 1
        name = f"run {number} at {line[at][:10]}" + (" once more" if runs[line[at]] else "")
        runs[line[at]] += 1
        attempt = msgspec.convert(ctx.step(name, "pure", probe, runner, test, line[at], carried), Attempt)
        return judged(attempt, case.cluster.exception)

    if is_dirty and look(0) == "good":
        return not_committed(case)
    found = search(len(line), look, len(line) - 1 if order.good else None)
    confirmed = _confirmed(found, line, look)
    suspects = ctx.step(f"who made the commits of {number}", "pure", _suspects, ctx.workspace, found, line, clues)
    finding = by_search(case, found, line, msgspec.convert(suspects, list[Suspect]), confirmed)
    return msgspec.structs.replace(finding, runs=runs["all"])


def _confirmed(found: Search, line: list[str], look: Callable[[int], str]) -> str:
    """`yes`, when a second look at both sides says the same; else the commit where it does not."""
    if found.before == "bad":
        return "yes"
    sides = [(found.bad, "bad"), (found.behind, found.before)]
    return next((f"`{line[at][:10]}`" for at, before in sides if look(at) != before), "yes")


def _suspects(workspace: str, found: Search, line: list[str], clues: git.Clues) -> list[Suspect]:
    if found.before == "bad":
        return [*clues.recent, *clues.older][:3]
    born = "brought in what is tested, with the mistake"
    why = "passes before it, fails with it" if found.before == "good" else born
    commits = line[found.bad : found.behind][-3:][::-1]
    return [git.suspect(workspace, commit, f"{why}{_changed(workspace, commit)}") for commit in commits]


def _changed(workspace: str, commit: str) -> str:
    paths = git.touched(workspace, commit)
    shown = ", ".join(f"`{path}`" for path in paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")
    return f"; it changed {shown}" if paths else ""
