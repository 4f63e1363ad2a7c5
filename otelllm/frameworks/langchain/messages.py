"""LangChain's messages and content blocks, as messages and parts of the conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...call import Message, Part
from ...capture import blob
from ...fields import field
from ...parts import as_list, text, tool_call

__all__ = ["as_message", "as_text", "content_parts", "is_message", "messages_of", "tool_definitions"]

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "function": "tool",
    "developer": "system",
}


def is_message(thing: Any) -> bool:
    """Whether it is a message of LangChain's, or what it takes for one: (role, text), or a dict with a role."""
    if isinstance(thing, tuple):
        return len(thing) == 2 and isinstance(thing[0], str)
    if isinstance(thing, Mapping):
        return "role" in thing or ("type" in thing and "content" in thing)
    return hasattr(thing, "content") and isinstance(getattr(thing, "type", None), str)


def messages_of(given: Sequence[Any]) -> list[Message]:
    """The messages of a prompt."""
    return [as_message(one) for one in given]


def as_message(given: Any) -> Message:
    """One message, or what LangChain takes for one."""
    if isinstance(given, str):
        return {"role": "user", "parts": [text(given)]}
    if isinstance(given, tuple):
        return {"role": _role(given[0]), "parts": content_parts(given[1])}
    kind = field(given, "type")
    role = _role(field(given, "role") if kind in {None, "chat"} else kind)
    content = field(given, "content")
    if role == "tool":
        part: Part = {"type": "tool_call_response", "response": _response(content)}
        if call_id := field(given, "tool_call_id"):
            part["id"] = call_id
        return {"role": role, "parts": [part]}
    beside: Mapping[str, Any] = field(given, "additional_kwargs") or {}
    parts = [*_thoughts(beside), *content_parts(content), *_spoken(beside)]
    for call in as_list(field(given, "tool_calls")):
        inner = field(call, "function")  # a dict in OpenAI's shape
        parts.append(
            tool_call(field(call, "id"), field(call, "name"), field(call, "args"))
            if inner is None
            else tool_call(field(call, "id"), field(inner, "name"), field(inner, "arguments"))
        )
    invalid = as_list(field(given, "invalid_tool_calls"))  # their arguments are no JSON: kept as they came
    parts += [tool_call(field(call, "id"), field(call, "name"), field(call, "args")) for call in invalid]
    if (legacy := beside.get("function_call")) is not None and not field(given, "tool_calls"):
        parts.append(tool_call(None, field(legacy, "name"), field(legacy, "arguments")))
    made: Message = {"role": role, "parts": parts}
    if isinstance(name := field(given, "name"), str) and name:
        made["name"] = name
    return made


def as_text(content: Any) -> Message:
    """What a model that completes texts said."""
    return {"role": "assistant", "parts": [text(content)] if content else []}


def _role(told: Any) -> str:
    name = str(told or "user").removesuffix("MessageChunk").lower()
    return _ROLES.get(name, name)


def _response(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts = content_parts(content)
    return parts[0].get("content") if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _thoughts(beside: Mapping[str, Any]) -> list[Part]:
    """Reasoning that a model class keeps beside the content."""
    thought = beside.get("reasoning_content")
    return [{"type": "reasoning", "content": thought}] if isinstance(thought, str) and thought else []


def _spoken(beside: Mapping[str, Any]) -> list[Part]:
    """A refusal, or an answer that was spoken, as OpenAI's model class keeps them."""
    audio = beside.get("audio")
    told = (beside.get("refusal"), field(audio, "transcript"))
    parts = [text(one) for one in told if isinstance(one, str) and one]
    if isinstance(data := field(audio, "data"), str) and data:
        parts.append(blob("audio/*", "audio", data))
    return parts


def content_parts(content: Any) -> list[Part]:
    """A message's content: a text, or blocks in LangChain's shape or the provider's own."""
    if isinstance(content, str):
        return [text(content)] if content else []
    parts: list[Part] = []
    for block in as_list(content):
        if isinstance(block, str):
            if block:
                parts.append(text(block))
        elif isinstance(block, Mapping):
            part = _READ.get(str(block.get("type")), _other)(block)
            if part is not None:
                parts.append(part)
    return parts


def _text(block: Mapping[str, Any]) -> Part | None:
    told = block.get("text") or block.get("refusal")
    return text(told) if told else None


def _reasoning(block: Mapping[str, Any]) -> Part | None:
    told = block.get("reasoning") or block.get("thinking") or block.get("text")
    if not isinstance(told, str):  # Mistral's list of texts, or the summary of OpenAI's Responses
        pieces = as_list(told) or as_list(block.get("summary"))
        told = "".join(str(one.get("text") or "") for one in pieces if isinstance(one, Mapping))
    return {"type": "reasoning", "content": told} if told else None


def _nothing(block: Mapping[str, Any]) -> None:
    """Said elsewhere: a tool call is among the message's tool calls too."""


def _other(block: Mapping[str, Any]) -> Part:
    kind = str(block.get("type") or "unknown")
    if not kind.endswith("_call"):
        return {"type": kind}
    told = {name: value for name, value in block.items() if name not in {"type", "id"}}  # one of OpenAI's own tools
    name = kind.removesuffix("_call")
    part: Part = {"type": "server_tool_call", "name": name, "server_tool_call": {**told, "type": name}}
    return {**part, "id": block["id"]} if block.get("id") else part


def _server_call(block: Mapping[str, Any]) -> Part:
    part: Part = {"type": "server_tool_call", "name": block.get("name") or ""}
    if block.get("id"):
        part["id"] = block["id"]
    given = {"arguments": block["args"]} if "args" in block else {"input": block.get("input")}
    return {**part, "server_tool_call": {"type": part["name"], **given}}


def _server_result(block: Mapping[str, Any]) -> Part:
    part: Part = {"type": "server_tool_call_response"}
    if call_id := block.get("tool_call_id") or block.get("tool_use_id"):
        part["id"] = call_id
    response = {"type": str(block.get("type")), "output": block.get("output", block.get("content"))}
    return {**part, "server_tool_call_response": response}


def _data(modality: str) -> Callable[[Mapping[str, Any]], Part]:
    """A block of bytes, a URL or a file, in the shapes of LangChain 0.3 and 1, OpenAI and Anthropic."""

    def read(block: Mapping[str, Any]) -> Part:
        source = block.get("source")
        inner: Mapping[str, Any] = source if isinstance(source, Mapping) else block
        mime = str(inner.get("mime_type") or inner.get("media_type") or f"{modality}/*")
        image = inner.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image or inner.get("url")
        if isinstance(url, str):
            if url.startswith("data:"):
                return blob(url[5:].partition(",")[0].split(";")[0] or mime, modality, url)
            return {"type": "uri", "modality": modality, "uri": url}
        data = inner.get("base64") or inner.get("data")
        if isinstance(data, str | bytes):
            return blob(mime, modality, data)
        part: Part = {"type": "file", "modality": modality}
        if file_id := inner.get("file_id") or inner.get("id"):
            part["file_id"] = file_id
        return part

    return read


_READ: dict[str, Callable[[Mapping[str, Any]], Part | None]] = {
    "text": _text,
    "output_text": _text,
    "refusal": _text,
    "reasoning": _reasoning,
    "thinking": _reasoning,
    "tool_use": _nothing,
    "tool_call": _nothing,
    "tool_call_chunk": _nothing,
    "invalid_tool_call": _nothing,
    "input_json_delta": _nothing,
    "function_call": _nothing,
    "server_tool_call": _server_call,
    "server_tool_use": _server_call,
    "server_tool_result": _server_result,
    "web_search_tool_result": _server_result,
    "image": _data("image"),
    "image_url": _data("image"),
    "audio": _data("audio"),
    "video": _data("video"),
    "file": _data("document"),
    "document": _data("document"),
    "text-plain": _data("document"),
}


def tool_definitions(tools: Any) -> list[Part]:
    """Tools as they were bound, in OpenAI's shape or Anthropic's, as [{type, name, description, parameters}]."""
    made: list[Part] = []
    for tool in as_list(tools):
        inner = field(tool, "function") or tool
        definition: Part = {"type": field(tool, "type") or "function", "name": field(inner, "name") or ""}
        if description := field(inner, "description"):
            definition["description"] = description
        parameters = field(inner, "parameters") or field(inner, "input_schema")
        if isinstance(parameters, Mapping):
            definition["parameters"] = parameters
        made.append(definition)
    return made
