"""Content blocks, in and out, as messages and parts of the conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...call import Message, Part
from ...capture import blob
from ...fields import field
from ...parts import as_list, text, tool_call

__all__ = ["block_parts", "content_parts", "messages_of", "tool_definitions"]

_SEALED = {"encrypted_content", "encrypted_index", "signature", "encrypted_stdout"}
"""Only the provider can read these, and they are large."""


def content_parts(content: Any) -> list[Part]:
    """A message's content: a text, or blocks as dicts or as the SDK's objects passed back."""
    if isinstance(content, str):
        return [text(content)] if content else []
    parts: list[Part] = []
    for block in as_list(content):
        parts += [text(block)] if isinstance(block, str) else block_parts(block)
    return parts


def block_parts(block: Any) -> list[Part]:
    """One content block; a document made of blocks is several parts."""
    kind = str(field(block, "type") or "unknown")
    if (read := _READERS.get(kind)) is not None:
        return read(block)
    if kind.endswith("_tool_result"):
        return [_server_result(block, kind)]
    return [{"type": kind}]


def _source(block: Any) -> list[Part]:
    source, modality = field(block, "source"), str(field(block, "type"))
    kind = field(source, "type")
    if kind == "base64":
        data, mime = field(source, "data"), field(source, "media_type") or "application/octet-stream"
        if not isinstance(data, str | bytes):  # a file that the app opened: reading it is the SDK's business
            return [{"type": "blob", "mime_type": mime, "modality": modality}]
        return [blob(mime, modality, data)]
    if kind == "text":
        return [text(field(source, "data") or "")]
    if kind == "url":
        return [{"type": "uri", "modality": modality, "uri": field(source, "url")}]
    if kind == "file":
        return [{"type": "file", "modality": modality, "file_id": field(source, "file_id")}]
    if kind == "content":
        return content_parts(field(source, "content"))
    return [{"type": "file", "modality": modality}]


def _tool_result(block: Any) -> Part:
    content = field(block, "content")
    response = content if isinstance(content, str) else content_parts(content)
    part: Part = {"type": "tool_call_response", "id": field(block, "tool_use_id"), "response": response}
    if field(block, "is_error") is True:
        part["is_error"] = True
    return part


def _server_call(block: Any) -> Part:
    name = str(field(block, "name") or "")
    given = _readable(field(block, "input"))
    inner: dict[str, Any] = {"type": name, **({"input": given} if given not in (None, "", {}) else {})}
    if server := field(block, "server_name"):
        inner["server_name"] = server
    return {"type": "server_tool_call", "id": field(block, "id"), "name": name, "server_tool_call": inner}


def _server_result(block: Any, kind: str) -> Part:
    inner = {"type": kind.removesuffix("_tool_result"), "content": _readable(field(block, "content"))}
    return {"type": "server_tool_call_response", "id": field(block, "tool_use_id"), "server_tool_call_response": inner}


def _readable(value: Any) -> Any:
    """An SDK object as plain data, without what only the provider can read."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        value = dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(value, Mapping):
        return {name: _readable(one) for name, one in value.items() if name not in _SEALED}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value


def _compaction(block: Any) -> list[Part]:
    content = field(block, "content")
    return [{"type": "compaction", "content": content} if isinstance(content, str) else {"type": "compaction"}]


_READERS: dict[str, Callable[[Any], list[Part]]] = {
    "text": lambda block: [text(field(block, "text") or "")],
    "thinking": lambda block: [{"type": "reasoning", "content": field(block, "thinking") or ""}],
    "image": _source,
    "document": _source,
    "tool_use": lambda block: [tool_call(field(block, "id"), field(block, "name"), field(block, "input"))],
    "tool_result": lambda block: [_tool_result(block)],
    "server_tool_use": lambda block: [_server_call(block)],
    "mcp_tool_use": lambda block: [_server_call(block)],
    "container_upload": lambda block: [{"type": "file", "modality": "document", "file_id": field(block, "file_id")}],
    "search_result": lambda block: content_parts(field(block, "content")),
    "compaction": _compaction,
}


def messages_of(given: Any) -> list[Message]:
    """`messages` of a call. A turn of tool results alone is the tool's, though it is sent as the user's."""
    made: list[Message] = []
    for message in as_list(given):
        parts = content_parts(field(message, "content"))
        role = str(field(message, "role") or "user")
        if parts and all(part["type"] == "tool_call_response" for part in parts):
            role = "tool"
        made.append({"role": role, "parts": parts})
    return made


def tool_definitions(tools: Iterable[Any]) -> list[Part]:
    """The tools offered, as [{type, name, description, parameters}]; the provider's own by their type."""
    made: list[Part] = []
    for tool in tools:
        kind = str(field(tool, "type") or "custom")
        own = kind == "custom"
        definition: Part = {"type": "function" if own else kind, "name": field(tool, "name") or kind}
        if isinstance(described := field(tool, "description"), str):
            definition["description"] = described
        if isinstance(schema := field(tool, "input_schema"), Mapping):
            definition["parameters"] = schema
        made.append(definition)
    return made
