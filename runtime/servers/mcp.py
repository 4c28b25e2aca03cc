"""MCP: the tool surface, fleets as resources, the scenarios as prompts. The only room that imports the mcp server.

One `Server` a caller: it is bound to the caller's principal (HTTP: each request's own). Protocol faults are for
broken protocol; a bad argument is an answer with `isError`.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from importlib import metadata
from typing import Any

import mcp.types as t
from mcp.server import Server, ServerRequestContext
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent, SubscriptionBus
from mcp.shared.exceptions import MCPError

from fleetlog.domain.errors import FleetlogError
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.servers.prompts import all_prompts, prompt_text
from fleetlog.runtime.servers.resources import Resources
from fleetlog.runtime.servers.surface import Answer, Surface
from fleetlog.runtime.servers.tools.tool import Tool

__all__ = ["IDEMPOTENCY_KEY", "mcp_server"]

IDEMPOTENCY_KEY = "fleetlog/idempotencyKey"
"""In a call's `_meta`: the key of a call whose arguments name none."""

INSTRUCTIONS = (
    "fleetlog runs fleets of agents that survive anything. Start with spawn_fleet, look with fleet_status, wait with "
    "collect_results (wait_ms). An agent that works through this server reads get_inbox, acknowledges with "
    "ack_message, and answers with send_message; results carry `unread`, the count of messages it has not acknowledged."
)

Context = ServerRequestContext[Any, Any]
PrincipalOf = Callable[[Context], Principal]


def mcp_server(surface: Surface, bus: SubscriptionBus, principal_of: PrincipalOf, closing: ExitStack) -> Server[Any]:
    """A server for the low-level protocol, to be run over a pair of streams or mounted as an HTTP app. `closing` is
    closed by the caller when the connection ends."""
    handlers = _Handlers(surface, bus, principal_of)
    closing.callback(handlers.close)
    return Server(
        "fleetlog",
        version=metadata.version("fleetlog"),
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_subscribe_resource=handlers.subscribe,
        on_unsubscribe_resource=handlers.unsubscribe,
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )


class _Handlers:
    """The handlers of one server."""

    def __init__(self, surface: Surface, bus: SubscriptionBus, principal_of: PrincipalOf) -> None:
        self._surface, self._bus, self._principal_of = surface, bus, principal_of
        self._tools = t.ListToolsResult(tools=[_shown(tool) for tool in surface.tools.values()])
        self._subscribed: dict[str, Callable[[], None]] = {}

    def close(self) -> None:
        """Forget what the caller has subscribed to."""
        for unsubscribe in self._subscribed.values():
            unsubscribe()
        self._subscribed.clear()

    async def list_tools(self, ctx: Context, params: object) -> t.ListToolsResult:
        return self._tools

    async def call_tool(self, ctx: Context, params: t.CallToolRequestParams) -> t.CallToolResult:
        meta = ctx.meta or {}
        key = meta.get(IDEMPOTENCY_KEY)
        answer = await self._surface.answer(
            self._principal_of(ctx),
            params.name,
            params.arguments if params.arguments is not None else {},
            idempotency_key=key if isinstance(key, str) else None,
            report=ctx.session.report_progress,
        )
        return _result(answer)

    # --- resources -----------------------------------------------------------------------------

    def _resources(self, ctx: Context) -> Resources:
        return Resources(Door(self._surface.runtime, self._principal_of(ctx)))

    async def list_resources(self, ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        resources = self._resources(ctx)
        cursor = params.cursor if params else None
        found, next_cursor = await _asked(self._surface, lambda: resources.listed(cursor))
        return t.ListResourcesResult(
            resources=[
                t.Resource(uri=one.uri, name=one.name, description=one.about, mime_type=one.kind) for one in found
            ],
            next_cursor=next_cursor,
        )

    async def list_templates(self, ctx: Context, params: object) -> t.ListResourceTemplatesResult:
        return t.ListResourceTemplatesResult(
            resource_templates=[
                t.ResourceTemplate(uri_template=one.uri, name=one.name, description=one.about, mime_type=one.kind)
                for one in Resources.templates()
            ]
        )

    async def read_resource(self, ctx: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        resources, uri = self._resources(ctx), str(params.uri)
        kind, text = await _asked(self._surface, lambda: resources.read(uri))
        return t.ReadResourceResult(contents=[t.TextResourceContents(uri=uri, mime_type=kind, text=text)])

    async def subscribe(self, ctx: Context, params: t.SubscribeRequestParams) -> t.EmptyResult:
        """The handshake era's way; the newer one is `subscriptions/listen`."""
        uri, session = str(params.uri), ctx.session

        def tell(event: ServerEvent) -> None:
            if isinstance(event, ResourceUpdated) and event.uri == uri:
                asyncio.get_running_loop().create_task(session.send_resource_updated(uri))

        if uri not in self._subscribed:
            self._subscribed[uri] = self._bus.subscribe(tell)
        return t.EmptyResult()

    async def unsubscribe(self, ctx: Context, params: t.UnsubscribeRequestParams) -> t.EmptyResult:
        if unsubscribe := self._subscribed.pop(str(params.uri), None):
            unsubscribe()
        return t.EmptyResult()

    # --- prompts -------------------------------------------------------------------------------

    async def list_prompts(self, ctx: Context, params: object) -> t.ListPromptsResult:
        return t.ListPromptsResult(
            prompts=[
                t.Prompt(
                    name=prompt.name,
                    description=prompt.about,
                    arguments=[t.PromptArgument(name=name, required=True) for name in prompt.arguments],
                )
                for prompt in all_prompts()
            ]
        )

    async def get_prompt(self, ctx: Context, params: t.GetPromptRequestParams) -> t.GetPromptResult:
        try:
            about, text = prompt_text(params.name, params.arguments or {})
        except FleetlogError as error:
            raise MCPError(t.INVALID_PARAMS, str(error)) from error
        message = t.PromptMessage(role="user", content=t.TextContent(type="text", text=text))
        return t.GetPromptResult(description=about, messages=[message])


async def _asked(surface: Surface, call: Callable[[], Any]) -> Any:
    try:
        return await surface.in_thread(call)
    except FleetlogError as error:
        raise MCPError(t.INVALID_PARAMS, str(error)) from error


def _result(answer: Answer) -> t.CallToolResult:
    return t.CallToolResult(
        content=[t.TextContent(type="text", text=answer.text)],
        structured_content=answer.structure,
        is_error=answer.is_error,
    )


def _shown(tool: Tool) -> t.Tool:
    hints = tool.hints
    return t.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        annotations=t.ToolAnnotations(
            read_only_hint=hints.reads,
            destructive_hint=hints.destroys,
            idempotent_hint=hints.repeats,
            open_world_hint=hints.open_world,
        ),
    )
