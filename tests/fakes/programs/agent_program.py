"""A program that behaves like an agent's command line, or badly: `agent_program.py LOG DEED [WORD ...]`.

Every run appends a line of JSON to LOG: what it was given. DEEDs are listed below; what is given as `--session=ID` is a
session to go on with.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HANG = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def session_of(words: list[str]) -> str:
    return next((word.partition("=")[2] for word in words if word.startswith("--session=")), "")


def noted(log: Path, words: list[str]) -> dict[str, Any]:
    """What this run was given; kept."""
    prompt = sys.stdin.read()
    seen = {
        "argv": words,
        "prompt": prompt,
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "session": session_of(words),
        "pid": os.getpid(),
    }
    with log.open("a") as file:
        file.write(json.dumps(seen) + "\n")
    return seen


def runs_so_far(log: Path) -> int:
    return len(log.read_text().splitlines())


def grandchildren(log: Path) -> None:
    """Two that ignore SIGTERM: one in our group, one that has left the session; their ids are kept."""
    pids = [subprocess.Popen([sys.executable, "-c", HANG], start_new_session=away).pid for away in (False, True)]
    with log.with_suffix(".pids").open("a") as file:
        file.writelines(f"{pid}\n" for pid in [os.getpid(), *pids])


def hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def main(log: Path, deed: str, words: list[str]) -> None:
    seen = noted(log, words)
    match deed:
        case "say":
            print(words[0])
        case "echo_env":
            print(os.environ[words[0]])
        case "count":
            print(f"run {runs_so_far(log)}")
        case "fail_at_first":
            if runs_so_far(log) <= int(words[0]):
                print("half an answer")
                print("the disk is full of eels", file=sys.stderr)
                raise SystemExit(3)
            print("done after all")
        case "garbage":
            sys.stdout.buffer.write(bytes(range(256)) * 40)
        case "flood":
            block = b"x" * 999_999 + b"\n"
            sys.stdout.buffer.write(b"the beginning\n")
            for _ in range(int(words[0])):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.write(b"the end\n")
        case "hang":
            grandchildren(log)
            print("hanging", flush=True)
            hang()
        case "leave_children":
            grandchildren(log)
            print("done")
        case "work_in_session":
            session = seen["session"] or f"session-{runs_so_far(log)}"
            say(type="system", session_id=session)
            if not seen["session"]:
                grandchildren(log)
                say(type="progress", text="deep in work")
                hang()
            say(type="result", result=f"went on with {session}")
        case "answer_in_session":
            session = seen["session"] or "session-1"
            say(type="system", session_id=session)
            usage = {"input_tokens": 10, "output_tokens": 5}
            answer = words[1] if len(words) > 1 and runs_so_far(log) == 1 else f"answer {runs_so_far(log)} in {session}"
            say(type="result", result=answer, usage=usage, total_cost_usd=float(words[0]), num_turns=2)
        case "fail_when_resumed":
            say(type="system", session_id=f"session-{runs_so_far(log)}")
            is_last = runs_so_far(log) == 3
            say(type="result", result="done" if is_last else "No conversation found", is_error=not is_last)
        case "read_mcp":
            path = Path(words[0])
            mode, content = oct(path.stat().st_mode & 0o777), json.loads(path.read_text())
            print(json.dumps({"mode": mode, "content": content, "token": os.environ.get("FLEETLOG_TOKEN")}))
        case _:
            raise SystemExit(f"no such deed: {deed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
