"""A place has a folder, and a log in it or in a database; no password of a url is ever shown or written down."""

import stat
from pathlib import Path

import pytest

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.places import Place, place_of, without_secrets


@pytest.mark.parametrize(
    "wrong",
    ["", 7, None, "a\0b", "redis://me:secret@x/y", "postgresql://me:secret@x", "postgresql://me:secret@x/", "http://x"],
)
def test_what_is_no_place_is_refused_without_its_password(wrong: object) -> None:
    with pytest.raises(InvalidArgument, match="'directory' must ") as refused:
        place_of(wrong)  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)


def test_a_directory_has_several_spellings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of("memory:") is None
    assert place_of("state") == place_of(tmp_path / "state") == Place(tmp_path / "state")
    assert place_of(f"sqlite:///{tmp_path}/state".replace("////", "///")) == Place(tmp_path / "state")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fleetlog"


def _folder(url: str) -> Path:
    place = place_of(url)
    assert place is not None
    return place.folder


def test_a_database_has_one_folder_whoever_asks_and_another_database_has_another(cache: Path) -> None:
    folder = _folder("postgresql://me:secret@db.example:5432/fleets")
    assert folder.parent == cache
    assert folder.name.startswith("db.example-5432-fleets-")
    assert folder == _folder("postgres://you@db.example:5432/fleets?sslmode=require")
    others = ["postgresql://db.example/fleets", "postgresql://db.example:5432/more"]
    others += ["postgresql://db.example:5432/fleets?schema=b", "postgresql:///fleets?host=/run/db.example:5432"]
    assert len({_folder(url) for url in others} | {folder}) == 5


def test_the_folder_names_its_database_without_the_password_and_is_its_users_alone(cache: Path) -> None:
    place = place_of("postgresql://me:secret@db/fleets?sslmode=require&password=more&schema=a")
    assert place is not None
    place.make_folder()
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert str(place) == "postgresql://me@db/fleets?sslmode=require&schema=a"
    assert (place.folder / "log.url").read_text() == f"{place}\n"
    assert place_of(place.folder) == Place(place.folder, str(place))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:a@b@db/x", "postgresql://me@db/x"),
        ("postgresql:///x?host=/run/postgresql", "postgresql:///x?host=/run/postgresql"),
        ("postgresql://db1:1,db2:2/x", "postgresql://db1:1,db2:2/x"),
        ("--dir=postgresql://me:secret@db/x", "--dir=postgresql://me@db/x"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
