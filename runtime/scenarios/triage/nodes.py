"""The names of tests: how logs write them, how pytest takes them, which file of the workspace they are in. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath

__all__ = ["bare_name", "file_of", "is_test_file", "node_of_class", "node_of_title", "own_path"]


def file_of(test: str) -> str:
    """`tests/test_a.py` of `tests/test_a.py::TestX::test_y[1]`."""
    return test.partition("::")[0]


def bare_name(test: str) -> str:
    """`test_y`: without file, class and parameters."""
    return test.partition("::")[2].partition("[")[0].rpartition("::")[2]


def is_test_file(path: str) -> bool:
    """It holds tests or what they stand on, by pytest's conventions."""
    found = PurePosixPath(path)
    by_name = found.name.startswith("test_") or found.stem.endswith("_test") or found.name == "conftest.py"
    return by_name or any(part in ("tests", "test", "testing") for part in found.parts[:-1])


def own_path(path: str, files: frozenset[str]) -> str:
    """The workspace's file that a log of another machine names by a longer path; empty when it is none."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return ""
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((tail for tail in tails if tail in files), "")


def node_of_class(classname: str, name: str, given: Mapping[str, str], files: frozenset[str]) -> str:
    """The test that JUnit XML calls `tests.test_a.TestX` and `test_y[1]`: the longest beginning that is a file (or
    looks like a test's) is the file, the rest are classes. `file` of the older format counts first."""
    parts = [part for part in (classname or name).split(".") if part]
    last = [name] if classname else []
    if given.get("file", "").endswith(".py"):
        path = given["file"].replace("\\", "/")
        module = path.removesuffix(".py").split("/")
        rest = parts[len(module) :] if parts[: len(module)] == module else parts[len(parts) :]
        return "::".join([own_path(path, files) or path, *rest, *last])
    for end in range(len(parts), 0, -1):
        found = own_path("/".join(parts[:end]) + ".py", files)
        if found:
            return "::".join([found, *parts[end:], *last])
    modules = [n for n, part in enumerate(parts, 1) if part.startswith("test_") or part.endswith("_test")]
    end = modules[-1] if modules else len(parts)
    return "::".join(["/".join(parts[:end]) + ".py", *parts[end:], *last])


def node_of_title(title: str, path: str) -> str:
    """The test that a traceback's headline calls `TestX.test_y[1.5]`."""
    name, bracket, parameters = title.partition("[")
    return "::".join([path, *name.split(".")]) + bracket + parameters
