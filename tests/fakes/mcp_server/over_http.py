"""The fake server over HTTP: `over_http.py PORT`; it prints its port when it is ready. Other paths behave badly."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tests.fakes.mcp_server.tools import build

Handler = Callable[[Request], Awaitable[Response]]


def app() -> Starlette:
    server = build()
    inner = server.streamable_http_app(streamable_http_path="/")

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    guarded = Starlette(routes=[Mount("/", app=_guarded(inner))])
    routes = [
        Mount("/mcp", app=inner),
        Mount("/guarded", app=guarded),
        *(Route(path, handler, methods=["GET", "POST"]) for path, handler in BAD.items()),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _guarded(inner: Any) -> Any:
    async def check(scope: Any, receive: Any, send: Any) -> None:
        if (b"authorization", b"Bearer open sesame") in scope.get("headers", ()):
            await inner(scope, receive, send)
        else:
            await PlainTextResponse("who are you?", 401)(scope, receive, send)

    return check


async def _broken(request: Request) -> Response:
    return PlainTextResponse("out of order", 500)


async def _page(request: Request) -> Response:
    return PlainTextResponse("<html>a page</html>", 200, media_type="text/html")


async def _elsewhere(request: Request) -> Response:
    return RedirectResponse("http://127.0.0.1:9/mcp", 307)


async def _silent(request: Request) -> Response:
    await asyncio.sleep(3600)
    return Response()


async def _compressed(request: Request) -> Response:
    return JSONResponse({}, headers={"content-encoding": "gzip"})


async def _endless(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc":"2.0","id":1,"result":{"text":"'
        for _ in range(1_600):
            yield b"x" * 65_536

    return StreamingResponse(body(), media_type="application/json")


BAD: dict[str, Handler] = {
    "/broken": _broken,
    "/page": _page,
    "/elsewhere": _elsewhere,
    "/silent": _silent,
    "/compressed": _compressed,
    "/endless": _endless,
}


async def main(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:  # else no TCP_NODELAY
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        os.write(1, f"{listener.getsockname()[1]}\n".encode())
        config = uvicorn.Config(app(), log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
