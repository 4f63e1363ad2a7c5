"""OpenAI's chat messages and Responses items, as messages and parts of the conventions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..call import Message, Part
from ..capture import blob
from ..estimate import size_of
from ..fields import field, members
from ..parts import as_list, text, tool_call
from .dialects import reference, server_tool_parts, thought

__all__ = ["chat_message", "content_parts", "data_url", "text_size", "tool_definitions"]

_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm16": "audio/L16", "flac": "audio/flac", "opus": "audio/opus"}


def text_size(given: Any) -> int:
    """The size of the texts in a prompt, messages or parts (see estimate); what is no text counts nothing."""
    if isinstance(given, str):
        return size_of(given)
    if isinstance(given, Mapping):
        return sum(text_size(given.get(name)) for name in ("content", "text", "output", "arguments"))
    return sum(text_size(one) for one in given) if isinstance(given, list | tuple) else 0


def _is_url(data: Any) -> bool:
    return isinstance(data, str) and data.startswith(("data:", "http://", "https://"))


def data_url(url: str, modality: str) -> Part:
    """An image or file by URL; one that carries its bytes becomes a blob without them."""
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    head, _, data = url[5:].partition(",")
    mime = head.split(";")[0] or "application/octet-stream"
    if head.endswith(";base64"):
        return blob(mime, modality, data)
    return blob(mime, modality, base64.b64encode(data.encode()).decode())


def _part(piece: Any) -> Part | None:
    """One content part of a chat message or Responses item; None where there is nothing to show."""
    kind = field(piece, "type")
    if kind in {"text", "input_text", "output_text", "summary_text", "reasoning_text"}:
        return text(field(piece, "text") or "")
    if kind == "refusal":
        return text(field(piece, "refusal") or "")
    if (dialect := _DIALECTS.get(str(kind))) is not None:
        return dialect(piece)
    if kind in {"image_url", "input_image", "computer_screenshot"}:
        image = field(piece, "image_url")
        url = image if isinstance(image, str) else field(image, "url")
        if isinstance(url, str):
            return data_url(url, "image")
        return _file_part(piece, "image")
    if kind == "input_audio":
        audio = field(piece, "input_audio")
        mime = _AUDIO.get(str(field(audio, "format")), "audio/*")
        data = audio if isinstance(audio, str) else field(audio, "data")
        return blob(mime, "audio", str(data or "")) if not _is_url(data) else data_url(data, "audio")
    if kind in {"file", "input_file"}:
        inner = field(piece, "file")
        return _file_part(inner if inner is not None else piece, "document")
    return {"type": str(kind or "unknown")}


def _file_part(piece: Any, modality: str) -> Part:
    if file_id := field(piece, "file_id"):
        return {"type": "file", "modality": modality, "file_id": file_id}
    if isinstance(url := field(piece, "file_url"), str):
        return {"type": "uri", "modality": modality, "uri": url}
    data = field(piece, "file_data")
    if isinstance(data, str):
        return (
            data_url(data, modality) if data.startswith("data:") else blob("application/octet-stream", modality, data)
        )
    return {"type": "file", "modality": modality}


_DIALECTS: dict[str, Callable[[Any], Part | None]] = {
    "thinking": thought,
    "reference": reference,
    "tool_reference": reference,
    "document_url": lambda piece: data_url(str(field(piece, "document_url") or ""), "document"),
}


def content_parts(content: Any) -> list[Part]:
    """A message's content: a text, a list of parts, or nothing."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text(content)] if content else []
    return [part for piece in as_list(content) if (part := _part(piece) if not isinstance(piece, str) else text(piece))]


def chat_message(message: Any) -> Message:
    """A chat message, as a dict or as the SDK's object passed back."""
    said = members(message)
    role = str(said.get("role") or "user")
    content = said.get("content")
    if role in {"tool", "function"}:
        response = content if isinstance(content, str) else "".join(
            str(part.get("content", "")) for part in content_parts(content)
        )  # fmt: skip
        part: Part = {"type": "tool_call_response", "response": response}
        if call_id := said.get("tool_call_id") or said.get("name"):
            part["id"] = call_id
        return {"role": "tool", "parts": [part]}
    parts: list[Part] = []
    for name in ("reasoning_content", "reasoning"):  # compatible servers' own fields
        if isinstance(thought := said.get(name), str) and thought:
            parts.append({"type": "reasoning", "content": thought})
            break
    if executed := as_list(said.get("executed_tools")):
        parts += server_tool_parts(map(members, executed))
    parts += content_parts(content)
    if isinstance(refusal := said.get("refusal"), str) and refusal:
        parts.append(text(refusal))
    parts += map(_chat_tool_call, as_list(said.get("tool_calls")))
    if (legacy := said.get("function_call")) is not None:
        parts.append(tool_call(None, field(legacy, "name"), field(legacy, "arguments")))
    if (audio := said.get("audio")) is not None:
        parts += _spoken(audio)
    made: Message = {"role": "system" if role == "developer" else role, "parts": parts}
    if isinstance(author := said.get("name"), str):
        made["name"] = author
    return made


def _chat_tool_call(call: Any) -> Part:
    said = members(call)
    if (function := said.get("function")) is not None:
        return tool_call(said.get("id"), field(function, "name"), field(function, "arguments"))
    custom = said.get("custom")
    return tool_call(said.get("id"), field(custom, "name"), field(custom, "input"))


def _spoken(audio: Any) -> list[Part]:
    parts: list[Part] = []
    if isinstance(transcript := field(audio, "transcript"), str) and transcript:
        parts.append(text(transcript))
    if isinstance(data := field(audio, "data"), str) and data:
        parts.append(blob("audio/*", "audio", data))
    return parts


def tool_definitions(tools: Iterable[Any]) -> list[Part]:
    """The tools offered, as [{type, name, description, parameters}]."""
    made: list[Part] = []
    for tool in tools:
        inner = field(tool, "function") or field(tool, "custom") or tool
        kind = field(tool, "type") or "function"
        definition: Part = {"type": kind, "name": field(inner, "name") or kind}
        for name in ("description", "parameters"):
            if (value := field(inner, name)) is not None and isinstance(value, str | Mapping):
                definition[name] = value
        made.append(definition)
    return made
