"""The examples of embedding, run as their users run them: as processes, a kernel, a server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from starlette.testclient import TestClient

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = "Fleets survive crashes. Fleets go on. Fleets keep a log of all they do."


def run(program: Path, *words: str, directory: Path) -> str:
    environment = {**os.environ, "FLEETLOG_DIR": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(program), *words],
        cwd=program.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_finds_its_fleet_again(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    words = (str(tmp_path / "text.txt"), str(tmp_path / "fleets"))
    said = [run(EXAMPLES / "script.py", *words, directory=tmp_path) for _ in range(2)]
    assert said == ["complete: 'fleets' is the most frequent word; worth telling: yes\n"] * 2


def test_the_command_of_django_describes_every_article(tmp_path: Path) -> None:
    manage = EXAMPLES / "django_shop" / "manage.py"
    said = run(manage, "describe_articles", "lamp", "chair", directory=tmp_path / "fleets")
    assert said.splitlines() == ["lamp: A lamp you will keep for years.", "chair: A chair you will keep for years."]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "{'lowest': 2.0, 'highest': 15.0}" in json.dumps(outputs)
    assert "fleet.spawned" in json.dumps(outputs)


def test_the_service_begins_a_summary_once_and_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETLOG_DIR", str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLES / "service"))
    import app  # type: ignore[import-not-found]

    headers = {"Idempotency-Key": "the text"}
    with TestClient(app.app) as client:
        first = client.post("/summaries", json={"text": TEXT}, headers=headers)
        assert first.status_code == 202
        again = client.post("/summaries", json={"text": TEXT}, headers=headers)
        assert again.json() == first.json()
        assert client.get("/summaries/fleet-000000-000000-aaaaaa").status_code == 404
    with TestClient(app.app) as client:
        done = client.get(f"/summaries/{first.json()['id']}", params={"wait_s": 20})
    assert done.json() == {"status": "complete", "summary": {"sentences": 3, "summary": "Fleets survive crashes"}}
