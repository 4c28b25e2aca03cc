"""How often routing finds the right one: twenty agents, thirty pieces of work in other words than the agents' own.

Run with `-s` to see the figures and what was missed.
"""

from collections.abc import Callable

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime

OpenRuntime = Callable[..., Runtime]

AGENTS = {
    "security": ("security reviewer", ("threat modelling", "auth"), "Find what an attacker could use, and prove it."),
    "tester": ("test writer", ("pytest", "fixtures"), "Write tests that fail when the behaviour changes."),
    "debugger": ("debugger", ("root cause analysis",), "Find why it goes wrong; change as little as possible."),
    "dba": ("database engineer", ("sql", "indexes", "migrations"), "You know query plans and locks."),
    "frontend": ("frontend developer", ("react", "css"), "Build what people see and click."),
    "backend": ("backend developer", ("apis", "services"), "Write the server's handlers and its business rules."),
    "perf": ("performance engineer", ("profiling", "benchmarks"), "Measure first. Then make it faster."),
    "docs": ("technical writer", ("documentation", "tutorials"), "Write for somebody who has ten minutes."),
    "ops": ("devops engineer", ("kubernetes", "terraform"), "Ship it, roll it back, keep it running."),
    "ci": ("build engineer", ("continuous integration", "caching"), "Keep the pipeline green and quick."),
    "incident": ("incident commander", ("coordination",), "Lead the response when production is down."),
    "network": ("network engineer", ("dns", "tls", "firewalls"), "You read packet captures."),
    "data": ("data analyst", ("statistics", "pandas"), "Turn tables into answers with honest error bars."),
    "ml": ("machine learning engineer", ("training", "evaluation"), "Train models and know when they overfit."),
    "mobile": ("mobile developer", ("android", "ios"), "Build apps for phones."),
    "a11y": ("accessibility specialist", ("screen readers", "wcag"), "Everybody can use it, or it is not done."),
    "i18n": ("localization engineer", ("translations", "plural rules"), "Make it speak every language."),
    "legal": ("compliance officer", ("gdpr", "licenses"), "Say what the law asks of us."),
    "refactor": ("refactoring specialist", ("code structure",), "Simplify without changing behaviour."),
    "research": ("researcher", ("literature", "fact checking"), "Read the sources and say what they say."),
}
WORK = (
    ("look for SQL injection in the login form", "security"),
    ("is our password reset exploitable?", "security"),
    ("write unit tests for the parser", "tester"),
    ("raise the test coverage of the billing module", "tester"),
    ("the importer crashes with a strange traceback", "debugger"),
    ("diagnose why the job hangs at night", "debugger"),
    ("this query does a full table scan in postgres", "dba"),
    ("add a column to the users table without downtime", "dba"),
    ("the button is not aligned in the browser", "frontend"),
    ("a new settings page with a dark theme in React", "frontend"),
    ("add an endpoint that returns the orders of a customer", "backend"),
    ("implement the discount rules in the server", "backend"),
    ("the start page is slow, find the bottleneck", "perf"),
    ("profile memory and cpu of the worker", "perf"),
    ("write a tutorial and a readme for newcomers", "docs"),
    ("the manual is out of date", "docs"),
    ("deploy the service to the cluster", "ops"),
    ("write terraform for a second region", "ops"),
    ("the GitHub Actions pipeline takes an hour", "ci"),
    ("we have an outage, somebody must coordinate", "incident"),
    ("renew the TLS certificate and fix the DNS entry", "network"),
    ("are these two conversion rates significantly different? a statistics question", "data"),
    ("train a classifier for spam", "ml"),
    ("the Android app drains the battery", "mobile"),
    ("can blind people use the form with a screen reader?", "a11y"),
    ("translate the menu to French and Polish", "i18n"),
    ("may we ship this GPL licensed library?", "legal"),
    ("what does GDPR ask of our logs?", "legal"),
    ("clean up this module, it is full of technical debt", "refactor"),
    ("survey the literature on consensus algorithms", "research"),
)


def test_the_right_agent_is_found_first_for_most_work_and_among_three_for_nearly_all(
    open_runtime: OpenRuntime,
) -> None:
    runtime = open_runtime()
    agents = tuple(AgentSpec(name=n, role=r, skills=s, prompt=p) for n, (r, s, p) in AGENTS.items())
    runtime.spawn_fleet(FleetSpec(agents=agents))
    first = among_three = 0
    for description, wanted in WORK:
        found = [match.agent_id.split("-", 4)[4] for match in runtime.route_work(description, 3).matches]
        first += found[:1] == [wanted]
        among_three += wanted in found
        if found[:1] != [wanted]:
            print(f"{description!r}: wanted {wanted}, found {found}")  # noqa: T201
    print(f"precision at 1: {first / len(WORK):.2f}, recall at 3: {among_three / len(WORK):.2f}")  # noqa: T201
    assert (len(AGENTS), len(WORK)) == (20, 30)
    assert first >= 25
    assert among_three >= 28
