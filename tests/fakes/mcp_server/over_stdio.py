"""The fake server over stdio."""

import asyncio

from mcp.server.stdio import stdio_server

from tests.fakes.mcp_server.tools import build


async def main() -> None:
    server = build()
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
