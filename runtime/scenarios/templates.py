"""The scenarios as templates: what a client can spawn by name, without a line of its own. They are version 0: a
template that is saved under the same name takes the place of the one that comes along."""

import functools
from collections.abc import Mapping
from types import MappingProxyType

from fleetlog.domain.values import FleetSpec, TemplateVariable
from fleetlog.runtime.scenarios.explore.spec import explore_by_claude_spec, explore_spec
from fleetlog.runtime.scenarios.migrate.spec import (
    BRANCH,
    MigrationOrder,
    migrate_by_claude_spec,
    migrate_spec,
)
from fleetlog.runtime.scenarios.monitor.spec import Watching, monitor_by_claude_spec, monitor_spec
from fleetlog.runtime.scenarios.research.spec import (
    REPORT_FILE,
    ResearchOrder,
    research_by_claude_spec,
    research_spec,
)
from fleetlog.runtime.scenarios.review.spec import review_by_claude_spec, review_spec
from fleetlog.runtime.scenarios.triage.order import TEST_COMMAND, Order
from fleetlog.runtime.scenarios.triage.spec import triage_by_claude_spec, triage_spec
from fleetlog.runtime.template_queries import BUNDLED_VERSION, TemplateRow

__all__ = ["bundled_templates"]

CODE = TemplateVariable("workspace", "The path of the code base.")
MODEL = TemplateVariable("model", "The model: its id, or sonnet, opus, haiku, fable; empty for the default.", "")
LOG = TemplateVariable("log", "The log of failing tests: JUnit XML, or what pytest printed.")
TESTS = TemplateVariable("test_command", "What runs one test, {test}.", TEST_COMMAND)
GOOD = TemplateVariable("good", "A commit at which the tests passed; empty when none is known.", "")
PLACE = TemplateVariable("workspace", "The folder the file's links stay in, or the repository.")
REPOSITORY = TemplateVariable("workspace", "The path of the git repository.")
BRANCH_NAME = TemplateVariable("branch", "Where verified changes are committed.", BRANCH)
FILE = TemplateVariable("file", "The path in it of a Markdown spec, or of a .diff or .patch.", "")
DIFF = TemplateVariable("diff", "Or: the git revisions whose change is reviewed, as main...HEAD.", "")
QUESTION = TemplateVariable("question", "What is to be found out.")
REVIEW = "Review a spec or a change from three sides: a debate, a council, one review."
RUNBOOKS = TemplateVariable("runbooks", "The path of the runbooks: what is watched, and how it is healed (TOML).")
SERVICE = TemplateVariable("workspace", "The folder their commands run in, and their paths are meant from.")
FOR_S = TemplateVariable("for_s", "End after so many seconds; empty to watch on and on.", "")
MONITOR = "Watch a service for weeks: heal it by runbooks, call a person for the rest."
MONITORED = Watching("${runbooks}", "${workspace}", "${for_s}")
BY_CLAUDE = "The same, driven by Claude."


@functools.cache
def bundled_templates() -> Mapping[str, TemplateRow]:
    """The templates that come along, by name."""
    rows = (
        _row("explore", "Explore a code base before a refactor: map, risks, plan.", explore_spec("${workspace}"), CODE),
        _row("explore-by-claude", BY_CLAUDE, explore_by_claude_spec("${workspace}", "${model}"), CODE, MODEL),
        _row(
            "migrate",
            "Migrate tests from unittest to pytest, each change verified in a git work tree before it is committed.",
            migrate_spec(MigrationOrder("${workspace}", "${python}", "${branch}")),
            REPOSITORY,
            TemplateVariable("python", "The Python that has pytest and what the tests need.", "python3"),
            BRANCH_NAME,
        ),
        _row(
            "migrate-by-claude",
            BY_CLAUDE,
            migrate_by_claude_spec(MigrationOrder("${workspace}", "python3", "${branch}"), "${model}"),
            REPOSITORY,
            BRANCH_NAME,
            MODEL,
        ),
        _row("monitor", MONITOR, monitor_spec(MONITORED), RUNBOOKS, SERVICE, FOR_S),
        _row(
            "monitor-by-claude",
            BY_CLAUDE,
            monitor_by_claude_spec(MONITORED, "${model}"),
            RUNBOOKS,
            SERVICE,
            FOR_S,
            MODEL,
        ),
        _row("review", REVIEW, review_spec("${workspace}", "${file}", "${diff}"), PLACE, FILE, DIFF),
        _row(
            "review-by-claude",
            BY_CLAUDE,
            review_by_claude_spec("${workspace}", "${file}", "${diff}", "${model}"),
            PLACE,
            FILE,
            DIFF,
            MODEL,
        ),
        _row(
            "research",
            "Answer a question from a folder of Markdown, text and PDF, with sources and contradictions.",
            research_spec(ResearchOrder("${question}", "${workspace}", report_file="${report_file}")),
            QUESTION,
            TemplateVariable("workspace", "The folder with the sources."),
            TemplateVariable("report_file", "Where in it the report grows; empty for nowhere.", REPORT_FILE),
        ),
        _row(
            "research-by-claude",
            "Research a question: a lead, three researchers, a fact checker, a synthesizer, by Claude, on the web.",
            research_by_claude_spec(ResearchOrder("${question}", model="${model}")),
            QUESTION,
            MODEL,
        ),
        _row(
            "triage",
            "Sort failing tests: regressions, real bugs, flaky tests, infrastructure; with the commits to blame.",
            triage_spec("${workspace}", Order("${log}", good="${good}", test_command="${test_command}")),
            CODE,
            LOG,
            GOOD,
            TESTS,
        ),
        _row(
            "triage-by-claude",
            BY_CLAUDE,
            triage_by_claude_spec("${workspace}", Order("${log}", test_command="${test_command}"), "${model}"),
            CODE,
            LOG,
            TESTS,
            MODEL,
        ),
    )
    return MappingProxyType({row.name: row for row in rows})


def _row(name: str, description: str, spec: FleetSpec, *variables: TemplateVariable) -> TemplateRow:
    version = BUNDLED_VERSION
    return TemplateRow(name, version, version, description, variables, spec, saved_at=0, saved_by="")
