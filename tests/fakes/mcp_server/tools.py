"""The tools both fake servers have: ones that answer, fail, hang, and answer oddly."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import anyio
import mcp.types as t
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError

PAGE = 4
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
ANYTHING: dict[str, Any] = {"type": "object"}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TOOLS = [
    t.Tool(name="echo", description="Says it again.", input_schema=schema(text=TEXT)),
    t.Tool(name="add", description="a + b", input_schema=schema(a=NUMBER, b=NUMBER)),
    t.Tool(name="fail", description="Fails.", input_schema=ANYTHING),
    t.Tool(name="refuse", description="A protocol error.", input_schema=ANYTHING),
    t.Tool(name="hang", description="Never answers.", input_schema=schema(notes=TEXT)),
    t.Tool(name="wait_for", description="Answers when the file is there.", input_schema=schema(path=TEXT)),
    t.Tool(name="count", description="Adds a line to a file, and its number.", input_schema=schema(path=TEXT)),
    t.Tool(name="long", description="A long text.", input_schema=schema(chars=NUMBER)),
    t.Tool(name="media", description="No text.", input_schema=ANYTHING),
    t.Tool(name="nothing", description="Says nothing.", input_schema=ANYTHING),
    t.Tool(name="bad_output", input_schema=ANYTHING, output_schema=schema(a=NUMBER)),
    t.Tool(name="bad_schema", input_schema={"type": "object", "properties": {"a": {"type": "no such type"}}}),
    t.Tool(name="far_schema", input_schema=schema(a={"$ref": "http://127.0.0.1:9/schema.json"})),
    t.Tool(name="files.read/all", description="Needs another name.", input_schema=ANYTHING),
    t.Tool(
        name="either",
        description="One or the other.",
        input_schema={**schema(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    ),
]


def build() -> "Server[Any]":
    """The server; `python -m` one of the two beside it, or serve it yourself."""
    return Server("fake", version="1", on_list_tools=_list_tools, on_call_tool=_call_tool)


async def _list_tools(context: ServerRequestContext[Any], params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
    first = int(params.cursor) if params is not None and params.cursor else 0
    following = first + PAGE
    cursor = str(following) if following < len(TOOLS) else None
    return t.ListToolsResult(tools=TOOLS[first:following], next_cursor=cursor)


async def _call_tool(context: ServerRequestContext[Any], params: t.CallToolRequestParams) -> t.CallToolResult:
    arguments = params.arguments or {}
    match params.name:
        case "add":
            return t.CallToolResult(content=[], structured_content={"sum": arguments["a"] + arguments["b"]})
        case "fail":
            return t.CallToolResult(content=[_text("it went wrong")], is_error=True)
        case "refuse":
            raise MCPError(t.INVALID_PARAMS, "no such thing")
        case "media":
            return t.CallToolResult(content=_media())
        case "nothing":
            return t.CallToolResult(content=[])
        case "bad_output":
            return t.CallToolResult(content=[_text("fine")], structured_content={"a": "no number"})
        case name:
            return t.CallToolResult(content=[_text(await _said(name, arguments))])


async def _said(name: str, arguments: dict[str, Any]) -> str:
    match name:
        case "echo":
            return str(arguments["text"])
        case "hang":
            await _hang(Path(arguments["notes"]))
        case "wait_for":
            while not Path(arguments["path"]).exists():
                await anyio.sleep(0.005)
        case "count":
            with Path(arguments["path"]).open("a+") as file:
                file.write("called\n")
                file.seek(0)
                return str(len(file.readlines()))
        case "long":
            return "".join(f"{number:09}\n" for number in range(arguments["chars"] // 10))
    return name


async def _hang(notes: Path) -> None:
    notes.write_text("begun")
    try:
        await anyio.sleep_forever()
    finally:
        notes.write_text("cancelled")


def _text(text: str) -> t.TextContent:
    return t.TextContent(type="text", text=text)


def _media() -> list[t.ContentBlock]:
    png, flac = b64encode(PNG).decode(), b64encode(b"fLaC" * 10).decode()
    return [
        t.ImageContent(type="image", data=png, mime_type="image/png"),
        t.AudioContent(type="audio", data=flac, mime_type="audio/flac"),
        t.EmbeddedResource(
            type="resource",
            resource=t.TextResourceContents(uri="file:///notes.txt", mime_type="text/plain", text="some notes"),
        ),
        t.EmbeddedResource(type="resource", resource=t.BlobResourceContents(uri="file:///b.bin", blob=png)),
        t.ResourceLink(type="resource_link", name="more", uri="file:///more.txt", mime_type="text/plain"),
    ]
