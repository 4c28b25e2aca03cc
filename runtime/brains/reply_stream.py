"""A streamed reply, put together from its server-sent events.

Its rule: a reply is whole or it is none. The package's own stream helper builds typed objects for every delta, which
took two thirds of the time of a model call (see docs/benchmarks.md); here the events stay what they are on the wire.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetlog.domain.errors import Fault

__all__ = ["BrokenStream", "ReplyStream"]


class BrokenStream(Fault):
    """The stream ended too early, or is not one. `kind` is the API's error type, if it sent one."""

    def __init__(self, said: str, kind: str = "") -> None:
        super().__init__(said)
        self.kind = kind


class ReplyStream:
    """Fed line by line; `message` is the API's message once it is whole."""

    def __init__(self) -> None:
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._is_whole = False

    def feed(self, line: str) -> str:
        """One line of the stream; the text it adds to the reply. Raises `BrokenStream`."""
        if not line.startswith("data:"):
            return ""
        try:
            event = msgspec.json.decode(line[5:])
            return self._take(event)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BrokenStream(f"the stream cannot be read: {type(error).__name__}: {error}") from error

    def message(self) -> dict[str, Any]:
        """The whole message. Raises `BrokenStream` when the end was never reached."""
        message = self._message
        if message is None or not self._is_whole or not message.get("stop_reason"):
            raise BrokenStream("the reply was cut off before its end")
        if self._inputs and message["stop_reason"] not in ("max_tokens", "model_context_window_exceeded", "refusal"):
            raise BrokenStream("the arguments of a tool call were not whole")
        return {**message, "content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _take(self, event: Mapping[str, Any]) -> str:
        match event["type"]:
            case "content_block_delta":
                return self._delta(event["index"], event["delta"])
            case "content_block_start":
                self._blocks[event["index"]] = dict(event["content_block"])
            case "content_block_stop":
                self._close(event["index"])
            case "message_start":
                self._message = dict(event["message"])
            case "message_delta":
                self._finish(event)
            case "message_stop":
                self._is_whole = True
            case "error":
                raise BrokenStream(str(event["error"].get("message")), str(event["error"].get("type")))
        return ""

    def _delta(self, index: int, delta: Mapping[str, Any]) -> str:
        block = self._blocks[index]
        kind = delta["type"]
        if kind == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        else:  # text, thinking, signature, and what may come: a piece of the block's field of that name
            for field, piece in delta.items():
                if field != "type":
                    block[field] = (block.get(field) or "") + piece
        return str(delta["text"]) if kind == "text_delta" else ""

    def _close(self, index: int) -> None:
        if index in self._inputs:
            text = self._inputs[index]
            try:
                self._blocks[index]["input"] = msgspec.json.decode(text) if text.strip() else {}
            except msgspec.DecodeError:
                return  # cut off: `message` judges whether that may be
            del self._inputs[index]

    def _finish(self, event: Mapping[str, Any]) -> None:
        if self._message is None:
            raise BrokenStream("the stream has no beginning")
        self._message.update({name: part for name, part in event["delta"].items() if part is not None})
        counted = {name: part for name, part in (event.get("usage") or {}).items() if part is not None}
        self._message["usage"] = {**(self._message.get("usage") or {}), **counted}
