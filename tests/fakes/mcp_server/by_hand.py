"""A server written by hand: it starts at once, and does what no package would: `by_hand.py WAY`.

It speaks the protocol of 2025. The way `good` has tools that answer, hang and die; `stubborn` is the same, but ends
neither when its stdin closes nor on SIGTERM.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OBJECT = {"type": "object"}
NAMES = ("echo", "count", "hang", "die", "environment", "processes", "read")
TOOLS: list[Any] = [{"name": name, "inputSchema": OBJECT} for name in NAMES]
TOOLS[-1]["annotations"] = {"readOnlyHint": True}
ODD_TOOLS = [
    TOOLS[0],
    {"name": "string_schema", "inputSchema": {"type": "string"}},
    {"name": "no_schema"},
    {"inputSchema": OBJECT},
    "no tool",
    {"name": "untyped", "inputSchema": {}, "description": 5, "annotations": ["odd"]},
    TOOLS[0],
]
ODD_CONTENT = [
    {"type": "hologram", "depth": 3},
    {"type": "image", "data": "!!!", "mimeType": "image/png"},
    {"type": "text", "text": "plain \x00 text"},
]


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def send_text(number: int, text: str) -> None:
    send({"id": number, "result": {"content": [{"type": "text", "text": text}]}})


def send_large(head: bytes, tail: bytes) -> None:
    """A hundred megabytes on one line."""
    out = sys.stdout.buffer
    out.write(head + b'"result":{"content":[{"type":"text","text":"')
    for _ in range(100):
        out.write(b"x" * 1_000_000)
    out.write(b'"}]}' + tail + b"\n")
    out.flush()


def answer(way: str, request: dict[str, Any]) -> None:
    number = request["id"]
    match request["method"]:
        case "initialize":
            info = {"name": "by hand", "version": "1"}
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            send({"id": number, "result": result})
        case "tools/list":
            tools = {"odd": ODD_TOOLS, "empty": []}.get(way, TOOLS)
            following = {"nextCursor": "again"} if way == "endless" else {}
            send({"id": number, "result": {"tools": tools, **following}})
        case "tools/call":
            call(way, number, request["params"])
        case _:
            send({"id": number, "error": {"code": -32601, "message": "no such method"}})


def call(way: str, number: int, params: dict[str, Any]) -> None:
    match way:
        case "large":
            send_large(b'{"jsonrpc":"2.0","id":%d,' % number, b"}")
        case "large-id-last":
            send_large(b"{", b',"jsonrpc":"2.0","id":%d}' % number)
        case "large-id-nowhere":
            send_large(b'{"odd":1,', b',"id":%d,"odd":1}' % number)
        case "odd":
            send({"id": number, "result": {"content": ODD_CONTENT}})
        case "no-result":
            send({"id": number, "result": {"content": 5}})
        case _:
            call_good(number, params["name"], params["arguments"])


def call_good(number: int, name: str, arguments: dict[str, Any]) -> None:
    match name:
        case "echo":
            send_text(number, arguments["text"])
        case "count":
            with Path(arguments["path"]).open("a+") as file:
                file.write("called\n")
                file.seek(0)
                send_text(number, str(len(file.readlines())))
        case "hang":
            Path(arguments["notes"]).write_text("begun")
        case "die":
            os.write(2, b"I cannot go on\n")
            os._exit(3)
        case "environment":
            send_text(number, json.dumps(dict(os.environ)))
        case "processes":
            child = subprocess.Popen(["sleep", "1000"])
            send_text(number, json.dumps([os.getpid(), child.pid]))


def main(way: str) -> None:
    match way:
        case "dies":
            sys.stderr.write(f"no config, token {os.environ.get('TOKEN')}\n")
            sys.exit(2)
        case "silent":
            sys.stderr.write("thinking\n")
            time.sleep(1_000)
        case "deaf":  # answers nothing, reads nothing, and floods its stderr
            while True:
                sys.stderr.write("noise " * 10_000)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.write("hello, I am no JSON\n")
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            answer(way, request)
    while way == "stubborn":
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
