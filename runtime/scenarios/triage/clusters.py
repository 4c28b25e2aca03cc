"""Forty-seven failures are rarely forty-seven problems: those that fail alike are one cluster. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetlog.runtime.scenarios.triage.facts import Cluster, Failure, Frame, Ground
from fleetlog.runtime.scenarios.triage.nodes import bare_name, file_of, is_test_file, own_path
from fleetlog.runtime.scenarios.triage.signs import infrastructure, unsteady

__all__ = ["clusters_of", "normalised", "own_frames"]

LAST_FRAMES = 2
"""So many of the innermost own frames tell clusters apart: more of them tell apart what is one mistake."""

_VARYING = (
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "#"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "#"),
    (re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][\w.@+-]+){2,}"), "/#"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[a-fA-F])[0-9a-fA-F]{7,}\b"), "#"),
    (re.compile(r"-?\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_CUT = re.compile(r"\.\.\.$")


def normalised(message: str) -> str:
    """The message without what differs from one run, machine or case to the next: numbers, addresses, ids, paths,
    times. The values an assertion compares are such too."""
    for pattern, mark in _VARYING:
        message = pattern.sub(mark, message)
    if message.startswith("assert "):
        message = _QUOTED.sub("''", message)
    return _CUT.sub("", message)[:160].strip()


def own_frames(failure: Failure, files: frozenset[str]) -> tuple[Frame, ...]:
    """The frames within the workspace, outermost first, each by its path there. A traceback that goes round in a
    circle has each of them once."""
    placed = ((frame, own_path(frame.path, files)) for frame in failure.trace.frames)
    frames = [Frame(path, frame.line, frame.function) for frame, path in placed if path]
    return tuple({(frame.path, frame.function): frame for frame in frames}.values())


def clusters_of(failures: Sequence[Failure], ground: Ground, sources: Mapping[str, str]) -> list[Cluster]:
    """The clusters, largest first. `sources` are the texts of the files that the tracebacks pass."""
    files = frozenset(ground.files)
    grouped: dict[tuple[str, ...], list[tuple[Failure, tuple[Frame, ...]]]] = defaultdict(list)
    for failure in failures:
        frames = own_frames(failure, files)
        grouped[_key(failure, frames)].append((failure, frames))
    found = [_cluster(members, ground, sources) for members in grouped.values()]
    found.sort(key=lambda cluster: (-len(cluster.tests), cluster.tests))
    return [replace(cluster, id=f"C{number}") for number, cluster in enumerate(found, 1)]


def _key(failure: Failure, frames: Sequence[Frame]) -> tuple[str, ...]:
    trace = failure.trace
    places = [f"{frame.path}:{frame.function}" for frame in _telling(frames)]
    if not places and failure.phase != "collection":
        places = [file_of(failure.test), "" if _says_much(failure) else bare_name(failure.test)]
    message = "" if trace.exception == "KeyError" else normalised(trace.message)  # which key is like which number
    return (trace.exception, message, *places)


def _says_much(failure: Failure) -> bool:
    """Without a traceback, the same words of another exception than an assertion are enough to belong together."""
    return failure.trace.exception not in ("", "AssertionError", "Failed")


def _telling(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The innermost frames of the product; those of tests only where a test itself fails."""
    if frames and not is_test_file(frames[-1].path):
        return [frame for frame in frames if not is_test_file(frame.path)][-LAST_FRAMES:]
    return frames[-1:]


def _cluster(
    members: Sequence[tuple[Failure, tuple[Frame, ...]]], ground: Ground, sources: Mapping[str, str]
) -> Cluster:
    failure, frames = members[0]
    sign, quote = next(_signs([one for one, _ in members], frozenset(ground.files), sources), ("", ""))
    return Cluster(
        id="",
        exception=failure.trace.exception or "a failure",
        message=failure.trace.message,
        frames=frames[-4:],
        tests=tuple(sorted({one.test for one, _ in members})),
        phase=failure.phase,
        sign=sign,
        quote=quote,
        unsteady=unsteady(frames, [one.test for one, _ in members], sources),
    )


def _signs(failures: Iterable[Failure], files: frozenset[str], sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return (found for failure in failures if (found := infrastructure(failure.trace, files, sources)))
