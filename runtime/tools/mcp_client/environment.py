"""What a server is told of the runtime's environment: little; and secrets stand by name in all that is recorded."""

import re
from collections.abc import Mapping

from msgspec import Struct

from fleetlog.domain.errors import McpServerFault

__all__ = ["Filled", "child_environment", "filled"]

_INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SHORTEST_SECRET = 8


class Filled(Struct, frozen=True):
    """Values with their `${VAR}` filled in, and what was filled in: never to be shown."""

    values: dict[str, str]
    secrets: dict[str, str]

    def redact(self, text: str) -> str:
        """The text with every filled in value (of 8 characters or more) as the `${VAR}` it stands for."""
        for secret, reference in self.secrets.items():
            text = text.replace(secret, reference)
        return text


def filled(field: str, values: Mapping[str, str], environ: Mapping[str, str]) -> Filled:
    """`values` with each `${VAR}` taken from `environ`; raises `McpServerFault` for one that is not there."""
    secrets: dict[str, str] = {}

    def look_up(found: re.Match[str]) -> str:
        variable = found[1]
        if variable not in environ:
            raise McpServerFault(
                f"its '{field}' needs ${{{variable}}}, which is not set in the runtime's environment; set it and start "
                "the runtime again"
            )
        value = environ[variable]
        if field == "headers" and _UNFIT.search(value):
            raise McpServerFault(
                f"${{{variable}}} holds a line break or another control character, which a header cannot; set it "
                "without"
            )
        if len(value) >= _SHORTEST_SECRET:
            secrets[value] = found[0]
        return value

    found = {name: _REFERENCE.sub(look_up, value) for name, value in values.items()}
    longest_first = sorted(secrets.items(), key=lambda pair: -len(pair[0]))
    return Filled(found, dict(longest_first))


def child_environment(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What a child process gets: where programs, home and language are, and its own `values`."""
    return {name: environ[name] for name in _INHERITED if name in environ} | dict(values)
