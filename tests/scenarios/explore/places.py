"""Workspaces for the tests of the explore scenario: files, git repositories with a fixed clock, and their reports."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fleetlog.runtime.scenarios.explore.atlas import Atlas
from fleetlog.runtime.scenarios.explore.facts import Survey
from fleetlog.runtime.scenarios.explore.survey import survey_workspace
from tests.scenarios.explore.stage import Stage

__all__ = ["BRANCHY", "Repository", "atlas_of", "edges_of", "report_of", "write"]

DAY_S = 86_400
BRANCHY = "\n".join(
    f"def f{number}(a, b):\n    if a and b or a:\n        return [x for x in a if x]\n    return b\n"
    for number in range(15)
)
"""A module of 15 functions with a complexity of 6 each."""


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """The folder with these files in it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


class Repository:
    """A git repository whose commits are a day apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time_s = 1_700_000_000
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, author: str = "Ann") -> str:
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (
                ("NAME", author),
                ("EMAIL", f"{author.lower()}@example.org"),
                ("DATE", f"{self.time_s} +0000"),
            )
        }
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=os.environ | identity | quiet, check=True, capture_output=True
        )
        return done.stdout.decode()

    def commit(self, subject: str, files: Mapping[str, str | bytes] | None = None, author: str = "Ann") -> None:
        """Write the files and commit all that has changed, a day after the commit before."""
        write(self.root, files or {})
        self.time_s += DAY_S
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject, author=author)


def report_of(root: Path | str) -> str:
    """The report of a whole run of the three agents."""
    report = Stage(str(root)).run()["planner"]["report"]
    assert isinstance(report, str)
    return report


def atlas_of(root: Path) -> Atlas:
    return Atlas(survey_workspace(str(root)))


def edges_of(root: Path) -> set[tuple[str, str]]:
    """Who imports whom, by path."""
    survey: Survey = survey_workspace(str(root))
    paths = [file.path for file in survey.files]
    return {(paths[edge.source], paths[edge.target]) for edge in survey.links.edges}
