"""The whole fleet: what the four say to each other, what the council records, and what a person gets."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import Results
from fleetlog.runtime.scenarios.review.reading import read_subject
from fleetlog.runtime.scenarios.review.spec import review_spec
from tests.cli.conftest import Fleetlog, fleetlog  # noqa: F401
from tests.crash.test_kill import git
from tests.scenarios.review.places import make_change, make_spec, reviewed

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "examples" / "review"


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime.open(tmp_path / "d", config=RuntimeConfig(linger_s=0.05)) as opened:
        yield opened


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The shipped sample, in a folder of its own."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


def test_the_sample_spec_is_not_ready_and_its_flaws_are_told(runtime: Runtime, sample: Path) -> None:
    found = reviewed(runtime, review_spec(str(sample), "spec.md"))
    assert found.verdict == "not ready"
    assert (found.disputed, found.withdrawn) == (1, 0)
    assert "**Verdict: not ready** (council: 3 to 0)." in found.report
    assert "The reset link lifetime has two values: 30 minutes (line 23) or 60 minutes (line 39)" in found.report
    assert "'Three services' are announced, 4 are listed" in found.report
    assert "the council drops it, 1 to 2" in found.report
    assert "t7Kq9" not in found.report, "a secret is never repeated"
    assert "martina.keller" not in found.report


def test_the_sample_change_is_not_to_be_merged(runtime: Runtime, sample: Path) -> None:
    found = reviewed(runtime, review_spec(str(sample), "change.diff"))
    assert found.verdict == "do not merge"
    assert {point.kind for point in found.points if point.severity == "must fix" and point.became == "agreed"} == {
        "SQL injection", "unsafe deserialization", "shell injection", "raw HTML"
    }  # fmt: skip
    assert [(point.kind, point.path) for point in found.points if point.became == "dropped"] == [
        ("shell injection", "tests/test_orders.py")
    ]


def test_each_disputed_point_and_the_verdict_are_voted_on_in_recorded_councils(runtime: Runtime, sample: Path) -> None:
    reviewed(runtime, review_spec(str(sample), "spec.md"))
    (fleet,) = runtime.list_fleets().fleets
    said = [entry.summary for entry in runtime.timeline(fleet.id, limit=1_000) if entry.what == "step.completed"]
    councils = dict.fromkeys(one.removeprefix("cast_vote ") for one in said if one.startswith("cast_vote council-"))
    point, verdict = map(runtime.ratification, councils)
    assert (point.status, point.subject) == ("rejected", "should fix: spec.md - There is no section on failures")
    assert (verdict.status, verdict.subject) == ("ratified", "The verdict: not ready")
    assert {vote.note for vote in point.votes if not vote.approve} == {"it is said without a heading (line 52)"}


def test_two_runs_and_another_place_give_the_same_report(runtime: Runtime, sample: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(sample, tmp_path / "elsewhere" / "place"))
    reports = [
        reviewed(runtime, review_spec(str(place), "spec.md")).report.encode() for place in (sample, sample, other)
    ]
    assert len(set(reports)) == 1
    assert str(tmp_path).encode() not in reports[0]


def test_a_target_that_git_ignores_is_generated_and_the_finding_withdrawn(runtime: Runtime, tmp_path: Path) -> None:
    place = tmp_path / "repository"
    place.mkdir()
    (place / ".gitignore").write_text("build/\n")
    (place / "gone.md").write_text("# Gone\n")
    (place / "page.md").write_text("# Page\n\n[made](build/api.md) and [gone](gone.md) and [never](never.md)\n")
    git(place, "init", "-q")
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "all")
    git(place, "rm", "-q", "gone.md")
    git(place, "commit", "-q", "-m", "The page is gone", number=1)
    found = reviewed(runtime, review_spec(str(place), "page.md"))
    became = {point.title.split("`")[1]: point.became for point in found.points}
    assert became == {"build/api.md": "withdrawn", "gone.md": "agreed", "never.md": "agreed"}
    assert "it is generated: .gitignore:1:build/ keeps it out of git" in found.report
    assert "The page is gone" in found.report
    assert "Which sections are missing: it does not look like a design spec" in found.report


def test_nothing_to_say_is_said(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n\nAll is well.\n")
    (tmp_path / "empty.diff").write_text("")
    found = reviewed(runtime, review_spec(str(tmp_path), "note.md"))
    assert (found.verdict, found.points) == ("ready to build", ())
    assert "Nothing was found that still stands after the debate." in found.report
    assert reviewed(runtime, review_spec(str(tmp_path), "empty.diff")).verdict == "approve"


def test_what_has_changed_since_the_moderator_read_it_is_not_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def changing(workspace: str, file: str, revisions: str) -> object:
        subject = read_subject(workspace, file, revisions)
        reads.append(subject.digest)
        Path(workspace, file).write_text(f"# Version {len(reads)}\n")
        return subject

    monkeypatch.setattr("fleetlog.runtime.scenarios.review.brains.read_subject", changing)
    (tmp_path / "note.md").write_text("# A note\n")
    with Runtime.open("memory:", config=RuntimeConfig(linger_s=0, stuck_after_s=0.2)) as runtime:
        fleet = runtime.spawn_fleet(review_spec(str(tmp_path), "note.md"))
        found: Results = runtime.collect_results(fleet.fleet_id, wait_s=60)
    assert found.status == "failed"
    assert any("has changed while it is reviewed: begin a new review" in str(row.error) for row in found.results)


# --- on the command line -------------------------------------------------------------------------


def test_the_command_reviews_a_spec(fleetlog: Fleetlog, sample: Path) -> None:  # noqa: F811
    said = fleetlog("run", "review", str(sample / "spec.md"), "--out", "review.md")
    assert said.code == 0
    assert said.out == Path("review.md").read_text() + "\n"
    assert said.out.startswith("# Review: spec.md\n\n**Verdict: not ready**")
    assert "code-reviewer → security-auditor question  Does the reset link lifetime keep anybody out?" in said.err


def test_the_command_reviews_a_change_of_a_repository(fleetlog: Fleetlog, tmp_path: Path) -> None:  # noqa: F811
    place = tmp_path / "repository"
    place.mkdir()
    make_change(place, 5)
    said = fleetlog("run", "review", "--diff", "HEAD~1", "--workspace", str(place), "--json")
    assert (said.code, said.err) == (0, "")
    results = msgspec.convert(said.json["results"], dict)["results"]
    assert [row["output"]["verdict"] for row in results if row["name"] == "moderator"] == ["do not merge"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "give either FILE (a Markdown spec, or a .diff or .patch) or --diff REVISIONS"),
        (["spec.md", "--diff", "HEAD"], "give either FILE (a Markdown spec, or a .diff or .patch) or --diff REVISIONS"),
        (["nowhere.md"], "'FILE' must be a file: {cwd}/nowhere.md is not there"),
        (["."], "'FILE' must be a file: {cwd} is a folder"),
        (["spec.md", "--workspace", "inner"], "'FILE' must be in the workspace {cwd}/inner, got {cwd}/spec.md"),
        (["no.diff"], "'no.diff' must be a unified diff (as `git diff` writes it): it has no hunk"),
        (["cut.diff"], "the diff is cut off: a hunk of b.py is shorter than its head says"),
        (["long.diff"], "the diff is damaged: a hunk of b.py is longer than its head says"),
        (["zero.md"], "'zero.md' must be text: it holds zero bytes"),
        (["--diff", "--output=x"], "'--diff' must be revisions, as in main...HEAD or HEAD~3, got '--output=x'"),
        (["--diff", "x", "--workspace", "inner"],
         "'--diff' must be revisions of the workspace: x: not a git repository"),
    ],
)  # fmt: skip
def test_what_cannot_be_reviewed_is_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, tmp_path: Path, arguments: list[str], error: str  # noqa: F811
) -> None:  # fmt: skip
    head = "--- a.py\n+++ b.py\n"
    (tmp_path / "inner").mkdir()
    (tmp_path / "spec.md").write_text("# Spec\n")
    (tmp_path / "no.diff").write_text("no diff\n")
    (tmp_path / "cut.diff").write_text(f"{head}@@ -1,3 +1,3 @@\n a\n")
    (tmp_path / "long.diff").write_text(f"{head}@@ -0,0 +1,1 @@\n+a\n+b\n")
    (tmp_path / "zero.md").write_bytes(b"a\0b")
    said = fleetlog("run", "review", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"fleetlog: {error.format(cwd=tmp_path)}\n"
    assert not Path(".fleetlog").exists()


def test_a_spec_of_every_seed_has_all_its_lines(tmp_path: Path) -> None:
    """The seeded input is what it says: a flaw's line is there, and is not empty."""
    truth = make_spec(tmp_path / "s", 3)
    lines = (tmp_path / "s" / "spec.md").read_text().split("\n")
    assert all(lines[line - 1].strip() for _, _, line in truth if line)
