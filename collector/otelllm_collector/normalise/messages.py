"""Messages in the conventions' shape, {role, parts: [{type, …}]}, from those that providers and frameworks send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .values import items, parsed, text

__all__ = [
    "definition",
    "definitions",
    "joined",
    "message",
    "messages",
    "part",
    "parts",
    "role",
    "says",
    "tool_call",
    "tool_result",
]

_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("ai", "assistant", "model", "aimessage", "aimessagechunk"), "assistant"),
    **dict.fromkeys(("function", "tool"), "tool"),
    **dict.fromkeys(("developer", "system"), "system"),
}


_ITEMS = {
    **dict.fromkeys(("reasoning", "function_call", "custom_tool_call"), "assistant"),
    **dict.fromkeys(("function_call_output", "custom_tool_call_output"), "tool"),
}
"""What the Responses API has between its messages, and who said it."""


def role(value: Any, default: str = "user") -> str:
    """user, assistant, tool or system; another word as it is."""
    word = text(value)
    return default if word is None else _ROLES.get(word.lower(), word)


def says(content: Any, kind: str = "text") -> dict[str, Any]:
    """A text part, or a reasoning part."""
    return {"type": kind, "content": content}


def tool_call(name: Any, arguments: Any, id: Any = None) -> dict[str, Any]:  # noqa: A002  the field's own name
    """A part that asks for a tool; arguments that are JSON text become what they say."""
    made = {"type": "tool_call", "id": id, "name": name, "arguments": parsed(arguments)}
    return {key: value for key, value in made.items() if value is not None}


def tool_result(response: Any, id: Any = None) -> dict[str, Any]:  # noqa: A002  the field's own name
    """A part that brings a tool's result; JSON text becomes what it says."""
    made = {"type": "tool_call_response", "id": id, "response": parsed(response)}
    return {key: value for key, value in made.items() if value is not None or key == "response"}


def message(of: str, made: Iterable[Mapping[str, Any]], name: Any = None) -> dict[str, Any]:
    """A message of this role."""
    found = {"role": of, "parts": list(made)}
    return {**found, "name": name} if text(name) else found


def messages(value: Any, default: str = "user") -> list[dict[str, Any]] | None:
    """Messages out of a list (or its JSON text) in any of the usual shapes; a text is one message; None where empty."""
    given = parsed(value)
    if isinstance(given, str):
        return [message(default, [says(given)])] if given else None
    if isinstance(given, Mapping) and isinstance(given.get("messages"), list):
        given = given["messages"]
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        given = given[0]  # LangChain's batches of one
    made = [_message(one, default) for one in items(given)]
    return [one for one in made if one["parts"]] or None


def _message(given: Mapping[str, Any], default: str) -> dict[str, Any]:
    if isinstance(given.get("kwargs"), Mapping) and isinstance(given.get("id"), list):  # LangChain's own dump
        kind = str(given["id"][-1]) if given["id"] else ""
        inner = {"role": kind.removesuffix("Chunk").removesuffix("Message").lower() or None, **given["kwargs"]}
        return _message(inner, default)
    if isinstance(given.get("message"), Mapping):
        return _message(given["message"], default)
    if "role" not in given and (by := _ITEMS.get(str(given.get("type")))) is not None:
        item = part(given)
        return message(by, [] if item is None else [item])
    of = role(given.get("role") or given.get("type"), default)
    if isinstance(given.get("parts"), list):
        return message(of, [one for item in given["parts"] for one in parts(item)], given.get("name"))
    answered = given.get("tool_call_id") or given.get("toolCallId")
    content = given.get("content", given.get("text"))
    if of == "tool" and answered is not None:
        return message(of, [tool_result(joined(content), answered)])
    made = list(parts(given.get("reasoning_content") or given.get("reasoning"), kind="reasoning"))
    made += parts(content)
    calls = given.get("tool_calls") or given.get("toolCalls")
    ids = [one.get("id") for one in made if one["type"] == "tool_call"]  # may be of any type
    made += [call for call in map(_call, items(calls)) if call.get("id") is None or call["id"] not in ids]
    if isinstance(given.get("function_call"), Mapping):
        made.append(_call(given["function_call"]))
    if text(given.get("refusal")):
        made.append(says(given["refusal"]))
    return message(of, made, given.get("name"))


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call of OpenAI's, LangChain's or the AI SDK's."""
    inner = given.get("function")
    inner = inner if isinstance(inner, Mapping) else given
    name = inner.get("name") or inner.get("toolName") or inner.get("tool_name")
    arguments = next((inner[key] for key in ("arguments", "args", "input") if key in inner), None)
    return tool_call(name, arguments, given.get("id") or given.get("toolCallId") or given.get("call_id"))


def joined(content: Any) -> Any:
    """A content that is a list of text blocks as one text; any other as it is."""
    given = parsed(content)
    if isinstance(given, list) and given and all(isinstance(one, Mapping) and "text" in one for one in given):
        return "\n".join(str(one["text"]) for one in given)
    return given


def parts(content: Any, kind: str = "text") -> Iterable[dict[str, Any]]:
    """The parts of a message's content: a text, a block, or a list of blocks; empty texts are no parts."""
    if isinstance(content, str):
        if content:
            yield says(content, kind)
    elif isinstance(content, Mapping):
        made = part(content)
        if made is not None:
            yield made
    elif isinstance(content, list):
        for one in content:
            yield from parts(one, kind)
    elif content is not None:
        yield says(content, kind)


def part(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """One block as a part of the conventions'; None where it says nothing. Of OpenAI's (chat and Responses),
    Anthropic's, Gemini's, Bedrock's, the AI SDK's and the conventions' own.
    """
    of = str(block.get("type") or block.get("kind") or "").lower().replace("-", "_")
    if of in {"text", "input_text", "output_text", "summary_text"} or (not of and isinstance(block.get("text"), str)):
        if block.get("thought") is True:
            return says(block.get("text"), "reasoning")
        said = block.get("content", block.get("text"))
        return says(said) if said else None
    if of in {"thinking", "reasoning"}:
        return _reasoning(block)
    if of in {"refusal"}:
        return says(block.get("refusal")) if block.get("refusal") else None
    for made in (_tool(of, block), _media(of, block), _inline(of, block)):
        if made is not None:
            return made
    return dict(block) if of else says(dict(block))


def _reasoning(block: Mapping[str, Any]) -> dict[str, Any] | None:
    said = block.get("content") or block.get("thinking") or block.get("text") or block.get("reasoning")
    if not said and isinstance(block.get("summary"), list):
        said = "\n".join(str(one.get("text", "")) for one in items(block["summary"]))
    return says(said if isinstance(said, str) else joined(said), "reasoning") if said else None


_OUTPUTS = frozenset({"text", "json", "content", "error-text", "error-json"})
"""What the AI SDK says a tool's output is."""


def _tool(of: str, block: Mapping[str, Any]) -> dict[str, Any] | None:
    if of in {"tool_call", "tool_use", "function_call", "custom_tool_call", "server_tool_use"}:
        is_item = of in {"function_call", "custom_tool_call"}
        return _call({**block, "id": block.get("call_id", block.get("id")) if is_item else block.get("id")})
    if of in {"tool_call_response", "tool_result", "function_call_output", "custom_tool_call_output"}:
        answer = next((block[key] for key in ("response", "result", "content", "output") if key in block), None)
        if isinstance(answer, Mapping) and str(answer.get("type")) in _OUTPUTS and "value" in answer:
            answer = answer["value"]
        id_ = next(
            (block[key] for key in ("id", "tool_use_id", "tool_call_id", "toolCallId", "call_id") if block.get(key)),
            None,
        )
        return tool_result(joined(answer), id_)
    for key in ("toolUse", "function_call", "functionCall"):
        if isinstance(inner := block.get(key), Mapping):
            return tool_call(
                inner.get("name"), inner.get("input", inner.get("args")), inner.get("toolUseId", inner.get("id"))
            )
    for key in ("toolResult", "function_response", "functionResponse"):
        if isinstance(inner := block.get(key), Mapping):
            content = inner.get("content", inner.get("response"))
            return tool_result(joined(content), inner.get("toolUseId", inner.get("id")))
    return None


_MODALITIES = {
    **dict.fromkeys(("image", "image_url", "input_image"), "image"),
    **dict.fromkeys(("audio", "audio_url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "video_url", "input_video"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "document_url"), "document"),
}


def _media(of: str, block: Mapping[str, Any]) -> dict[str, Any] | None:
    """An image, a sound or a file: its data stays where the original is, the part says what it is."""
    inline = block.get("inline_data") or block.get("inlineData")
    if isinstance(inline, Mapping):
        kind = inline.get("mime_type") or inline.get("mimeType") or ""
        return _blob(str(kind), str(kind).partition("/")[0] or "file", inline.get("data"))
    if of not in _MODALITIES:
        return None
    modality = _MODALITIES[of]
    source = block.get("source")
    if isinstance(source, Mapping):
        if source.get("data") is not None:
            return _blob(str(source.get("media_type") or ""), modality, source["data"])
        return _uri(modality, source.get("url") or source.get("file_id"))
    inner = next(
        (
            block[key]
            for key in ("image_url", "input_audio", "image", "audio", "file", "data", "url", "uri")
            if key in block
        ),
        None,
    )
    media_type = str(block.get("mediaType") or block.get("mime_type") or block.get("mimeType") or "")
    if isinstance(inner, Mapping):
        media_type = str(inner.get("mime_type") or inner.get("format") or media_type)
        if "0" in inner or isinstance(inner.get("data"), list):  # JavaScript's bytes, a number each
            return _blob(media_type, modality, None)
        inner = (
            inner.get("url") or inner.get("data") or inner.get("file_data") or inner.get("file_id") or inner.get("uri")
        )
    if isinstance(inner, str) and not _is_link(inner):
        return _blob(media_type, modality, inner)
    return _uri(_modality(media_type, modality), inner)


def _is_link(data: str) -> bool:
    """To elsewhere: of the web, a bucket, MLflow's attachments (a scheme of its own) or Langfuse's media (`@@@`)."""
    return data.startswith("@@@") or ("://" in data[:32] and not data.startswith("data:"))


def _modality(mime_type: str, modality: str) -> str:
    """A file that is a picture, a sound or a film is called that."""
    kind = mime_type.partition("/")[0]
    return kind if modality == "document" and kind in {"image", "audio", "video"} else modality


def _inline(of: str, block: Mapping[str, Any]) -> dict[str, Any] | None:
    """Data in a part of the conventions' own kinds, or of pydantic-ai's "binary"; None for a link to elsewhere."""
    if of not in {"blob", "binary", "uri"}:
        return None
    data = block.get("uri") if of == "uri" else block.get("content", block.get("binary_content"))
    if of == "uri" and not (isinstance(data, str) and data.startswith("data:")):
        return None
    mime_type = str(block.get("mime_type") or block.get("media_type") or "")
    return _blob(mime_type, str(block.get("modality") or "document"), data)


def _blob(mime_type: str, modality: str, data: Any) -> dict[str, Any]:
    """`data` is base64 or a data URL."""
    if isinstance(data, str) and data.startswith("data:"):
        mime_type = data[5:].partition(";")[0] or mime_type
        data = data.partition(",")[2]
    return {
        "type": "blob",
        "mime_type": mime_type,
        "modality": _modality(mime_type, modality),
        "content": data if isinstance(data, str) else None,
    }


def _uri(modality: str, uri: Any) -> dict[str, Any] | None:
    return {"type": "uri", "modality": modality, "uri": uri} if text(uri) else None


def definition(given: Mapping[str, Any]) -> dict[str, Any]:
    """One tool's definition of any provider's shape as {type, name, description, parameters}."""
    inner = given.get("function")
    inner = inner if isinstance(inner, Mapping) else given
    schema = next(
        (inner[key] for key in ("parameters", "input_schema", "inputSchema", "json_schema") if key in inner), None
    )
    made = {
        "type": str(given.get("type") or "function"),
        "name": inner.get("name"),
        "description": inner.get("description"),
        "parameters": parsed(schema),
    }
    return {key: value for key, value in made.items() if value is not None}


def definitions(value: Any) -> list[dict[str, Any]] | None:
    """Tools' definitions out of a list, of mappings or of JSON texts, or out of its JSON text."""
    given = parsed(value)
    listed = given if isinstance(given, list) else [given]
    made = [definition(one) for one in map(parsed, listed) if isinstance(one, Mapping)]
    return made or None
