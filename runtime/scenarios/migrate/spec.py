"""The fleet of the migration scenario: three agents, with offline brains or driven by Claude."""

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.scenarios.research import REPORT_SCHEMA

__all__ = ["BRANCH", "MigrationOrder", "migrate_by_claude_spec", "migrate_spec"]

BRANCH = "fleetlog/unittest-to-pytest"
_BRAINS = "fleetlog.runtime.scenarios.migrate.brains"
_INPUTS = "\n\nInputs:\nbranch: {branch}\npython: {python}\nlimit: {limit}\n"


class MigrationOrder(Struct, frozen=True):
    """What is to be migrated. `workspace` is a git repository; `limit` 0 means every file."""

    workspace: str
    python: str
    branch: str = BRANCH
    limit: int = 0


def migrate_spec(order: MigrationOrder) -> FleetSpec:
    """The spec for a repository. The migrator's result is `{"report": Markdown, ...}`."""

    def agent(role: str, prompt: str, brain: str, *skills: str) -> AgentSpec:
        inputs = _INPUTS.format(branch=order.branch, python=order.python, limit=order.limit)
        return AgentSpec(role=role, prompt=prompt + inputs, brain=f"{_BRAINS}:{brain}", skills=skills)

    return FleetSpec(
        name="migrate",
        goal="Migrate the tests of this repository from unittest to pytest, each change verified.",
        workspace=order.workspace,
        agents=(
            agent("migrator", "Convert file by file; have the verifier run each.", "migrator", "migration"),
            agent("test writer", "Make tests of the examples in docstrings.", "test_writer", "testing"),
            agent("verifier", "Run what changed; commit what holds, roll back what does not.", "verifier", "testing"),
        ),
    )


_TREE = (
    "Work in a git work tree of your own, `.worktrees/{name}` in the workspace (make it with git worktree add, remove "
    "it when you are done); never touch the checkout itself. Run tests with {python} -m pytest."
)
_MIGRATOR = """\
Migrate the tests of this repository from unittest to pytest, file by file. {tree}

For each file: convert it (classes whole or not at all; what has no certain equivalent stays), then ask verifier \
(ask_peer): "I changed FILE in TREE, does the test still pass?". It commits what holds on the branch {branch}. What it \
refuses, roll back; try once more, with more care, then leave it. When test-writer has told you what it did, submit \
the report: what was migrated (files, tests before and after), what was rolled back and why, what is left for a \
person with file and line, how to look at the branch and merge it.\
"""
_TEST_WRITER = """\
The tests of this repository go from unittest to pytest. {tree}

Write the tests that are missing: what docstrings show, what no test reaches. Small and certain; each must fail when \
what it asserts is turned around. Ask verifier about each file ("I wrote FILE in TREE, does it hold?"). Tell migrator \
what came of it (send_message, type "handoff"), then submit the same as your result.\
"""
_VERIFIER = """\
You verify what migrator and test-writer change. {tree} It is on the branch {branch}, which you make at HEAD.

Asked about a file, run its tests as they were (twice: a flaky file cannot be judged), then with the change: the same \
tests must be there, with the same outcomes. Then turn the assertions around: tests that still pass assert nothing. \
What holds, commit, one commit a file; what does not, roll back. Answer with what you saw, test by test. Submit a list \
of your verdicts after the first answer, and stay reachable.\
"""


def migrate_by_claude_spec(order: MigrationOrder, model: str = "") -> FleetSpec:
    """The same three agents, driven by Claude; the migrator's result is `{"report": Markdown}`."""

    def agent(role: str, prompt: str, definition: str) -> AgentSpec:
        name = role.replace(" ", "-")
        tree = _TREE.format(name=name, python=order.python)
        return AgentSpec(
            role=role,
            prompt=prompt.format(tree=tree, branch=order.branch),
            brain="claude",
            agent=definition,
            model=model,
            tools=("list_files", "read_file", "search_files", "write_file", "edit_file", "run_command"),
            grants=("write", "run:git", f"run:{order.python}"),
        )

    migration = agent("migrator", _MIGRATOR, "migrator")
    agents = (
        replace(migration, result_schema=REPORT_SCHEMA),
        agent("test writer", _TEST_WRITER, "test-writer"),
        agent("verifier", _VERIFIER, "verifier"),
    )
    return replace(migrate_spec(order), agents=agents)
