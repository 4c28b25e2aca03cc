"""Where a runtime is: the folder of its local files, and its log, in that folder or in a PostgreSQL database.

The local files of a log in a database (views, the daemon's address, reports) lie in a folder of the user's cache, which
names the database, without the password, in its file `log.url`: whoever is given the folder finds the log by it.
Imports nothing that takes time to load.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument, StoreUnavailable

__all__ = ["Place", "as_given", "place_of", "without_secrets"]

SCHEMES = ("postgresql", "postgres")
URL_FILE = "log.url"
SECRETS = {"password", "sslpassword"}
_ALLOWED = "a path, memory:, sqlite:///PATH or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is absolute; `url` is that of the database which holds the log, as it was given, "" where the log is in
    the folder. As text: what a person may see of it."""

    folder: Path
    url: str = ""

    def __str__(self) -> str:
        return without_secrets(self.url) if self.url else str(self.folder)

    @property
    def log(self) -> Path:
        """The log's file, where it is in the folder."""
        return self.folder / "log.db"

    @property
    def views(self) -> Path:
        """The file of the read models."""
        return self.folder / "views.db"

    @property
    def artifacts(self) -> Path:
        """The folder of large values, where the log is in the folder."""
        return self.folder / "artifacts"

    def make_folder(self) -> None:
        """Make the folder, if it is not there. Raises `InvalidArgument`, `StoreUnavailable`."""
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True, mode=0o700 if self.url else 0o777)
                (self.folder / ".gitignore").write_text("*\n")  # a work tree it lies in should not list it
            if self.url:
                (self.folder / URL_FILE).write_text(without_secrets(self.url) + "\n")
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidArgument(f"'directory' must be a directory: {self.folder} is a file") from error
        except OSError as error:
            raise StoreUnavailable(f"the directory {self.folder} cannot be used: {error}") from error


def place_of(directory: str | os.PathLike[str]) -> Place | None:
    """The place that a path or a url names; None for `memory:`. Nothing is made. Raises `InvalidArgument`."""
    if not isinstance(directory, str | os.PathLike):
        raise InvalidArgument(f"'directory' must be {_ALLOWED}, got {checks.shown(directory)}")
    text = os.fspath(directory)
    if text in ("memory:", "memory://"):
        return None
    if text.startswith("sqlite:///"):
        text = text.removeprefix("sqlite://")
    elif "://" in text:
        return _of_url(text)
    if not text or "\0" in text:
        raise InvalidArgument(f"'directory' must be {_ALLOWED}, got {checks.shown(text)}")
    folder = Path(text).absolute()
    return Place(folder, _named_in(folder))


def _named_in(folder: Path) -> str:
    try:
        return (folder / URL_FILE).read_text().strip()
    except OSError:
        return ""


def _of_url(url: str) -> Place:
    scheme, authority, path, options = _parts(url)
    if scheme not in SCHEMES:
        raise InvalidArgument(f"'directory' must be {_ALLOWED}, got a url of the kind {scheme}://")
    if "\0" in url or not (path.strip("/") or "dbname" in dict(options)):
        raise InvalidArgument(f"'directory' must name a database: {scheme}://{authority.rpartition('@')[2]}/DATABASE")
    return Place(_cache() / _folder_name(url), url)


def _parts(url: str) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Scheme, authority, path and options. The library's way to split and join loses an empty authority, which here
    stands for a Unix socket."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path, parse_qsl(query, keep_blank_values=True)


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "fleetlog"


def _folder_name(url: str) -> str:
    """Of the database: the same for every user and password, another for another host, port, database or schema."""
    _, authority, path, given = _parts(url)
    options = dict(given)
    hosts = authority.rpartition("@")[2] or options.get("host", "")
    database = unquote(path.strip("/")) or options.get("dbname", "")
    named = (hosts, options.get("port", ""), database, options.get("schema", ""))
    digest = hashlib.sha256("\0".join(named).encode()).hexdigest()[:12]
    return re.sub(r"[^A-Za-z0-9.-]+", "-", f"{hosts}-{database}").strip("-.")[:60] + f"-{digest}"


def as_given(directory: str) -> str:
    """A path or url as the user has given it, without secrets."""
    return without_secrets(directory) if "://" in directory else directory


def without_secrets(url: str) -> str:
    """The url as it may be shown and written down."""
    scheme, authority, path, options = _parts(url)
    user, at, hosts = authority.rpartition("@")
    query = urlencode([(name, value) for name, value in options if name not in SECRETS], quote_via=quote, safe="/")
    return f"{scheme}://{user.partition(':')[0]}{at}{hosts}{path}" + (f"?{query}" if query else "")
