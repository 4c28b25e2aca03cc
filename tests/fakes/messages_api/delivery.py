"""How a reply goes out: at once, at its pace, or not as it should."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tests.fakes.messages_api.faults import Break, Fault, Garbage, Hang
from tests.fakes.messages_api.refusals import ERROR_TYPES, Refusal, error_body
from tests.fakes.messages_api.stats import ANSWERED, BROKEN, GARBAGE
from tests.fakes.messages_api.tokens import json_bytes
from tests.fakes.messages_api.wire import Connection

__all__ = ["Answer", "deliver", "send_at_once"]

_STATUS_OF = {kind: status for status, kind in reversed(ERROR_TYPES.items())}


class Answer(msgspec.Struct):
    """A good reply: its events where it is streamed, else its body. `pace_s` passes before every event."""

    headers: Mapping[str, str]
    request_id: str
    body: bytes = b""
    events: Sequence[bytes] = ()
    pace_s: float = 0.0


def send_at_once(connection: Connection, answer: Answer) -> None:
    """The whole reply in one write."""
    if answer.events:
        connection.open(answer.headers, b"".join(answer.events), is_last=True)
    else:
        connection.send(200, answer.headers, answer.body)


async def deliver(
    connection: Connection, answer: Answer, fault: Fault | None, hang: Callable[[float | None], Awaitable[None]]
) -> str:
    """Send the reply, or what the fault leaves of it; gives the outcome. `hang` waits for so many seconds, or until it
    is released."""
    match fault:
        case Hang(where="headers"):
            await hang(fault.seconds)
        case Hang() if answer.events:
            await _begin(connection, answer, fault.after_events)
            await hang(fault.seconds)
            await _finish(connection, answer, fault.after_events)
            return ANSWERED
        case Hang():
            _half(connection, answer)
            await hang(fault.seconds)
            connection.write_raw(answer.body[len(answer.body) // 2 :])
            connection.finish()
            return ANSWERED
        case Break():
            await _break(connection, answer, fault)
            return BROKEN
        case Garbage():
            await _garbage(connection, answer, fault)
            return GARBAGE
    if answer.pace_s and answer.events:
        await _begin(connection, answer, 1)
        await _finish(connection, answer, 1)
    else:
        send_at_once(connection, answer)
    return ANSWERED


async def _begin(connection: Connection, answer: Answer, count: int) -> None:
    """The head and the first events."""
    connection.open(answer.headers)
    await _events(connection, answer, answer.events[:count])


async def _finish(connection: Connection, answer: Answer, count: int) -> None:
    """The events after those, to the end."""
    await _events(connection, answer, answer.events[count:-1])
    connection.chunk(answer.events[-1] if count < len(answer.events) else b"", is_last=True)


async def _events(connection: Connection, answer: Answer, events: Sequence[bytes]) -> None:
    if not answer.pace_s:
        connection.chunk(b"".join(events))
        return
    for event in events:
        await asyncio.sleep(answer.pace_s)
        connection.chunk(event)


def _half(connection: Connection, answer: Answer) -> None:
    """The head of a whole body, and half of it."""
    connection.promise(answer.headers, len(answer.body))
    connection.write_raw(answer.body[: len(answer.body) // 2])


async def _break(connection: Connection, answer: Answer, fault: Break) -> None:
    if fault.how == "drop":
        connection.close()
    elif answer.events:
        await _break_stream(connection, answer, fault)
    elif fault.how == "error":
        status = _STATUS_OF.get(fault.kind, 500)
        raise Refusal(status, "the reply broke off on purpose", fault.kind)
    else:
        _half(connection, answer)
        await _leave(connection, fault)


async def _break_stream(connection: Connection, answer: Answer, fault: Break) -> None:
    await _begin(connection, answer, fault.after_events)
    if fault.how == "error":
        error = error_body(fault.kind, "the reply broke off on purpose", answer.request_id)
        connection.chunk(b"event: error\ndata: %b\n\n" % json_bytes(error), is_last=True)
    elif fault.how == "eof":
        connection.chunk(b"", is_last=True)
    elif fault.how == "chunk":
        connection.write_raw(b"400\r\nevent: content_block_delta\nda")
        connection.close()
    else:
        await _leave(connection, fault)


async def _leave(connection: Connection, fault: Break) -> None:
    """Close within the reply; before a reset, what was sent gets a moment to arrive."""
    if fault.how == "reset":
        await asyncio.sleep(0.02)
        connection.reset()
    else:
        connection.close()


async def _garbage(connection: Connection, answer: Answer, fault: Garbage) -> None:
    if fault.what == "event" and answer.events:
        await _begin(connection, answer, fault.after_events)
        connection.chunk(b'event: content_block_delta\ndata: {"type": "content_block_\n\n', is_last=True)
    else:
        connection.send(200, answer.headers, b"<html><body>Bad gateway</body></html>")
