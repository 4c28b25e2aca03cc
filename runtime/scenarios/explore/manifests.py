"""What the project's own files declare: entry points, Go modules, Python package folders. Reads small files only."""

import configparser
import json
import os
import posixpath
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.facts import EntryPoint
from fleetlog.runtime.scenarios.explore.listing import printable

_MAX_BYTES = 400_000
_SETUP_SCRIPT = re.compile(r"""["']([\w.-]+)\s*=\s*([\w.]+):([\w.]+)["']""")
_MAKE_TARGET = re.compile(r"^([A-Za-z][\w.-]*)\s*:(?!=)", re.MULTILINE)
_DOCKER_START = re.compile(r"^(?:CMD|ENTRYPOINT)\s+(.+)$", re.MULTILINE)
_CI = re.compile(r"(?:^|/)(?:\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml|Jenkinsfile)$")


class Manifests(Struct, frozen=True):
    """`scripts` name dotted modules or files in `target`; `trouble` names files that could not be understood."""

    scripts: tuple[EntryPoint, ...] = ()
    go_modules: dict[str, str] = {}
    package_dirs: dict[str, str] = {}
    trouble: dict[str, str] = {}


class _Found:
    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.scripts: list[EntryPoint] = []
        self.go_modules: dict[str, str] = {}
        self.package_dirs: dict[str, str] = {}
        self.trouble: dict[str, str] = {}


def read_manifests(workspace: str, paths: Iterable[str]) -> Manifests:
    """Of all manifests among `paths`. A file that cannot be read or parsed is named in `trouble`."""
    found = _Found(workspace)
    paths = list(paths)
    name = os.path.basename(os.path.abspath(workspace))
    if "__init__.py" in paths and name.isidentifier():
        found.package_dirs[name] = ""  # the workspace is a package itself
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        reader = _reader(path)
        if reader is None:
            continue
        try:
            reader(found, path, _text(workspace, path))
        except (OSError, ValueError, configparser.Error, TypeError, AttributeError, RecursionError) as error:
            found.trouble[path] = printable(str(error))[:120] or type(error).__name__
    return Manifests(
        tuple(_storable(script) for script in found.scripts), found.go_modules, found.package_dirs, found.trouble
    )


def _storable(script: EntryPoint) -> EntryPoint:
    """JSON can spell out half a character, which is no text that can be stored."""
    name, target = (text.encode("utf-8", "backslashreplace").decode() for text in (script.name, script.target))
    return EntryPoint(script.kind, name, script.path, script.line, target)


def _reader(path: str) -> Any:
    name = posixpath.basename(path)
    if _CI.search(path):
        return _ci
    if name.startswith("Dockerfile"):
        return _docker
    return {
        "pyproject.toml": _pyproject,
        "setup.cfg": _setup_cfg,
        "setup.py": _setup_py,
        "package.json": _package_json,
        "go.mod": _go_mod,
        "Makefile": _make,
    }.get(name)


def _text(workspace: str, path: str) -> str:
    with open(os.open(os.path.join(workspace, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(_MAX_BYTES).decode("utf-8", "replace")


def _line(text: str, needle: str) -> int:
    before, found, _ = text.partition(needle)
    return before.count("\n") + 1 if found else 0


def _pyproject(found: _Found, path: str, text: str) -> None:
    document = tomllib.loads(text)
    project = document.get("project", {})
    poetry = document.get("tool", {}).get("poetry", {})
    for table in (project.get("scripts", {}), project.get("gui-scripts", {}), poetry.get("scripts", {})):
        for name, target in table.items():
            if isinstance(target, str):
                found.scripts.append(_script(name, path, _line(text, target), target))
    folders = document.get("tool", {}).get("setuptools", {}).get("package-dir", {})
    _package_dirs(found, path, folders)


def _package_dirs(found: _Found, path: str, folders: dict[str, str]) -> None:
    for prefix, folder in folders.items():
        if prefix:
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), folder))
            found.package_dirs[prefix] = "" if place == "." else place


def _setup_cfg(found: _Found, path: str, text: str) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    if not parser.has_option("options.entry_points", "console_scripts"):
        return
    for line in parser.get("options.entry_points", "console_scripts").splitlines():
        name, separator, target = (part.strip() for part in line.partition("="))
        if separator:
            found.scripts.append(_script(name, path, _line(text, line.strip()), target))


def _setup_py(found: _Found, path: str, text: str) -> None:
    for match in _SETUP_SCRIPT.finditer(text):
        target = f"{match.group(2)}:{match.group(3)}"
        found.scripts.append(_script(match.group(1), path, text.count("\n", 0, match.start()) + 1, target))


def _script(name: str, path: str, line: int, target: str) -> EntryPoint:
    return EntryPoint("console script", f"{name} = {target}", path, line, target.partition(":")[0].strip())


def _package_json(found: _Found, path: str, text: str) -> None:
    document = json.loads(text)
    folder = posixpath.dirname(path)
    binaries = document.get("bin", {})
    if isinstance(binaries, str):
        binaries = {str(document.get("name", "bin")): binaries}
    for name, target in sorted(binaries.items()):
        found.scripts.append(
            EntryPoint("npm bin", name, path, _line(text, target), posixpath.normpath(posixpath.join(folder, target)))
        )
    main = document.get("main")
    if isinstance(main, str):
        target = posixpath.normpath(posixpath.join(folder, main))
        found.scripts.append(EntryPoint("npm main", main, path, _line(text, '"main"'), target))
    for name in sorted(document.get("scripts", {})):
        found.scripts.append(EntryPoint("npm script", str(name), path, _line(text, f'"{name}"')))


def _go_mod(found: _Found, path: str, text: str) -> None:
    match = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    if match:
        found.go_modules[match.group(1).strip('"')] = posixpath.dirname(path)


def _docker(found: _Found, path: str, text: str) -> None:
    for match in _DOCKER_START.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.scripts.append(EntryPoint("container", match.group(1).strip()[:80], path, line))


def _make(found: _Found, path: str, text: str) -> None:
    targets = [name for name in _MAKE_TARGET.findall(text) if not name.startswith(".")]
    if targets:
        found.scripts.append(EntryPoint("make", ", ".join(dict.fromkeys(targets[:12])), path, 1))


def _ci(found: _Found, path: str, _text: str) -> None:
    found.scripts.append(EntryPoint("CI", posixpath.basename(path), path, 1))
