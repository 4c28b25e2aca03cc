"""A call's result as the model sees it: text, and what is not text kept as artifacts and named in the text."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from fleetlog.domain.errors import StoreUnavailable
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.tools.tool import ToolOutput

__all__ = ["MAX_TEXT_CHARS", "output_of"]

MAX_TEXT_CHARS = 50_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def output_of(result: dict[str, Any], artifacts: ArtifactStore) -> ToolOutput:
    """The output for a `tools/call` result, as JSON. Blobs, and the whole of a long text, are on disk when it returns;
    what cannot be stored is said, for the call is made and its answer should not be lost with it."""
    parts = [part for block in result.get("content", ()) for part in _parts(block, artifacts)]
    structured = result.get("structuredContent")
    if structured is not None and not any(block.get("type") == "text" for block in result.get("content", ())):
        parts.insert(0, json.dumps(structured, ensure_ascii=False, indent=1))
    text = _UNSTORABLE.sub("\ufffd", "\n".join(parts)) or "(the tool gave no output)"
    shown, whole = _cut(text, artifacts)
    return ToolOutput(shown, bool(result.get("isError")), whole)


def _parts(block: dict[str, Any], artifacts: ArtifactStore) -> Iterator[str]:
    match block["type"]:
        case "text":
            yield block["text"]
        case "image" | "audio" as kind:
            yield _blob(f"{kind} {block['mimeType']}", block["data"], artifacts)
        case "resource_link":
            about = [f"{word} {block[word]}" for word in ("mimeType", "size", "description") if word in block]
            yield f"[{', '.join(['link to resource ' + block['uri'], *about])}]"
        case "resource":
            yield from _resource(block["resource"], artifacts)


def _resource(resource: dict[str, Any], artifacts: ArtifactStore) -> Iterator[str]:
    about = f"resource {resource['uri']} {resource.get('mimeType', '')}".rstrip()
    if "blob" in resource:
        yield _blob(about, resource["blob"], artifacts)
        return
    text = _UNSTORABLE.sub("\ufffd", resource["text"])
    yield _named(about, text.encode(), artifacts)
    yield text


def _blob(about: str, data: str, artifacts: ArtifactStore) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return f"[{about}: {len(data)} characters which are not base64]"
    return _named(about, content, artifacts)


def _named(about: str, content: bytes, artifacts: ArtifactStore) -> str:
    try:
        kept = f"artifact {artifacts.put(content).sha256}"
    except StoreUnavailable as error:
        kept = f"not kept: {error}"
    return f"[{about}, {len(content)} bytes, {kept}]"


def _cut(text: str, artifacts: ArtifactStore) -> tuple[str, str]:
    """At most `MAX_TEXT_CHARS` of it, from its head and its end, and the artifact with the whole when it was cut."""
    if len(text) <= MAX_TEXT_CHARS:
        return text, ""
    head, end = text[: MAX_TEXT_CHARS * 3 // 4], text[-MAX_TEXT_CHARS // 5 :]
    left_out = len(text) - len(head) - len(end)
    try:
        whole = artifacts.put(text.encode()).sha256
        kept = f"all {len(text)} are in artifact {whole}"
    except StoreUnavailable as error:
        whole, kept = "", f"they are lost, since {error}"
    return f"{head}\n... {left_out} characters left out; {kept} ...\n{end}", whole
