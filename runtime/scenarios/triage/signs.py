"""What words and sources give away: marks of infrastructure in what was said, marks of chance in what was run. Pure.

A mark of infrastructure counts only when the failure comes from outside the workspace's own code: a test that expects
the words "connection refused", or a product that raises such an error by itself, is not the network's fault.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from fleetlog.runtime.scenarios.triage.facts import Frame, Trace
from fleetlog.runtime.scenarios.triage.nodes import bare_name, file_of, own_path

__all__ = ["imported_files", "infrastructure", "unsteady"]

_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("connection refused", r"Connection refused|ECONNREFUSED|WinError 10061|actively refused"),
        ("connection lost", r"Connection reset by peer|Broken pipe|server closed the connection|RemoteDisconnected"),
        (
            "host not found",
            r"Name or service not known|[Nn]ame resolution|nodename nor servname|getaddrinfo failed|"
            r"No address associated with hostname|Could not resolve host|EAI_AGAIN",
        ),
        ("network unreachable", r"Network is unreachable|No route to host|Host is down"),
        ("disk full", r"No space left on device|ENOSPC|Disk quota exceeded"),
        ("file system", r"Read-only file system|Input/output error|disk I/O error|Stale file handle"),
        ("out of memory", r"Cannot allocate memory|OOMKilled|\bout of memory\b"),
        ("too many open files", r"Too many open files"),
        ("process killed", r"died with <Signals\.SIGKILL|exit (?:code|status) 137\b|worker 'gw\d+' crashed"),
        ("system library missing", r"cannot open shared object file|DLL load failed|Library not loaded"),
        ("service unavailable", r"\b50[234] (?:Service|Bad Gateway|Gateway)|Max retries exceeded|Docker daemon"),
        (
            "time-out of a service",
            r"^(?:[\w.]*Timeout(?:Error)?|timeout|OSError)\b.*timed out|ConnectTimeout|ReadTimeout",
        ),
    )
)
_MODULE = re.compile(r"No module named '([\w.]+)'")
_PROGRAM = re.compile(r"No such file or directory: '([\w.+-]+)'")
_OUTRIGHT = ("system library missing", "process killed")
_OWN_WORDS = ("AssertionError", "Failed", "")
"""Exceptions that a test raises by itself, about what it has seen."""

_CHANCE = re.compile(
    r"\brandom\b|\bsecrets\.|\buuid[14]\b|\btime\.(?:time|monotonic|perf_counter|sleep)|\bsleep\(|\.now\(|\.today\(|"
    r"\butcnow\(|\bhash\(|\bthreading\b|\bThread\(|\basyncio\b|\bThreadPool|\bgetpid\("
)


def infrastructure(trace: Trace, files: frozenset[str], sources: Mapping[str, str]) -> tuple[str, str] | None:
    """(the kind of trouble, the words that say so), when something outside the workspace broke."""
    if trace.exception in _OWN_WORDS:
        return None
    return next(_found(trace, files, sources), None)


def _found(trace: Trace, files: frozenset[str], sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    inner = own_path(trace.frames[-1].path, files) if trace.frames else ""
    is_raised = bool(inner) and _is_raised(sources.get(inner, ""), trace.frames[-1].line)
    for words in reversed(trace.said):
        for name, pattern in _SIGNS:
            if pattern.search(words) and (not is_raised or "[Errno" in words or name in _OUTRIGHT):
                yield name, words
        module = _MODULE.search(words)
        if module and not _is_own(module[1], files):
            yield "dependency not installed", words
        if _PROGRAM.search(words) and trace.frames and not inner:
            yield "program not installed", words
    if trace.exception == "MemoryError" and not is_raised:
        yield "out of memory", "MemoryError"


def _is_raised(source: str, line: int) -> bool:
    """The line raises by itself, or cannot be seen."""
    lines = source.splitlines()
    return not 1 <= line <= len(lines) or lines[line - 1].strip().startswith("raise")


def _is_own(module: str, files: frozenset[str]) -> bool:
    top = module.partition(".")[0]
    return any(f"/{path}".endswith(f"/{top}.py") or f"/{top}/" in f"/{path}" for path in files)


def unsteady(frames: Sequence[Frame], tests: Sequence[str], sources: Mapping[str, str]) -> tuple[str, ...]:
    """What the functions that failed use of chance, time and threads."""
    wanted = [(frame.path, frame.function) for frame in frames] + [(file_of(test), bare_name(test)) for test in tests]
    found: dict[str, None] = {}
    for path, function in dict.fromkeys(wanted):
        text = _function_text(sources.get(path, ""), function)
        found.update(dict.fromkeys(mark.strip(".(") for mark in _CHANCE.findall(text)))
    return tuple(found)[:4]


def _function_text(source: str, function: str) -> str:
    if not function or not (tree := _parsed(source)):
        return ""
    lines = source.splitlines()
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    parts = [lines[node.lineno - 1 : node.end_lineno] for node in nodes if node.name == function]
    return "\n".join(line.partition("#")[0] for part in parts for line in part)


def imported_files(source: str, files: frozenset[str]) -> tuple[str, ...]:
    """The workspace's files that a test's file imports: what it is about, where no traceback says so."""
    if not (tree := _parsed(source)):
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
    found = (_file_of_module(name, files) for name in names)
    return tuple(dict.fromkeys(path for path in found if path))


def _file_of_module(name: str, files: frozenset[str]) -> str:
    tail = name.replace(".", "/") + ".py"
    return next((path for path in (tail, f"src/{tail}") if path in files), "")


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
