"""Messages, tools, citations and documents, as messages and parts of the conventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ...call import Message, Part
from ...fields import field, plain
from ...openai_format.messages import content_parts as shared_parts
from ...parts import as_list, text, tool_call

__all__ = [
    "citation",
    "cite",
    "content_parts",
    "documents_message",
    "input_message",
    "message_parts",
    "tool_definitions",
]


def content_parts(content: Any) -> list[Part]:
    """A message's content: a text, or blocks as dicts or as the SDK's objects."""
    if isinstance(content, str):
        return [text(content)] if content else []
    parts: list[Part] = []
    for block in as_list(content):
        kind = field(block, "type")
        if kind == "thinking":
            parts.append({"type": "reasoning", "content": field(block, "thinking") or ""})
        elif kind == "document":
            parts.append(text(_document_text(field(block, "document"))))
        else:
            parts += shared_parts([block])
    return parts


def _document_text(document: Any) -> str:
    """What a document says: its text, or its fields as JSON."""
    if isinstance(document, str):
        return document
    dump = getattr(document, "model_dump", None)
    known = dump(exclude_none=True) if callable(dump) else document
    if not isinstance(known, Mapping):
        return ""
    data = known.get("data", known)
    if isinstance(data, str):
        return data
    said = plain(data.get("text")) if isinstance(data, Mapping) and set(data) <= {"text", "id"} else None
    return said or orjson.dumps(data, default=str).decode()


def documents_message(documents: Any) -> Message | None:
    """Documents that the model may cite, which are sent beside the messages."""
    parts: list[Part] = []
    for document in as_list(documents):
        part = text(_document_text(document))
        if not isinstance(document, str) and isinstance(own := field(document, "id"), str):
            part["id"] = own
        parts.append(part)
    return {"role": "user", "name": "documents", "parts": parts} if parts else None


def citation(found: Any) -> dict[str, Any]:
    """A citation: which words, and whose; the sources' own text is among the documents and tool results."""
    made = {name: value for name in ("start", "end", "text") if (value := field(found, name)) is not None}
    sources = [
        {name: value for name in ("type", "id") if (value := field(source, name)) is not None}
        for source in as_list(field(found, "sources"))
    ]
    sources += [{"type": "document", "id": one} for one in as_list(field(found, "document_ids"))]
    return {**made, **({"sources": sources} if sources else {})}


def cite(parts: list[Part], citations: Iterable[Any], plan: Part | None = None) -> None:
    """Put each citation on the part that it speaks of: by its place among `parts`, else on the last text."""
    texts = [part for part in parts if part["type"] == "text"]
    for found in citations:
        place = field(found, "content_index")
        part: Part | None = None
        if field(found, "type") == "PLAN":
            part = plan
        elif isinstance(place, int) and 0 <= place < len(parts):
            part = parts[place]
        part = part or (texts[-1] if texts else plan)
        if part is not None:
            part.setdefault("citations", []).append(citation(found))


def message_parts(message: Any) -> list[Part]:
    """Plan, content and tool calls of an assistant's message."""
    said = content_parts(field(message, "content"))
    plan: Part | None = None
    if planned := plain(field(message, "tool_plan")):
        plan = {"type": "reasoning", "content": planned}
    cite(said, as_list(field(message, "citations")), plan)
    calls = [
        tool_call(field(one, "id"), field(function, "name"), field(function, "arguments"))
        for one in as_list(field(message, "tool_calls"))
        if (function := field(one, "function")) is not None
    ]
    return [*([plan] if plan else []), *said, *calls]


def input_message(message: Any) -> Message:
    """A message of a request."""
    role = str(field(message, "role") or "user")
    if role == "tool":
        parts = content_parts(field(message, "content"))
        response: Any = parts[0]["content"] if len(parts) == 1 and parts[0]["type"] == "text" else parts
        result: Part = {"type": "tool_call_response", "response": response}
        if call_id := field(message, "tool_call_id"):
            result["id"] = call_id
        return {"role": role, "parts": [result]}
    return {"role": role, "parts": message_parts(message)}


def tool_definitions(tools: Iterable[Any]) -> list[Part]:
    """The tools offered, as [{type, name, description, parameters}], of either version of the API."""
    made: list[Part] = []
    for tool in tools:
        inner = field(tool, "function") or tool
        definition: Part = {"type": field(tool, "type") or "function", "name": field(inner, "name") or ""}
        if described := plain(field(inner, "description")):
            definition["description"] = described
        parameters = field(inner, "parameters") or field(inner, "parameter_definitions")
        if isinstance(parameters, Mapping):
            definition["parameters"] = {name: _plain(one) for name, one in parameters.items()}
        made.append(definition)
    return made


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else value
