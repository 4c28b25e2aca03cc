"""A web service with the runtime in its lifespan: it is opened when the service starts, and closed when it stops.

    uvicorn app:app

One process owns a runtime directory, so run one worker. What was under way when the service stopped, however it
stopped, goes on when it starts again. Starlette's `lifespan` is the same.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.aio import AsyncRuntime


def summarise(ctx: Any) -> dict[str, Any]:
    """The work: here without a model. `brain="claude"` in the spec would have one do it."""
    text = ctx.goal
    sentences = ctx.step("split", "pure", lambda: [part.strip() for part in text.split(".") if part.strip()])
    return {"sentences": len(sentences), "summary": sentences[0] if sentences else ""}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Nothing blocks the loop: `AsyncRuntime` has the facade's methods, awaitable."""
    directory = os.environ.get("FLEETLOG_DIR", ".fleetlog")
    async with AsyncRuntime.open(directory, brains={"summarise": summarise}) as runtime:
        app.state.runtime = runtime
        yield


app = FastAPI(lifespan=lifespan)


class Text(BaseModel):
    """What is to be summarised."""

    text: str


@app.post("/summaries", status_code=202)
async def begin(
    body: Text, request: Request, idempotency_key: Annotated[str | None, Header()] = None
) -> dict[str, str]:
    """Begin a summary. Repeated with the same key, it is the same one: nothing is done or paid for twice."""
    runtime: AsyncRuntime = request.app.state.runtime
    agent = AgentSpec(role="summariser", prompt="Summarise the text.", brain="summarise")
    fleet = await runtime.spawn_fleet(FleetSpec(agents=(agent,), goal=body.text), idempotency_key=idempotency_key)
    return {"id": fleet.fleet_id}


@app.get("/summaries/{fleet_id}")
async def look(fleet_id: str, request: Request, wait_s: float = 0.0) -> dict[str, Any]:
    """How it stands; with `wait_s`, once it has ended."""
    runtime: AsyncRuntime = request.app.state.runtime
    try:
        results = await runtime.collect_results(fleet_id, wait_s=min(wait_s, 30.0))
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    return {"status": results.status, "summary": results.results[0].output if results.is_final else None}
