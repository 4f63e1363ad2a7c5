"""Converse's content blocks, in and out, as messages and parts of the conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...call import Message, Part
from ...capture import blob
from ...estimate import size_of
from ...fields import field
from ...parts import as_list, text, tool_call

__all__ = [
    "citation", "content_parts", "messages_of", "result_of", "server_call", "server_result", "text_size",
    "tool_definitions",
]  # fmt: skip

# Formats whose MIME type is not simply "modality/format".
_TYPES = {
    "three_gp": "video/3gpp", "mkv": "video/x-matroska", "mov": "video/quicktime", "mpg": "video/mpeg",
    "wmv": "video/x-ms-wmv", "flv": "video/x-flv", "mp3": "audio/mpeg", "mpga": "audio/mpeg", "m4a": "audio/mp4",
    "x-aac": "audio/aac", "mka": "audio/x-matroska", "pcm": "audio/L16",
    "pdf": "application/pdf", "csv": "text/csv", "html": "text/html", "txt": "text/plain", "md": "text/markdown",
    "doc": "application/msword", "xls": "application/vnd.ms-excel",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
_AUDIO = {"mkv", "mpeg", "mp4", "webm"}
"""Formats of both sound and film: the modality tells."""


def _mime(modality: str, form: Any) -> str:
    if not isinstance(form, str):
        return "application/octet-stream"
    if modality == "audio" and form in _AUDIO:
        return f"audio/{form}"
    return _TYPES.get(form) or (f"{modality}/{form}" if modality != "document" else "application/octet-stream")


def _media(modality: str) -> Callable[[Any], list[Part]]:
    def read(block: Any) -> list[Part]:
        source, mime = field(block, "source"), _mime(modality, field(block, "format"))
        data = field(source, "bytes")
        if isinstance(data, bytes | bytearray | str):
            return [blob(mime, modality, bytes(data) if isinstance(data, bytearray) else data)]
        if isinstance(uri := field(field(source, "s3Location"), "uri"), str):
            return [{"type": "uri", "mime_type": mime, "modality": modality, "uri": uri}]
        if isinstance(inside := field(source, "text"), str):
            return [text(inside)]
        if content := as_list(field(source, "content")):
            return content_parts(content)
        return [{"type": "blob", "mime_type": mime, "modality": modality}]  # a file that the app opened

    return read


def _tool_use(block: Any) -> list[Part]:
    call_id, name, given = field(block, "toolUseId"), field(block, "name"), field(block, "input")
    if field(block, "type") == "server_tool_use":
        return [server_call(call_id, name, given)]
    return [tool_call(call_id, name, given)]


def server_call(call_id: Any, name: Any, given: Any) -> Part:
    """A tool that runs at the provider's."""
    inner: dict[str, Any] = {"type": name, **({"input": given} if given not in (None, "", {}) else {})}
    return {"type": "server_tool_call", "id": call_id, "name": str(name or ""), "server_tool_call": inner}


def _tool_result(block: Any) -> list[Part]:
    response, kind = result_of(as_list(field(block, "content"))), field(block, "type")
    if isinstance(kind, str) and kind != "tool_result":
        return [server_result(field(block, "toolUseId"), kind, response)]
    part: Part = {"type": "tool_call_response", "id": field(block, "toolUseId"), "response": response}
    if field(block, "status") == "error":
        part["is_error"] = True
    return [part]


def result_of(pieces: Sequence[Any]) -> Any:
    """What a tool gave: by far the most are one text or one structure."""
    if len(pieces) == 1 and isinstance(pieces[0], Mapping):
        for name in ("text", "json"):
            if name in pieces[0]:
                return pieces[0][name]
    return content_parts(pieces)


def server_result(call_id: Any, kind: str, content: Any) -> Part:
    """What a tool at the provider's gave."""
    inner = {"type": kind, "content": content}
    return {"type": "server_tool_call_response", "id": call_id, "server_tool_call_response": inner}


def _reasoning(block: Any) -> list[Part]:
    if (said := field(field(block, "reasoningText"), "text")) is not None:
        return [{"type": "reasoning", "content": said}]
    return [{"type": "redacted_reasoning"}]


def _cited(block: Any) -> list[Part]:
    part = text("".join(str(field(one, "text") or "") for one in as_list(field(block, "content"))))
    if citations := [citation(one) for one in as_list(field(block, "citations"))]:
        part["citations"] = citations
    return [part]


def citation(said: Any) -> Part:
    """What a text is taken from; the words there are in the documents that were sent."""
    return {name: value for name in ("title", "source", "location") if (value := field(said, name)) is not None}


def _guarded(block: Any) -> list[Part]:
    if (said := field(block, "text")) is not None:
        return [text(field(said, "text") or "")]
    return content_parts([block])


_READERS: dict[str, Callable[[Any], list[Part]]] = {
    "text": lambda block: [text(block)] if block else [],
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "guardContent": _guarded,
    "searchResult": lambda block: content_parts(field(block, "content")),
    "json": lambda block: [{"type": "json", "content": block}],
    "cachePoint": lambda _: [],
    "SDK_UNKNOWN_MEMBER": lambda block: [{"type": field(block, "name")}],  # what this botocore does not know
}


def content_parts(content: Any) -> list[Part]:
    """A message's blocks, each a dict whose one key says what it is; what we don't know is there by its kind alone."""
    parts: list[Part] = []
    for block in as_list(content):
        if not isinstance(block, Mapping):
            continue
        for kind, inner in block.items():
            if inner is not None:
                parts += read(inner) if (read := _READERS.get(kind)) is not None else [{"type": kind}]
    return parts


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


def tool_definitions(config: Any) -> list[Part]:
    """The tools of a `toolConfig`, as [{type, name, description, parameters}]; the provider's own by their name."""
    made: list[Part] = []
    for tool in as_list(field(config, "tools")):
        if (own := field(tool, "systemTool")) is not None:
            made.append({"type": "extension", "name": field(own, "name")})
        if (spec := field(tool, "toolSpec")) is None:
            continue  # a cache point
        definition: Part = {"type": "function", "name": field(spec, "name")}
        if isinstance(described := field(spec, "description"), str):
            definition["description"] = described
        if isinstance(schema := field(field(spec, "inputSchema"), "json"), Mapping):
            definition["parameters"] = schema
        made.append(definition)
    return made


def text_size(content: Any) -> int:
    """The size of the texts in messages or blocks (see estimate); what is no text counts nothing."""
    size = 0
    for block in as_list(content):
        if isinstance(said := field(block, "text"), str):
            size += size_of(said)
        elif (inner := field(block, "content") or field(field(block, "toolResult"), "content")) is not None:
            size += text_size(inner)
    return size
