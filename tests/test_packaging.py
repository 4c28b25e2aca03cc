"""What is shipped: the list in pyproject.toml, the folders, the wheel and an installation agree."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("domain", "projections", "runtime")
NOT_SOURCE = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")

LIST_INSTALLED_FILES = """
import importlib.util, pathlib, sys
for folder in sys.argv[1:]:
    spec = importlib.util.find_spec(f"fleetlog.{folder}")
    (home,) = map(pathlib.Path, spec.submodule_search_locations)
    for path in home.rglob("*.py"):
        print(pathlib.PurePosixPath("fleetlog", folder, path.relative_to(home).as_posix()))
"""


def listed_packages() -> list[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages: list[str] = pyproject["tool"]["setuptools"]["packages"]
    return packages


def package_folders() -> list[Path]:
    return sorted(init.parent for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py"))


def modules() -> set[str]:
    """Every module of the folders by its path in the wheel."""
    return {
        f"fleetlog/{path.relative_to(ROOT).as_posix()}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
    }


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the sdist of a copy of the tree: no build output leaks in or out."""
    workshop = tmp_path_factory.mktemp("packaging")
    tree, built = workshop / "tree", workshop / "built"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", "--outdir", built, tree, cwd=workshop)
    assert len(list(built.glob("fleetlog-*.tar.gz"))) == 1
    (path,) = built.glob("fleetlog-*.whl")
    return path


def test_the_listed_packages_are_the_folders_that_hold_an_init() -> None:
    on_disk = ["fleetlog." + ".".join(path.relative_to(ROOT).parts) for path in package_folders()]
    assert sorted(listed_packages()) == sorted(on_disk)


def test_every_package_is_marked_as_typed() -> None:
    assert [path for path in package_folders() if not (path / "py.typed").is_file()] == []


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_marker_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    markers = {f"{name.replace('.', '/')}/py.typed" for name in listed_packages()}
    assert {name for name in names if name.endswith(".py")} == modules()
    assert {name for name in names if name.endswith("py.typed")} == markers
    assert [name for name in names if re.search(r"(^|/)(tests/|test_|conftest)", name)] == []


@pytest.mark.slow
def test_the_installed_wheel_shows_the_files_of_every_folder(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    listing = run(python, "-I", "-c", LIST_INSTALLED_FILES, *FOLDERS, cwd=tmp_path)
    assert set(listing.splitlines()) == modules()
