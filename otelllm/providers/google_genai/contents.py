"""Gemini's contents, parts and tools as messages and parts of the conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...call import Message, Part
from ...capture import blob
from ...estimate import size_of
from .values import as_list, item, plain, word

__all__ = ["input_messages", "part_of", "system_parts", "text_size", "tool_definitions"]

_MODALITIES = {"image": "image", "audio": "audio", "video": "video"}


def _modality(mime_type: str) -> str:
    return _MODALITIES.get(mime_type.partition("/")[0], "document")


def input_messages(contents: Any) -> list[Message]:
    """`contents` of a call: a text, a part, a content, a file, or a list; neighbouring parts are one message."""
    messages: list[Message] = []
    is_open = False
    for one in as_list(contents) or [contents]:
        if (pieces := item(one, "parts")) is not None or (word(item(one, "role")) and not isinstance(one, str)):
            messages.append(_message(word(item(one, "role")), pieces))
            is_open = False
            continue
        parts = system_parts(one) if isinstance(one, list | tuple) else _parts([one])
        if not parts:
            continue
        if is_open:
            messages[-1]["parts"] += parts
        else:
            messages.append({"role": _role("user", parts), "parts": parts})
            is_open = True
    return messages


def _message(role: str | None, pieces: Any) -> Message:
    parts = _parts(as_list(pieces) or ([] if pieces is None else [pieces]))
    return {"role": _role(role or "user", parts), "parts": parts}


def _role(own: str, parts: list[Part]) -> str:
    if parts and all(part["type"] == "tool_call_response" for part in parts):
        return "tool"
    return {"model": "assistant", "function": "tool"}.get(own, own)


def system_parts(given: Any) -> list[Part]:
    """System instructions: a text, a part, a content, or a list of them."""
    found: list[Part] = []
    for one in as_list(given) or [given]:
        pieces = item(one, "parts")
        found += _parts([one]) if pieces is None else _parts(as_list(pieces) or [pieces])
    return found


def _parts(pieces: Any) -> list[Part]:
    return [part for piece in pieces if (part := part_of(piece)) is not None]


def part_of(piece: Any) -> Part | None:
    """One part; None where there is nothing to show, such as a signature alone."""
    if isinstance(piece, str):
        return {"type": "text", "content": piece} if piece else None
    if piece is None:
        return None
    said = item(piece, "text")
    if isinstance(said, str):
        kind = "reasoning" if item(piece, "thought") is True else "text"
        return {"type": kind, "content": said} if said else None
    for name, make in _KINDS.items():
        if (inner := item(piece, name)) is not None:
            return make(inner)
    return _loose(piece)


def _loose(piece: Any) -> Part | None:
    """What is no part, and may stand among them: an uploaded file, an image of another library."""
    uri, name = item(piece, "uri"), item(piece, "name")
    if isinstance(uri, str) and isinstance(name, str) and name.startswith("files/"):
        mime_type = word(item(piece, "mime_type")) or "application/octet-stream"
        return {"type": "file", "mime_type": mime_type, "modality": _modality(mime_type), "file_id": name}
    if isinstance(item(piece, "file_uri"), str):
        return _file_data(piece)
    if type(piece).__module__.startswith("PIL."):
        return {"type": "blob", "mime_type": f"image/{str(item(piece, 'format') or '*').lower()}", "modality": "image"}
    return None


def _function_call(call: Any) -> Part:
    part: Part = {"type": "tool_call"}
    if call_id := word(item(call, "id")):
        part["id"] = call_id
    part["name"] = word(item(call, "name")) or ""
    if (arguments := item(call, "args")) is not None:
        part["arguments"] = plain(arguments)
    return part


def _function_response(response: Any) -> Part:
    part: Part = {"type": "tool_call_response", "response": plain(item(response, "response"))}
    # The Gemini API gives calls no id: their name is all that a result has to point with.
    if call_id := word(item(response, "id")) or word(item(response, "name")):
        part["id"] = call_id
    return part


def _inline_data(data: Any) -> Part:
    mime_type = word(item(data, "mime_type")) or "application/octet-stream"
    content = item(data, "data")
    return blob(mime_type, _modality(mime_type), content if isinstance(content, bytes | str) else b"")


def _file_data(data: Any) -> Part:
    mime_type = word(item(data, "mime_type"))
    part: Part = {"type": "uri", "modality": _modality(mime_type or ""), "uri": str(item(data, "file_uri") or "")}
    return {**part, "mime_type": mime_type} if mime_type else part


def _executable_code(code: Any) -> Part:
    inner = {"type": "code_execution", "code": item(code, "code"), "language": word(item(code, "language"))}
    return _server_tool(code, "code_execution", inner)


def _code_result(result: Any) -> Part:
    inner = {"type": "code_execution", "outcome": word(item(result, "outcome")), "output": item(result, "output")}
    return _server_response(result, inner)


def _own_tool_call(call: Any) -> Part:
    kind = (word(item(call, "tool_type")) or "unknown").lower()
    return _server_tool(call, kind, {"type": kind, "arguments": plain(item(call, "args"))})


def _own_tool_response(response: Any) -> Part:
    kind = (word(item(response, "tool_type")) or "unknown").lower()
    return _server_response(response, {"type": kind, "response": plain(item(response, "response"))})


def _server_tool(thing: Any, name: str, inner: dict[str, Any]) -> Part:
    part: Part = {"type": "server_tool_call", "name": name, "server_tool_call": _known(inner)}
    return {**part, "id": call_id} if (call_id := word(item(thing, "id"))) else part


def _server_response(thing: Any, inner: dict[str, Any]) -> Part:
    part: Part = {"type": "server_tool_call_response", "server_tool_call_response": _known(inner)}
    return {**part, "id": call_id} if (call_id := word(item(thing, "id"))) else part


def _known(inner: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inner.items() if value is not None}


_KINDS: dict[str, Callable[[Any], Part]] = {
    "function_call": _function_call,
    "function_response": _function_response,
    "inline_data": _inline_data,
    "file_data": _file_data,
    "executable_code": _executable_code,
    "code_execution_result": _code_result,
    "tool_call": _own_tool_call,
    "tool_response": _own_tool_response,
}


def tool_definitions(tools: Any) -> list[Part]:
    """The tools offered, as [{type, name, description, parameters}]."""
    made: list[Part] = []
    for tool in as_list(tools):
        if callable(tool) and not isinstance(tool, Mapping):
            made.append(_definition(getattr(tool, "__name__", ""), getattr(tool, "__doc__", None), None))
            continue
        if not isinstance(tool, Mapping) and not hasattr(tool, "function_declarations"):
            continue  # a session of a tool server: the SDK hands its tools on as declarations
        for one in as_list(item(tool, "function_declarations")):
            schema = item(one, "parameters_json_schema")
            schema = item(one, "parameters") if schema is None else schema
            made.append(_definition(item(one, "name"), item(one, "description"), schema))
        given = tool if isinstance(tool, Mapping) else getattr(tool, "__dict__", {})
        for name, value in given.items():
            if value is not None and name not in {"function_declarations", "functionDeclarations"}:
                made.append({"type": str(name), "name": str(name)})
    return made


def _definition(name: Any, description: Any, parameters: Any) -> Part:
    definition: Part = {"type": "function", "name": word(name) or ""}
    if isinstance(description, str) and description:
        definition["description"] = description
    schema = plain(parameters)
    if isinstance(schema, Mapping):
        definition["parameters"] = schema
    return definition


def text_size(given: Any) -> int:
    """The size of the texts in contents or instructions (see estimate); what is no text counts nothing."""
    if isinstance(given, str):
        return size_of(given)
    if isinstance(given, list | tuple):
        return sum(text_size(one) for one in given)
    if given is None:
        return 0
    parts = item(given, "parts")
    return text_size(item(given, "text") if parts is None else parts)
