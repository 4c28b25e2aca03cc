"""The whole fleet: what a person gets, what grows in the workspace, and what the log says of each claim."""

import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.scenarios.research import brains
from fleetlog.runtime.scenarios.research.reading import REPORT_MARK, list_sources, write_report
from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_spec
from tests.cli.conftest import Fleetlog, fleetlog  # noqa: F401
from tests.scenarios.research.pdfs import pdf_of
from tests.scenarios.research.places import make_corpus
from tests.scenarios.research.runs import researched

SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "research"
QUESTIONS = tomllib.loads((SAMPLE / "questions.toml").read_text())["question"]
ASKED = "When was the Calder Bridge opened, who designed it, and how long is its main span?"


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime.open(tmp_path / "d", config=RuntimeConfig(linger_s=0.05)) as opened:
        yield opened


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The shipped sample, in a folder of its own."""
    return Path(shutil.copytree(SAMPLE / "corpus", tmp_path / "corpus"))


def test_the_sample_answers_what_it_is_said_to_answer(runtime: Runtime, corpus: Path) -> None:
    for start in range(0, len(QUESTIONS), 8):
        asked = QUESTIONS[start : start + 8]
        found = researched(runtime, corpus, " ".join(one["asks"] for one in asked))
        answers = found.report.partition("## Answer\n\n")[2].partition("\n\n")[0].split("\n")
        for one, outcome, line in zip(asked, found.answers, answers, strict=True):
            assert outcome == one["outcome"], (one, line)
            assert all(said in line for said in one["says"]), (one, line)


def test_every_quote_stands_where_the_report_says(runtime: Runtime, corpus: Path) -> None:
    found = researched(runtime, corpus, ASKED)
    texts = [row for row in found.claims if not row.page]
    assert len(texts) >= 6
    for row in texts:
        lines = (corpus / row.path).read_text().splitlines()
        assert row.quote.split()[0] in lines[row.line - 1], row
        assert row.quote in " ".join(" ".join(lines[row.line - 1 :]).split()), row


def test_two_runs_another_place_and_another_number_of_researchers_give_the_same_answers(
    runtime: Runtime, corpus: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(corpus, tmp_path / "elsewhere" / "place"))
    reports = [researched(runtime, place, ASKED, report="r.md").report for place in (corpus, corpus, other)]
    assert len(set(reports)) == 1
    assert str(tmp_path) not in reports[0]
    alone = researched(runtime, corpus, ASKED, researchers=1)
    many = researched(runtime, corpus, ASKED, researchers=7)
    assert alone.answers == many.answers
    assert alone.claims == tuple(row for row in many.claims if row.part <= 3)


# --- the report that grows -----------------------------------------------------------------------


def test_the_report_grows_in_the_workspace_and_is_no_source(
    runtime: Runtime, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[str] = []

    def keeping(workspace: str, path: str, text: str) -> str:
        grown.append(text)
        return write_report(workspace, path, text)

    monkeypatch.setattr(brains, "write_report", keeping)
    found = researched(runtime, corpus, ASKED, report="fleetlog-report.md")
    assert (corpus / "fleetlog-report.md").read_text() == found.report == grown[-1]
    assert len(grown) == 7  # the plan, and for each of three parts its claims and its verdicts
    assert "Not looked for yet" in grown[0]
    assert all(("**Unfinished**" in text) == (text != grown[-1]) for text in grown)
    assert "fleetlog-report.md" not in list_sources(str(corpus)).files
    assert list_sources(str(corpus)).left_out == {"a report of an earlier research": 1}
    assert list_sources(str(corpus), "fleetlog-report.md").left_out == {}
    assert researched(runtime, corpus, ASKED).claims == found.claims


def test_a_timed_out_fleet_leaves_what_it_has_found(
    runtime: Runtime, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is checked in time: the checker's step ends when the fleet has."""

    def waiting(*_: object) -> None:
        runtime.collect_results(fleet.fleet_id, wait_s=60)
        raise RuntimeError("too late")

    monkeypatch.setattr(brains, "_verdict", waiting)
    order = ResearchOrder(ASKED, str(corpus), report_file="report.md", timeout_s=2)
    fleet = runtime.spawn_fleet(research_spec(order))
    assert runtime.collect_results(fleet.fleet_id, wait_s=60).status == "timed_out"
    left = (corpus / "report.md").read_text()
    assert "**Unfinished**: looked for 3 of 3 parts, checked 0." in left
    assert "2 claims, not checked yet" in left
    assert "“The main span is 412 metres long.” - `calder-bridge.md:12`, under “Dimensions”: not checked yet" in left


def test_a_file_that_is_no_report_is_never_written_over(runtime: Runtime, corpus: Path) -> None:
    before = (corpus / "museum.md").read_text()
    found = researched(runtime, corpus, ASKED, report="museum.md")
    assert (corpus / "museum.md").read_text() == before
    assert 'The report did not grow in the workspace: "museum.md" is there already and is no report' in found.report
    outside = researched(runtime, corpus, ASKED, report="../report.md")
    assert "which is not allowed" in outside.report
    assert not (corpus.parent / "report.md").exists()


# --- the audit -----------------------------------------------------------------------------------


def test_each_claim_leads_to_the_steps_that_found_and_checked_it(runtime: Runtime, corpus: Path) -> None:
    found = researched(runtime, corpus, ASKED)
    (fleet,) = runtime.list_fleets().fleets
    said = [entry.summary for entry in runtime.timeline(fleet.id, limit=1_000)]
    for row in found.claims:
        assert any(f"check claim {row.id}" in line for line in said), row
        assert any(f"look for part {row.part}" in line for line in said), row
    assert runtime.verify_ledger().findings == ()


def test_a_quote_that_is_gone_when_it_is_checked_is_left_out(
    runtime: Runtime, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = brains._found

    def changing(*given: object) -> object:
        found = looked(*given)  # type: ignore[arg-type]
        (corpus / "calder-bridge.md").write_text("# The Calder Bridge\n\nNothing stands here any more.\n")
        return found

    monkeypatch.setattr(brains, "_found", changing)
    found = researched(runtime, corpus, "Who built the Calder Bridge?", researchers=1)
    assert found.answers == ("not found",)
    assert "[1.1] is left out: its quote does not stand in `calder-bridge.md:3` any more." in found.report


# --- sources -------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_said(runtime: Runtime, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "a.md").write_text("# Mill\n\nThe Tarn Mill was built in 1820.\n")
    (place / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (place / "empty.pdf").write_bytes(pdf_of("scan", [""]))
    (place / "zero.txt").write_bytes(b"a\0b")
    (place / "table.xlsx").write_bytes(b"PK")
    found = researched(runtime, place, "When was the Tarn Mill built?")
    assert found.answers == ("one source",)
    assert "`broken.pdf` is damaged, or no PDF" in found.report
    assert "`empty.pdf` has no text (scanned pages need OCR)" in found.report
    assert "`zero.txt` is not text: it holds zero bytes" in found.report
    assert "1 file: .xlsx is neither Markdown nor text nor PDF" in found.report


def test_without_pypdf_the_rest_is_read_and_it_is_said(
    runtime: Runtime, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetlog.runtime.scenarios.research.reading.util.find_spec", lambda name: None)
    found = researched(runtime, corpus, "Who built the Calder Bridge?")
    assert "`company-report-2022.pdf` PDF needs pypdf: pip install 'fleetlog[pdf]'" in found.report


# --- on the command line -------------------------------------------------------------------------


def test_the_command_answers_from_a_folder(fleetlog: Fleetlog, corpus: Path) -> None:  # noqa: F811
    said = fleetlog("run", "research", ASKED, "--workspace", str(corpus), "--timeout", "5m", "--json")
    assert (said.code, said.err) == (0, "")
    results = msgspec.convert(said.json["results"], dict)["results"]
    output = next(row["output"] for row in results if row["name"] == "synthesizer")
    assert output["answers"] == ["confirmed by two sources", "confirmed by two sources", "contradicted"]
    assert (corpus / "fleetlog-report.md").read_text() == output["report"]
    assert REPORT_MARK in output["report"]
    spec = msgspec.convert(said.json["results"], dict)
    assert spec["status"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["", "--workspace", "inner"], "'QUESTION' must be a non-empty string, got \"\""),
        (["why?"], "'--workspace' must name a folder with sources: the offline brains know nothing else; with "
                   "`--brain claude` the web is searched"),
        (["why?", "--workspace", "nowhere"], "'--workspace' must be a folder: {cwd}/nowhere is not there"),
        (["why?", "--workspace", "bare"], "there is nothing to research in {cwd}/bare: no Markdown, text or PDF"),
        (["why?", "--workspace", "inner", "--timeout", "soon"],
         "'--timeout' must be a time such as 90s, 30m, 2h or 1d, got 'soon'"),
        (["why?", "--workspace", "inner", "--researchers", "0"], "'--researchers' must be >= 1, got 0"),
        (["why?", "--workspace", "inner", "--report-file", "../r.md"],
         "'--report-file' cannot be written: \"../r.md\" has '..', which is not allowed; write the path from the "
         "workspace's root. Name another, or - for none."),
        (["why?", "--workspace", "inner", "--report-file", "a.md"],
         "'--report-file' cannot be written: \"a.md\" is there already and is no report of a research; it is left as "
         "it is. Name another, or - for none."),
        (["why?", "--workspace", "inner", "--brain", "elsewhere"],
         '\'--brain\' must be exactly one of offline | claude, got "elsewhere"'),
    ],
)  # fmt: skip
def test_what_cannot_be_researched_is_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, tmp_path: Path, arguments: list[str], error: str  # noqa: F811
) -> None:  # fmt: skip
    (tmp_path / "inner").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "inner" / "a.md").write_text("# A\n\nIt is so.\n")
    said = fleetlog("run", "research", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"fleetlog: {error.format(cwd=tmp_path)}\n"
    assert not Path(".fleetlog").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace_is_said_to_be(fleetlog: Fleetlog, corpus: Path) -> None:  # noqa: F811
    corpus.chmod(0o555)
    try:
        said = fleetlog("run", "research", ASKED, "--workspace", str(corpus))
        assert (said.code, "is read-only" in said.err) == (2, True)
        assert fleetlog("run", "research", ASKED, "--workspace", str(corpus), "--report-file", "-").code == 0
    finally:
        corpus.chmod(0o755)


def test_a_seeded_corpus_has_every_answer_in_it(tmp_path: Path) -> None:
    """The seeded input is what it says."""
    truth = make_corpus(tmp_path / "s", 3)
    texts = [(path, quote) for one in truth.asked for path, quote in one.answers if not path.endswith(".pdf")]
    assert len(texts) >= 8
    for path, quote in texts:
        assert quote in " ".join((tmp_path / "s" / path).read_text().split())


def test_the_specs_have_the_same_roles_goal_and_workspace() -> None:
    from fleetlog.runtime.scenarios.research.spec import research_by_claude_spec

    order = ResearchOrder("Why?", "/w", report_file="r.md", timeout_s=60)
    offline, by_claude = research_spec(order), research_by_claude_spec(order)
    assert [agent.role for agent in offline.agents] == [agent.role for agent in by_claude.agents]
    assert _frame(offline) == _frame(by_claude)
    assert [agent.role for agent in by_claude.agents if agent.grants] == ["synthesizer"]
    silent = research_by_claude_spec(ResearchOrder("Why?", "/w"))
    assert not any(agent.grants for agent in silent.agents)


def _frame(spec: FleetSpec) -> tuple[object, ...]:
    return spec.name, spec.goal, spec.workspace, spec.timeout_s, [agent.each for agent in spec.agents]
