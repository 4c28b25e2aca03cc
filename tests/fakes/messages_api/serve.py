"""The server as a process of its own.

    python tests/fakes/messages_api/serve.py --port 0 --state DIR --scripts SCRIPTS.py --settings SETTINGS.json

The first line it prints is its port. SIGTERM and SIGINT end it; then DIR holds `stats.json`. A module of scripts
defines `SCRIPTS: dict[str, Script]`; settings are the fields of `Settings` as JSON.
"""

import argparse
import asyncio
import importlib.util
import signal
import sys
from pathlib import Path

import msgspec

if __name__ == "__main__":  # run as a script: its own folder on the path would hide modules of other names
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from tests.fakes.messages_api.replies import Script
from tests.fakes.messages_api.scripts import standard_scripts
from tests.fakes.messages_api.server import Door
from tests.fakes.messages_api.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Messages API on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    parser.add_argument("--state", type=Path, help="the folder for the file `port` and, at the end, `stats.json`")
    parser.add_argument("--scripts", type=Path, action="append", default=[], help="a module that defines SCRIPTS")
    parser.add_argument("--settings", type=Path, help="a file with settings as JSON")
    given = parser.parse_args()
    settings = msgspec.json.decode(given.settings.read_bytes(), type=Settings) if given.settings else Settings()
    scripts = standard_scripts()
    for path in given.scripts:
        scripts |= load_scripts(path)
    asyncio.run(serve(given.port, given.state, scripts, settings))


def load_scripts(path: Path) -> dict[str, Script]:
    """The SCRIPTS of a module that is found by its path."""
    spec = importlib.util.spec_from_file_location(f"scripts_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"--scripts {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scripts: dict[str, Script] = module.SCRIPTS
    return scripts


async def serve(port: int, state: Path | None, scripts: dict[str, Script], settings: Settings) -> None:
    """Serve until a signal comes."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    door = Door(settings, scripts)
    bound = await door.start(port)
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        (state / "port").write_text(str(bound))
    sys.stdout.write(f"{bound}\n")
    sys.stdout.flush()
    await ended.wait()
    await door.stop()
    if state is not None:
        (state / "stats.json").write_bytes(msgspec.json.encode(door.service.stats.report(all_digests=True)))


if __name__ == "__main__":
    main()
