"""Large things beside the log: whole or not there, and what was stored."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from fleetlog.domain.errors import InvalidArgument, LogCorrupt, NotFound, StoreUnavailable
from fleetlog.domain.values import Artifact
from fleetlog.runtime.artifacts import INLINE_LIMIT_BYTES, ArtifactStore
from fleetlog.runtime.shelves import MemoryShelf, PatientShelf
from fleetlog.runtime.store.postgres import PostgresLog


@pytest.fixture(params=["folder", "memory", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "postgres":
        with closing(PostgresLog(request.getfixturevalue("new_log")(), "the database", owned=True)) as log:
            yield ArtifactStore(log)
        return
    yield ArtifactStore(tmp_path / "artifacts" if request.param == "folder" else None)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_content_comes_back_under_its_digest(store: ArtifactStore) -> None:
    content = "größer ".encode() * 100
    artifact = store.put(content)
    assert artifact == Artifact(hashlib.sha256(content).hexdigest(), len(content), artifact.preview)
    assert artifact.preview.startswith("größer größer")
    assert store.get(artifact.sha256) == content
    assert store.put(content) == artifact


def test_the_same_content_is_stored_once(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for _ in range(3):
        store.put(b"the same")
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("wrong", ["", "0" * 63, "../../../etc/passwd" + "0" * 45, "g" * 63 + "/"])
def test_what_is_no_digest_is_refused(store: ArtifactStore, wrong: str) -> None:
    with pytest.raises(InvalidArgument, match="'sha256' must be 64 hexadecimal digits"):
        store.get(wrong)


def test_an_unknown_digest_is_not_found(store: ArtifactStore) -> None:
    with pytest.raises(NotFound, match="No such artifact: 0000"):
        store.get("0" * 64)


def test_damage_is_told_and_never_handed_out(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    artifact = store.put(b"what was stored")
    files(tmp_path)[0].write_bytes(b"what was stired")
    with pytest.raises(LogCorrupt, match=f"the artifact {artifact.sha256} is damaged"):
        store.get(artifact.sha256)


def test_a_small_value_stays_in_its_event_and_a_large_one_does_not(store: ArtifactStore) -> None:
    small, large = "x" * (INLINE_LIMIT_BYTES - 10), ["x" * INLINE_LIMIT_BYTES]
    inline, aside = store.store_value(small), store.store_value(large)
    assert inline.artifact is None
    assert aside.artifact is not None
    assert aside.inline == b""
    assert store.load_value(inline) == small
    assert store.load_value(aside) == large
    assert store.load_value(aside) is not store.load_value(aside)


class Absent(MemoryShelf):
    """A shelf that cannot be reached the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def keep(self, digest: str, content: IO[bytes]) -> None:
        content.read(3)
        if self.times:
            self.times -= 1
            raise StoreUnavailable("it is away")
        content.seek(0)
        super().keep(digest, content)


def test_who_is_patient_waits_for_the_shelf_and_stores_all_of_it() -> None:
    waited: list[float] = []
    store = ArtifactStore(PatientShelf(Absent(3), waited.append))
    assert store.get(store.put(b"what is in memory alone").sha256) == b"what is in memory alone"
    assert waited == [0.1, 0.2, 0.4]


def test_who_is_patient_waits_no_longer_than_it_makes_sense() -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    shelf = Absent(3)
    with pytest.raises(InterruptedError):
        ArtifactStore(PatientShelf(shelf, stop)).put(b"x")
    assert shelf.times == 2


FULL = """
import resource, signal, sys
from pathlib import Path
from fleetlog.domain.errors import StoreUnavailable
from fleetlog.runtime.artifacts import ArtifactStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
store = ArtifactStore(Path(sys.argv[1]))
try:
    store.put(b"x" * 100_000)
except StoreUnavailable as error:
    print(error)
"""


def test_on_a_full_disk_nothing_is_left_behind(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=30, check=True
    )
    assert "could not be stored: " in child.stdout
    assert files(tmp_path) == []
