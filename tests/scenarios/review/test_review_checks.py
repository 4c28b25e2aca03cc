"""The checks one by one: what each finds, and what only looks like it."""

import difflib
import random
import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.runtime.scenarios.explore.languages import language_of
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.review.change import check_tests
from fleetlog.runtime.scenarios.review.checks import check
from fleetlog.runtime.scenarios.review.diffs import Line, parse_diff
from fleetlog.runtime.scenarios.review.figures import check_figures
from fleetlog.runtime.scenarios.review.findings import CODE_REVIEWER, REVIEWERS, Finding
from fleetlog.runtime.scenarios.review.markdown import parse, slug_of
from fleetlog.runtime.scenarios.review.patterns import patterns
from fleetlog.runtime.scenarios.review.secrets import find_personal, find_secrets
from fleetlog.runtime.scenarios.review.subject import Subject
from fleetlog.runtime.scenarios.review.terms import undefined_terms
from tests.scenarios.review.places import secret


def spec(text: str) -> Subject:
    return Subject("spec", "spec.md", "", text, parse(text))


def figures(text: str) -> list[str]:
    return [finding.title for finding in check_figures(spec(text))]


def change(before: str, after: str, path: str) -> Subject:
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), f"a/{path}", f"b/{path}", lineterm="")
    return Subject("diff", "x.diff", "", change=parse_diff("\n".join(lines) + "\n"))


def kinds(findings: Iterable[Finding]) -> list[str]:
    return sorted(finding.kind for finding in findings)


# --- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("The login timeout is 30 s.\n\nA login timeout of 60 s is kept.", "The login timeout has two values"),
        ("The login time-out is 30 s.\n\nThere is a 60 second login timeout.", "The login timeout has two values"),
        ("The upload size limit is 10 MB.\n\n| what | value |\n| - | - |\n| Upload size limit | 20 MB |", "two values"),
        ("The cache lifetime is 5 minutes.\n\n```toml\ncache_lifetime = 10m\ncache_lifetime_s = 10\n```", "two values"),
        ("The retry interval is 1, 2 s; the poll interval is 3 s.\n\nThe poll interval is 4 s.", "poll interval"),
        ("It has three parts:\n\n- a\n- b", "'three parts' are announced, 2 are listed"),
        ("There are 2 tables:\n\n| a |\n| - |\n| x |\n| y |\n| z |", "'2 tables' are announced, 3 are listed"),
    ],
)
def test_what_contradicts_itself_is_found(text: str, title: str) -> None:
    (found,) = figures(text)
    assert title in found


@pytest.mark.parametrize(
    "text",
    [
        "The login timeout is 30 s.\n\nThe upload timeout is 60 s.",
        "The login timeout is 60 s.\n\nA login timeout of one minute is kept.",
        "A name has a length of at least 3 characters.\n\nThe maximum name length is 64 characters.",
        "The login timeout was changed from 30 s to 60 s.\n\nThe login timeout is 60 s.",
        "The login timeout is 30 s in version 1.2.\n\nSection 30 of the login timeout chapter has 60 pages.",
        "| limit | test | live |\n| - | - | - |\n| Mail limit | 10 MB | 20 MB |\n\nThe mail limit is 10 MB.",
        "Of the five roles three may do it, for example:\n\n- a\n- b",
        "It has at least three parts:\n\n- a\n- b",
        "It waits for two seconds:\n\n- a",
        "It has three parts.\n\n- a\n- b",
        "It has two parts:\n\n1. a\n   - deep\n   - deep\n2. b",
        "The three services (see below) share one log.",
    ],
)
def test_what_only_looks_like_a_contradiction_is_not(text: str) -> None:
    assert figures(text) == []


UNITS = {"seconds": 1, "minutes": 60, "hours": 3_600}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["session timeout", "retention period", "retry interval", "token lifetime"]),
    st.integers(1, 90),
    st.sampled_from(sorted(UNITS)),
    st.integers(1, 90),
    st.sampled_from(sorted(UNITS)),
)
def test_two_values_are_a_contradiction_exactly_when_they_are_not_the_same_time(
    noun: str, one: int, unit: str, other: int, another: str
) -> None:
    found = figures(f"The {noun} is {one} {unit}.\n\nText.\n\n- a {noun} of {other} {another}")
    assert len(found) == (one * UNITS[unit] != other * UNITS[another])


# --- terms, links, words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The QZX runs.", ["QZX"]),
        ("The QZX runs `PKQ` and ![XKL](a.png).", ["QZX"]),
        ("The Quick Zone Exchange (QZX) runs.", []),
        ("The QZX (quick zone exchange) runs.", []),
        ("QZX stands for quick zone exchange. The QZX runs.", []),
        ("| term | meaning |\n| - | - |\n| QZX | quick zone exchange |\n\nThe QZX runs.", []),
        ("- QZX: the quick exchange\n\nThe QZX runs.", []),
        ("You MUST send JSON over HTTP to the API; see PART IV and XII.", []),
        ("DO NOT EVER PRESS QZX.", []),
        ("See QZX-123, RFC 2119 and /QZX/path and QZX_NAME.", []),
        ("The URLs and APIs of all QZXs.", ["QZX"]),
    ],
)
def test_abbreviations_are_asked_for_unless_they_are_explained_or_known(text: str, terms: list[str]) -> None:
    assert list(undefined_terms(parse(text))) == terms


@pytest.mark.parametrize(
    ("title", "slug"),
    [("Limits and quotas", "limits-and-quotas"), ("`run` it: now!", "run-it-now"), ("Über 2 Dinge", "über-2-dinge")],
)
def test_anchors_are_those_of_code_hosts(title: str, slug: str) -> None:
    assert slug_of(title.replace("`", "")) == slug


def test_a_document_knows_the_lines_of_what_stands_in_it() -> None:
    text = "---\ntitle: x\n---\n\n# A\n\nsome\n[words](a.md)\n\n## A\n\n<img src='b.png'>\n\n```js\nlet x\n```\n"
    document = parse(text)
    assert [(section.line, section.slug) for section in document.sections] == [(5, "a"), (10, "a-1")]
    assert [(link.line, link.href, link.text) for link in document.links] == [(8, "a.md", "words"), (12, "b.png", "")]
    assert [(fence.line, fence.language) for fence in document.fences] == [(15, "js")]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_a_spec_that_can_be_checked(text: str) -> None:
    for reviewer in REVIEWERS:
        check(spec(text), reviewer)


# --- secrets and people --------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(), st.sampled_from(["password", "api_key", "client-secret", "ACCESS_TOKEN"]), st.integers(16, 60))
def test_a_random_key_is_found_and_never_told(seed: int, name: str, length: int) -> None:
    key = secret(random.Random(seed), length)
    (found,) = find_secrets("a.md", [(7, f'{name} = "{key}"')])
    assert (found.line, found.severity) == (7, "must fix")
    assert key not in str(found)


@pytest.mark.parametrize(
    "line",
    [
        'password = "changeme"', "password: string", "token = get_token(request)", "secret = os.environ['SECRET']",
        'api_key: "<your key>"', "password=${PASSWORD}", 'token: "xxxxxxxxxxxxxxxx"', "postgres://user:pass@host/db",
        "secret_name: production-database-credentials", "The password is at least 12 characters long.",
        'token_url = "https://login.example.org/token"', "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_is_none(line: str) -> None:
    assert list(find_secrets("a.md", [(1, line)])) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("write to petra.wolff@gmx.net", 1), ("card 4539 5787 6362 1486", 1), ("IBAN CH93 0076 2011 6238 5295 7", 1),
        ("SSN 536-22-8145", 1), ("call +41 44 668 18 00", 1), ("write to ann@example.org or security@shop.io", 0),
        ("card 4111 1111 1111 1111 or 4539 5787 6362 1487", 0), ("IBAN CH93 0076 2011 6238 5295 8", 0),
        ("call +1 555 0100 200", 0), ("git clone git@github.com:a/b.git", 0), ("on 2026-03-01, 000-12-3456", 0),
    ],
)  # fmt: skip
def test_personal_data_is_told_from_what_is_kept_for_examples(line: str, found: int) -> None:
    assert len(list(find_personal("a.md", [(1, line)]))) == found


# --- changes -------------------------------------------------------------------------------------

_LINES = st.lists(st.sampled_from(["a", "b", "", "-- x", "++ y", " z", "\\ n"]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(_LINES, _LINES)
def test_a_diff_is_read_as_it_was_made(before: list[str], after: list[str]) -> None:
    diff = "\n".join(difflib.unified_diff(before, after, "a/f.py", "b/f.py", lineterm="")) + "\n"
    files = parse_diff(diff).files
    if before == after:
        assert files == ()
        return
    matcher = [code for code in difflib.SequenceMatcher(None, before, after).get_opcodes() if code[0] != "equal"]
    (file,) = files
    assert file.path == "f.py"
    assert file.added == tuple(Line(n + 1, after[n]) for _, _, _, start, end in matcher for n in range(start, end))
    assert file.removed == tuple(Line(n + 1, before[n]) for _, start, end, _, _ in matcher for n in range(start, end))


def test_renamed_deleted_and_binary_files_are_what_they_are() -> None:
    diff = (
        "diff --git a/old name.py b/new name.py\nsimilarity index 90%\nrename from old name.py\nrename to new name.py\n"
        "diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "diff --git a/p.png b/p.png\nBinary files a/p.png and b/p.png differ\n"
    )
    renamed, gone, binary = parse_diff(diff).files
    assert (renamed.path, renamed.added) == ("new name.py", ())
    assert (gone.path, gone.is_deleted, gone.removed) == ("gone.py", True, (Line(1, "x"),))
    assert (binary.path, binary.is_binary) == ("p.png", True)


def test_what_stands_there_already_is_not_the_changes() -> None:
    before = "def f(x):\n    return eval(x)\n"
    subject = change(before, before + "\n\ndef g(x):\n    return x\n", "a.py")
    assert [check(subject, reviewer) for reviewer in REVIEWERS] == [[], [], []]


def test_a_string_of_several_lines_is_no_code() -> None:
    after = 'TEXT = """\neval(x)\n"""\n\n\ndef f(x):\n    return exec(x)\n'
    findings = [finding for reviewer in REVIEWERS for finding in check(change("", after, "a.py"), reviewer)]
    assert [(finding.kind, finding.line) for finding in findings] == [("code injection", 7)]


def test_tests_that_move_or_get_a_longer_name_are_not_gone() -> None:
    before = "def test_a_sum(): \n    assert 1\n\n\ndef test_gone():\n    assert 2\n"
    after = "def test_a_sum_is_right():\n    assert 1\n"
    subject = change(before, after, "tests/test_a.py")
    assert subject.change is not None
    assert [(one.kind, one.subject) for one in check_tests(subject.change)] == [("test removed", "test_gone")]


def test_fewer_checks_in_a_test_that_stays_are_told() -> None:
    before = "def test_a():\n    assert f(1) == 1\n    assert f(2) == 2\n"
    subject = change(before, "def test_a():\n    f(1)\n    f(2)\n", "tests/test_a.py")
    assert kinds(check(subject, CODE_REVIEWER)) == ["checks removed"]


def test_code_without_a_test_is_told_when_it_is_more_than_a_few_lines() -> None:
    lines = "".join(f"x{n} = {n}\n" for n in range(20))
    assert kinds(check(change("", lines, "app/a.py"), CODE_REVIEWER)) == ["no test"]
    assert kinds(check(change("", lines, "tests/test_a.py"), CODE_REVIEWER)) == []
    assert kinds(check(change("", lines, "docs/a.md"), CODE_REVIEWER)) == []


def test_every_pattern_is_of_a_reviewer_and_of_languages_that_are_known() -> None:
    names = {
        language_of(f"a.{ending}")
        for ending in (
            "py",
            "js",
            "ts",
            "vue",
            "svelte",
            "html",
            "css",
            "go",
            "java",
            "cs",
            "kt",
            "php",
            "rb",
            "scala",
            "sh",
            "yml",
        )
    }
    for pattern in patterns():
        assert pattern.owner in REVIEWERS
        assert set(pattern.languages) <= names | {"Docker", "Make"}, pattern.kind


def test_inputs_are_the_lines_at_the_end_of_a_prompt() -> None:
    assert inputs_of("Do it.\n\nInputs:\nfile: a: b.md\ndiff:\n") == {"file": "a: b.md", "diff": ""}
    assert inputs_of("file: a.md\n") == {}


@pytest.mark.parametrize("part", ["a-", "A", "1 ", "a.b@", "[a][", "password", "limit ", "is "])
def test_a_long_line_of_a_spec_is_read_in_time_that_grows_with_it(part: str) -> None:
    """Not with its square: at 40,000 characters that took minutes."""
    started = time.process_time()
    for reviewer in REVIEWERS:
        check(spec(part * (40_000 // len(part))), reviewer)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("part", ["<img ", "<div ", "token = ", '"SELECT a', "curl "])
@pytest.mark.parametrize("path", ["a.py", "a.tsx", "a.sh"])
def test_a_long_line_of_a_change_is_looked_at_as_far_as_people_write(part: str, path: str) -> None:
    started = time.process_time()
    for reviewer in REVIEWERS:
        check(change("", part * (40_000 // len(part)), path), reviewer)
    assert time.process_time() - started < 10
