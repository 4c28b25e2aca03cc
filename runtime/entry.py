"""Where the `fleetlog` command begins. `fleetlog mcp` is started by editors that wait for it: it loads nothing else."""

import os
import sys

__all__ = ["main"]

OPTIONS = {"--dir": "FLEETLOG_DIR", "--token": "FLEETLOG_TOKEN"}
DEFAULT_DIR = ".fleetlog"


def main() -> None:
    """The command, with the process's arguments."""
    words = sys.argv[1:]
    if words[:1] == ["mcp"] and (chosen := _plain(words[1:])) is not None:
        from fleetlog.runtime.servers.stdio import serve_stdio

        sys.exit(serve_stdio(chosen["--dir"] or DEFAULT_DIR, chosen["--token"]))
    from fleetlog.runtime.cli.main import main as command_line

    command_line(words)


def _plain(words: list[str]) -> dict[str, str] | None:
    """The options of a plain `mcp`; None when there is anything else, which the whole command line is for."""
    chosen = {option: os.environ.get(name, "") for option, name in OPTIONS.items()}
    while words:
        option, _, value = words[0].partition("=")
        if option not in chosen or (not value and len(words) < 2):
            return None
        chosen[option] = value or words[1]
        words = words[1:] if value else words[2:]
    return chosen


if __name__ == "__main__":
    main()
