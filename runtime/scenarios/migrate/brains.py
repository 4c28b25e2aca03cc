"""The three agents. What touches files, git or tests is a step; what stands between steps is deterministic."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.migrate import repository
from fleetlog.runtime.scenarios.migrate.changes import Left
from fleetlog.runtime.scenarios.migrate.deeds import (
    Place,
    Survey,
    look,
    modules_with_examples,
    offer,
    put,
    settle,
    try_out,
)
from fleetlog.runtime.scenarios.migrate.examples import Module, tests_for
from fleetlog.runtime.scenarios.migrate.report import report
from fleetlog.runtime.scenarios.migrate.talk import Answer, Change, Outcome, Written, said

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

MIGRATOR, TEST_WRITER, VERIFIER = "migrator", "test-writer", "verifier"


class Offered(msgspec.Struct, frozen=True):
    """What the codemod said of a file."""

    renamed: dict[str, str]
    left: tuple[Left, ...]


def migrator(ctx: "Context") -> None:
    """Converts file by file, has each change verified, and writes the report."""
    survey = _survey(ctx)
    limit = int(inputs_of(ctx.prompt).get("limit", "0")) or len(survey.files)
    place = _place(ctx, survey.commit)
    outcomes = []
    for number, path in enumerate(survey.files[:limit], start=1):
        outcomes.append(_migrated(ctx, place, path))
        ctx.progress(f"{number} of {min(limit, len(survey.files))} files", number / limit)
    written = msgspec.json.decode(ctx.receive(types=("handoff",), sender=TEST_WRITER).payload, type=Written)
    names = [_tree_name(ctx, name) for name in (MIGRATOR, TEST_WRITER, VERIFIER)]
    ctx.step("remove the work trees", "idempotent", repository.remove_trees, ctx.workspace or "", names)
    text = ctx.step("write the report", "pure", report, survey, outcomes, written, inputs_of(ctx.prompt)["branch"])
    verified = [one for one in outcomes if one.answer and one.answer.verified]
    ctx.submit_result(
        {"report": text, "files": len(outcomes), "migrated": len(verified),
         "tests": sum(one.answer.tests for one in verified if one.answer), "new_tests": len(written.files)}
    )  # fmt: skip


def _survey(ctx: "Context") -> Survey:
    return msgspec.convert(ctx.step("look at the repository", "pure", look, ctx.workspace or ""), Survey)


def _tree_name(ctx: "Context", name: str) -> str:
    return f"{ctx.fleet_id}-{name}"


def _place(ctx: "Context", commit: str, branch: str = "") -> Place:
    return Place(ctx.workspace or "", _tree_name(ctx, ctx.name), commit, branch)


def _migrated(ctx: "Context", place: Place, path: str) -> Outcome:
    """The file, converted and verified; once more without the classes that behaved otherwise; or left."""
    without: tuple[str, ...] = ()
    answer: Answer | None = None
    for attempt in (1, 2):
        found = ctx.step(f"convert {path}", "idempotent", offer, place, path, without)
        offered = msgspec.convert(found, Offered)
        if not offered.renamed:
            return Outcome(path, answer=answer, left=offered.left, rolled_back=without)
        subject = f"{path}: from unittest to pytest"
        tree = ctx.step(f"name the tree of {path}", "pure", lambda: place.tree)
        change = Change(path, tree, subject, offered.renamed, attempt=attempt)
        answer = _ask(ctx, f"I changed {path}, does the test still pass?", change)
        if answer.verified or not answer.classes:
            break
        without = answer.classes
    return Outcome(path, tuple(offered.renamed), answer, offered.left, without)


def _ask(ctx: "Context", text: str, change: Change) -> Answer:
    return msgspec.json.decode(ctx.ask(VERIFIER, said(text, change)).payload, type=Answer)


def test_writer(ctx: "Context") -> None:
    """Makes tests of the examples in docstrings, has each file verified, and tells the migrator."""
    survey = _survey(ctx)
    place = _place(ctx, survey.commit)
    found = ctx.step("find examples in docstrings", "pure", modules_with_examples, place)
    modules = msgspec.convert(found, list[Module])
    files = []
    for module in modules:
        path = _test_path(survey, module)
        if not ctx.step(f"write {path}", "idempotent", put, place, path, tests_for(module)):
            continue
        tree = ctx.step(f"name the tree of {path}", "pure", lambda: place.tree)
        change = Change(path, tree, f"{path}: what the docstrings of {module.name} show", is_new=True)
        files.append((path, len(module.examples), _ask(ctx, f"I wrote {path}, does it hold?", change)))
    written = Written(tuple(files), len(modules))
    ctx.send(MIGRATOR, "handoff", said(f"{len(files)} files of new tests", written))
    ctx.submit_result({"modules": len(modules), "files": len(files)})


def _test_path(survey: Survey, module: Module) -> str:
    """Beside the first test file there is."""
    folder = str(PurePosixPath(survey.files[0]).parent) if survey.files else "tests"
    name = f"test_examples_{module.name.replace('.', '_')}.py"
    return name if folder == "." else f"{folder}/{name}"


def verifier(ctx: "Context") -> None:
    """Runs what it is asked about in a work tree of its own; commits what holds, rolls back what does not."""
    inputs = inputs_of(ctx.prompt)
    survey = _survey(ctx)
    place = _place(ctx, survey.commit, inputs["branch"])
    ctx.submit_result({"branch": inputs["branch"], "python": inputs["python"]})
    for question in ctx.questions():
        change = msgspec.json.decode(question.payload, type=Change)
        tried = ctx.step(f"try {change.path}", "idempotent", try_out, place, change, inputs["python"])
        answer = msgspec.convert(tried, Answer)
        if answer.verified:
            step = f"{ctx.fleet_id}/{change.path}"
            commit = ctx.step(f"commit {change.path}", "idempotent", settle, place, change, step)
            answer = msgspec.structs.replace(answer, commit=commit)
        verdict = "holds" if answer.verified else "was rolled back"
        ctx.reply(question, said(f"{change.path} {verdict}: {answer.why}"[:1_000], answer))
