"""Research from a folder: what is right is found and cited, what differs is said, what is not there is not made up."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.corpus.checking import Checked, check
from fleetlog.runtime.scenarios.corpus.documents import read_corpus
from fleetlog.runtime.scenarios.corpus.finding import Claim, claims_for, parts_of
from fleetlog.runtime.scenarios.corpus.words import figures_of, sentences_of, terms_of
from fleetlog.runtime.scenarios.research import (
    REPORT_FILE,
    REPORT_SCHEMA,
    ResearchOrder,
    offline_research_spec,
    research_spec,
)
from tests.claude.conftest import MakeStage, Play, make_stage
from tests.cli.conftest import Fleetlog, fleetlog
from tests.fakes.messages_api.replies import reply, tool_use
from tests.scenarios.corpus.places import SHIPPED, SHIPPED_TRUTH, Truth, make_corpus, write_pdf

__all__ = ["fleetlog", "make_stage"]

KILLS = 12
QUESTION = (
    "When was the lighthouse of Vellin built? How long does the ferry to Vellin take? What does a hotel room cost?"
)


def looked_up(folder: Path, question: str) -> list[Checked]:
    """What the fleet's functions make of a question, without the fleet."""
    corpus = read_corpus(str(folder), REPORT_FILE)
    claims = [claim for part in parts_of(question, 12) for claim in claims_for(corpus, part)]
    return [one for one in check(corpus, claims) if one.stands]


def is_right(truth: Truth, best: Checked) -> bool:
    return any(answer in best.claim.quote for answer in truth.answers)


def figures(folder: Path, truths: Iterable[Truth]) -> dict[str, float]:
    """Precision and recall of answers and of disputes: an answer is the best finding, where there is one."""
    given = right = wanted = said = disputes = rightly = 0
    for truth in truths:
        found = looked_up(folder, truth.question)
        wanted += bool(truth.answers)
        disputes += truth.disputed
        if found:
            given += 1
            right += is_right(truth, found[0])
            said += bool(found[0].against)
            rightly += bool(found[0].against) and truth.disputed
    return {
        "precision": right / given,
        "recall": right / wanted,
        "disputes: precision": rightly / max(1, said),
        "disputes: recall": rightly / max(1, disputes),
    }


def told(capsys: pytest.CaptureFixture[str], name: str, found: dict[str, float]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\nresearch, {name}: {', '.join(f'{key} {value:.2f}' for key, value in found.items())}\n")


def test_the_shipped_documents_answer_what_they_answer(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(SHIPPED, SHIPPED_TRUTH)
    told(capsys, "shipped", found)
    assert found["precision"] >= 0.9
    assert found["recall"] >= 0.9
    assert found["disputes: recall"] == 1.0


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_made_documents_answer_what_they_answer(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(tmp_path, make_corpus(tmp_path, seed))
    told(capsys, f"seed {seed}", found)
    assert min(found.values()) >= 0.8


@pytest.mark.parametrize("question", [truth.question for truth in SHIPPED_TRUTH if not truth.answers])
def test_what_no_document_says_is_not_made_up(question: str) -> None:
    assert looked_up(SHIPPED, question) == []


def test_a_quote_that_is_not_in_its_source_does_not_stand() -> None:
    corpus = read_corpus(str(SHIPPED))
    forged = Claim("The lighthouse of Vellin was built in 1999.", "guide.md", "line 7", 1.0)
    assert [one.stands for one in check(corpus, [forged])] == [False]


def test_a_question_is_taken_apart_where_it_asks_for_several_things() -> None:
    assert [part.text for part in parts_of(QUESTION, 12)] == [
        "When was the lighthouse of Vellin built?",
        "How long does the ferry to Vellin take?",
        "What does a hotel room cost?",
    ]
    assert len(parts_of("Who lives there, and who left?", 12)) == 1


def test_words_are_compared_without_endings_and_figures_as_numbers() -> None:
    assert terms_of("The ferries were running") == terms_of("a ferry runs")
    assert figures_of("1,240 of 1240.50 and -3, on 2024-05-06") >= {"1240", "1240.5", "-3"}
    assert list(sentences_of("He came (e.g. by ship). She left! 3 stayed.")) == [
        "He came (e.g. by ship).",
        "She left!",
        "3 stayed.",
    ]


def test_documents_are_read_by_paragraph_and_page_and_what_is_not_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Title\n\nFirst line\nsecond line.\n\n- An item.\n")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / ".hidden.md").write_text("hidden")
    (tmp_path / "code.py").write_text("x = 1")
    (tmp_path / "outside.md").symlink_to("/etc/hostname")
    (tmp_path / REPORT_FILE).write_text("the report itself")
    write_pdf(tmp_path / "c.pdf", "The bell weighs 900 kilograms.")
    corpus = read_corpus(str(tmp_path), REPORT_FILE)
    assert [(one.source, one.place, one.heading, one.text) for one in corpus.passages] == [
        ("a.md", "line 3", "Title", "First line second line."),
        ("a.md", "line 6", "Title", "An item."),
        ("c.pdf", "page 1", "", "The bell weighs 900 kilograms."),
    ]
    assert [path for path, _ in corpus.unread] == ["b.txt", "broken.pdf"]
    assert looked_up(tmp_path, "How much does the bell weigh?")[0].claim.place == "page 1"


# --- the fleet -------------------------------------------------------------------------------


def copied(root: Path) -> Path:
    for file in SHIPPED.iterdir():
        root.mkdir(exist_ok=True)
        (root / file.name).write_bytes(file.read_bytes())
    return root


def researched(directory: Path, workspace: Path) -> dict[str, Any]:
    with Runtime.open(directory) as runtime:
        fleet = runtime.spawn_fleet(offline_research_spec(ResearchOrder(QUESTION, str(workspace))))
        results = runtime.collect_results(fleet.fleet_id, wait_s=60)
        assert results.status == "complete", results
        found: dict[str, Any] = next(row.output for row in results.results if row.name == "lead")
        return found


def test_the_fleet_answers_cites_and_keeps_its_report_in_the_workspace(tmp_path: Path) -> None:
    workspace = copied(tmp_path / "documents")
    result = researched(tmp_path / "d", workspace)
    report = result["report"]
    assert "The ferry to Vellin takes 95 minutes from Port Amery. [guide.md, line 5] - confirmed by 1 other" in report
    assert "against: The lighthouse of Vellin was built in 1889. [old-almanac.txt, line 3]" in report
    assert "**What does a hotel room cost?** The documents do not say." in report
    assert (workspace / REPORT_FILE).read_text() == report
    assert (result["documents"], result["kept"]) == (len(list(SHIPPED.iterdir())), REPORT_FILE)
    assert researched(tmp_path / "again", workspace)["report"] == report


def test_a_workspace_that_cannot_be_written_costs_the_growing_report_alone(tmp_path: Path) -> None:
    workspace = copied(tmp_path / "documents")
    (workspace / (REPORT_FILE + ".new")).mkdir()
    result = researched(tmp_path / "d", workspace)
    assert result["kept"] == ""
    assert "95 minutes" in result["report"]


CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.research import ResearchOrder, offline_research_spec

directory, workspace, question = sys.argv[1:]
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    spec = offline_research_spec(ResearchOrder(question, workspace))
    fleet = runtime.spawn_fleet(spec, idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=120)
    assert results.status == "complete", results
    Path(directory, "report.md").write_text(next(r.output["report"] for r in results.results if r.name == "lead"))
"""


@pytest.mark.slow
def test_killed_again_and_again_the_report_is_the_same(tmp_path: Path) -> None:
    workspace = tmp_path / "documents"
    truths = make_corpus(workspace, 5, towns=12)
    question = " ".join(truth.question for truth in truths[:12])
    chooser = random.Random(6)
    for _ in range(KILLS):
        words = [sys.executable, "-c", CHILD, str(tmp_path / "d"), str(workspace), question]
        child = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(chooser.uniform(0.0, 0.4))
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait()
    for directory in ("d", "undisturbed"):
        words = [sys.executable, "-c", CHILD, str(tmp_path / directory), str(workspace), question]
        subprocess.run(words, check=True, timeout=120)
    reports = [(tmp_path / directory / "report.md").read_text() for directory in ("d", "undisturbed")]
    assert reports[0] == reports[1] == (workspace / REPORT_FILE).read_text()


def test_the_command_answers_from_a_folder(fleetlog: Fleetlog, tmp_path: Path) -> None:
    workspace = copied(tmp_path / "documents")
    done = fleetlog("run", "research", "Who is the harbour master?", "--workspace", str(workspace), "--timeout", "10m")
    assert done.code == 0
    assert "Ines Tarrow" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --workspace PATH, or --brain claude"),
        (("--workspace", "."), None),
        (("--workspace", ".", "--timeout", "soon"), "a time like 90s"),
        (("--workspace", ".", "--report-file", "../x.md"), "the name of a Markdown file"),
        (("--workspace", ".", "--researchers", "0"), ">= 1"),
        (("--workspace", ".", "--brain", "cloud"), "offline"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, tmp_path: Path, words: tuple[str, ...], said: str | None
) -> None:
    done = fleetlog("run", "research", "Who?" if said else "", *words)
    assert done.code == 2
    assert (said or "QUESTION") in done.err
    assert not (tmp_path / ".fleetlog" / "log.db").exists()


def test_claude_agents_take_the_same_parts(make_stage: MakeStage) -> None:
    order = ResearchOrder("Why?", researchers=2, uses_web=False)
    spec, offline = research_spec(order), offline_research_spec(order)
    assert [agent.role for agent in spec.agents] == [agent.role for agent in offline.agents]
    assert spec.agents[0].result_schema == REPORT_SCHEMA
    done = Play(reply(tool_use("submit_result", result="done")))
    report = {"report": "# Because"}
    stage = make_stage(lead=Play(reply(tool_use("submit_result", result=report))), researcher=done, fact_checker=done)
    agents = tuple(
        replace(agent, prompt=f"[script:{agent.role.replace(' ', '-')}] {agent.prompt}") for agent in spec.agents
    )
    fleet = stage.runtime.spawn_fleet(replace(spec, agents=agents))
    assert stage.outputs(fleet.fleet_id)["lead"] == report
