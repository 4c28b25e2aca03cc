"""A little shop to break on purpose: `shop.py start|stop|restart|tidy|serve`. It keeps its state beside this file, or
in SHOP_DIR.

While it runs: GET / sells; GET /jam makes it answer 500 until it is restarted; a folder `logs` with more than 1 MB is
too much.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = int(os.environ.get("SHOP_PORT", "8642"))
FOLDER = Path(os.environ.get("SHOP_DIR", Path(__file__).parent))
PID_FILE, LOGS = FOLDER / "shop.pid", FOLDER / "logs"


class Shop(BaseHTTPRequestHandler):
    """One customer."""

    is_jammed = False

    def do_GET(self) -> None:
        """Sell something, if the till is not jammed."""
        if self.path == "/jam":
            Shop.is_jammed = True
        if self.path == "/slow":
            time.sleep(0.5)
        status = 500 if Shop.is_jammed else 200
        body = b"the till is jammed\n" if Shop.is_jammed else b"the shop is open\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def is_open() -> bool:
    """Does the port answer?"""
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=1):
            return True
    except OSError:
        return False


def start() -> None:
    """In the background, in a session of its own: it must outlive the command that started it."""
    if is_open():
        return
    with (FOLDER / "shop.log").open("ab") as log:
        command = [sys.executable, __file__, "serve"]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 20
    while not is_open():
        if time.monotonic() > deadline:
            sys.exit("the shop did not open")
        time.sleep(0.02)


def stop() -> None:
    """End it, whether it answers or not."""
    try:
        os.kill(int(PID_FILE.read_text()), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    while is_open():
        time.sleep(0.02)


def serve() -> None:
    """Be the shop."""
    LOGS.mkdir(exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Shop)
    PID_FILE.write_text(str(os.getpid()))
    server.serve_forever()


def tidy() -> None:
    """Remove the old logs."""
    for file in LOGS.glob("*.log"):
        file.unlink()


def restart() -> None:
    """A fresh start."""
    stop()
    start()


if __name__ == "__main__":
    {"start": start, "stop": stop, "restart": restart, "tidy": tidy, "serve": serve}[sys.argv[1]]()
