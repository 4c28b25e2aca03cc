"""What the spec of an outside MCP server must be like. Refuses what does not fit, naming the field."""

import re
from collections.abc import Mapping

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import EFFECTS, McpServerSpec

__all__ = ["check_mcp_servers"]

# No double and no last underscore: the first `__` of a tool's name ends its server's.
_NAME = re.compile(r"(?!.*(__|_\Z))[a-z0-9][a-z0-9_-]{0,31}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}\Z")
_URL = re.compile(r"https?://[^\s/?#@]+([/?][^\s#]*)?\Z", re.IGNORECASE)
_UNFIT_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check_mcp_servers(field: str, servers: tuple[McpServerSpec, ...]) -> None:
    """Every server's spec, and that no two have one name."""
    for number, server in enumerate(servers):
        _check_server(f"{field}[{number}].", server)
    names = [server.name for server in servers]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgument(f"'{field}' names \"{name}\" twice; a server's name is unique within an agent")


def _check_server(at: str, server: McpServerSpec) -> None:
    if not isinstance(server.name, str) or not _NAME.match(server.name):
        raise InvalidArgument(
            f"'{at}name' must be 1 to 32 lower-case letters, digits, '-' or '_', beginning with a letter or digit, "
            f"without '__' and no '_' at its end, got {checks.shown(server.name)}"
        )
    if bool(server.command) == bool(server.url):
        has = "both" if server.command else "neither"
        raise InvalidArgument(f"'{at[:-1]}' must have exactly one of 'command' (stdio) and 'url' (HTTP), got {has}")
    if server.command:
        _check_stdio(at, server)
    else:
        _check_http(at, server)
    for tool, effect in server.effects.items():
        checks.text(f"{at}effects", tool, max_chars=200, empty=False)
        checks.choice(f"{at}effects.{tool}", effect, EFFECTS)
    for tool in server.tools:
        checks.text(f"{at}tools", tool, max_chars=200, empty=False)
    checks.seconds(f"{at}timeout_s", server.timeout_s)


def _check_stdio(at: str, server: McpServerSpec) -> None:
    checks.text(f"{at}command", server.command[0], max_chars=4_096, empty=False)
    for word in server.command[1:]:
        checks.text(f"{at}command", word, max_chars=100_000)
    _check_pairs(f"{at}env", server.env, _VARIABLE, "a variable's name")
    if server.headers:
        raise InvalidArgument(f"'{at}headers' is for servers with a 'url'; a 'command' takes 'env'")


def _check_http(at: str, server: McpServerSpec) -> None:
    checks.text(f"{at}url", server.url, max_chars=4_096)
    if not _URL.match(server.url):
        raise InvalidArgument(
            f"'{at}url' must be http:// or https:// with a host, without user, password or fragment (secrets go into "
            f"'headers' as ${{VAR}}), got {checks.shown(server.url)}"
        )
    _check_pairs(f"{at}headers", server.headers, _HEADER, "a header's name")
    for name, value in server.headers.items():
        if _UNFIT_VALUE.search(value):
            raise InvalidArgument(f"'{at}headers.{name}' holds a line break or another control character")
    if server.env:
        raise InvalidArgument(f"'{at}env' is for servers with a 'command'; a 'url' takes 'headers'")


def _check_pairs(field: str, pairs: Mapping[str, str], form: re.Pattern[str], kind: str) -> None:
    for name, value in pairs.items():
        if not isinstance(name, str) or not form.match(name):
            raise InvalidArgument(f"'{field}' must have {kind} before each value, got {checks.shown(name)}")
        checks.text(f"{field}.{name}", value, max_chars=100_000)
