"""The report: Markdown, the same for the same repository, whoever was killed on the way. Pure.

No date of the run, no id, no duration, no absolute path and no commit id (which has a date in it) may enter it.
"""

from collections.abc import Iterator, Sequence

from fleetlog.runtime.scenarios.migrate.deeds import Survey
from fleetlog.runtime.scenarios.migrate.talk import Answer, Outcome, Written

__all__ = ["report"]

_METHOD = """\
- A class is converted whole or not at all, with all that inherits from it in its file. What has no certain equivalent
  leaves it as it was.
- A change is **verified** when the file's tests, run before (twice) and after it, are the same tests with the same
  outcomes. A parametrized test counts as the one it was made of.
- Then every assertion of the converted file is turned around and the file is run again: a test that still passes
  asserts nothing that is reached, before as after; it is listed, and kept.
- Each verified file is one commit. What was not verified was rolled back in the work tree; your checkout was not
  touched.
- Not seen: tests that depend on others' order, on what another file leaves behind, or on a runner's options; outcomes
  on other versions of Python."""


def report(survey: Survey, outcomes: Sequence[Outcome], written: Written, branch: str) -> str:
    """The whole of it."""
    return "\n".join(_lines(survey, outcomes, written, branch)) + "\n"


def _lines(survey: Survey, outcomes: Sequence[Outcome], written: Written, branch: str) -> Iterator[str]:
    verified = [(one, one.answer) for one in outcomes if one.answer and one.answer.verified]
    tests = sum(answer.tests for _, answer in verified)
    yield "# From unittest to pytest\n"
    kept = f"on the branch `{branch}`, one commit each" if verified else f"`{branch}` has nothing new"
    yield f"- **Migrated**: {len(verified)} of {len(outcomes)} files, {tests} tests with the same outcomes; {kept}."
    partly = [one for one, _ in verified if one.left]
    if partly:
        yield f"- **In part**: {len(partly)} of these files keep classes of unittest's, which pytest runs as before."
    back = [one for one in outcomes if one.answer and not one.answer.verified]
    yield f"- **Rolled back**: {len(back)} files that did not behave as before, or cannot be judged."
    examples = sum(examples for _, examples, answer in written.files if answer.verified)
    yield f"- **New tests**: {examples} examples of docstrings."
    if len(survey.files) > len(outcomes):
        yield f"- **Not looked at**: {len(survey.files) - len(outcomes)} files beyond the limit."
    if survey.is_dirty:
        yield "- **Not seen**: the checkout has changes that are in no commit."
    yield from _next(branch, bool(verified))
    yield from _migrated(verified)
    yield from _rolled_back(back)
    yield from _left(outcomes)
    yield from _new(written)
    yield "\n## How it was done\n"
    yield _METHOD


def _next(branch: str, is_there: bool) -> Iterator[str]:
    if is_there:
        yield "\n## What to do next\n"
        yield f"```\ngit log -p HEAD..{branch}\ngit merge {branch}\n```"


def _migrated(verified: Sequence[tuple[Outcome, Answer]]) -> Iterator[str]:
    if not verified:
        return
    yield "\n## Migrated\n"
    yield "| file | classes | tests |\n| --- | --- | ---: |"
    for one, answer in verified:
        yield f"| `{one.path}` | {', '.join(one.converted)} | {answer.tests} |"
    idle = [(one.path, name) for one, answer in verified for name in answer.idle]
    if idle:
        yield "\nTests whose assertions are never reached (as they were before):\n"
        yield from (f"- `{path}` {name}" for path, name in idle)


def _rolled_back(back: Sequence[Outcome]) -> Iterator[str]:
    if back:
        yield "\n## Rolled back\n"
        yield from (f"- `{one.path}`: {_plain(one.answer.why)}" for one in back if one.answer)


def _left(outcomes: Sequence[Outcome]) -> Iterator[str]:
    left = [(one.path, item) for one in outcomes for item in one.left]
    if left:
        yield "\n## Left for a person\n"
        yield from (f"- `{path}:{item.line}` {item.what}: {_plain(item.why)}" for path, item in left)


def _new(written: Written) -> Iterator[str]:
    if written.files:
        yield "\n## New tests\n"
        for path, examples, answer in written.files:
            outcome = f"{examples} examples" if answer.verified else f"rolled back: {_plain(answer.why)}"
            yield f"- `{path}`: {outcome}"


def _plain(text: str) -> str:
    return " ".join(text.split())
