"""Messages, tools and documents out of OpenInference's leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..bodies import told
from ..documents import documents
from ..messages import definitions, message, messages, part, role, says, tool_call, tool_result
from ..values import found, number, parsed, text
from .leaves import CALLS, CONTENTS, WHOLE, Leaves, inner

__all__ = ["answers", "found_documents", "is_said", "prompts", "questions", "tools", "whole"]

_REDACTED = "__REDACTED__"
_CACHED_SCHEMA = 16_384
"""A tool's definition that is longer is read each time."""


def is_said(value: Any) -> bool:
    """A text that the sender did not take out."""
    return isinstance(value, str) and value != _REDACTED and bool(value.strip())


def questions(given: Iterable[Leaves]) -> list[dict[str, Any]]:
    """What a model was told."""
    return [one for leaves in given for one in _messages(leaves, "user") if one["parts"]]


def answers(given: Iterable[Leaves]) -> list[dict[str, Any]]:
    """What it answered. Of the Responses API each item of one answer is a message there, a reasoning, a text or a call
    of a tool; several choices are messages that all say something.
    """
    made: list[dict[str, Any]] = []
    for leaves in given:
        for one in _messages(leaves, "assistant"):
            if made and one["role"] == made[-1]["role"] == "assistant" and not (_has_text(one) and _has_text(made[-1])):
                made[-1]["parts"].extend(one["parts"])
            else:
                made.append(one)
    return [one for one in made if one["parts"]]


def _has_text(made: Mapping[str, Any]) -> bool:
    return any(one["type"] == "text" for one in made["parts"])


def prompts(given: Iterable[Leaves], leaf: str, by: str) -> list[dict[str, Any]]:
    """The texts of a completion, or of what is embedded."""
    texts = (leaves.get(leaf, leaves.get(WHOLE)) for leaves in given)
    return [message(by, [says(one)]) for one in texts if is_said(one)]


def whole(attributes: Mapping[str, Any], side: str, by: str) -> list[dict[str, Any]] | None:
    """The whole request or answer, where no messages were made of it: its messages, or a text."""
    value = attributes.get(f"{side}.value")
    if not is_said(value):
        return None
    body = parsed(value)
    if isinstance(body, Mapping):
        said = body.get("messages", body.get("input") if side == "input" else body.get("choices"))
        return messages(said, by) if said is not None else None
    return messages(body, by) if isinstance(body, list) else told(by, value)


def _messages(leaves: Leaves, default: str) -> list[dict[str, Any]]:
    if WHOLE in leaves:
        item = leaves[WHOLE]
        said = None if item == _REDACTED else messages([item] if isinstance(item, Mapping) else item, default)
        return said or []
    by = role(leaves.get("message.role"), default)
    content = leaves.get("message.content")
    blocks = [one for one in map(_block, inner(leaves, CONTENTS)) if one is not None] if CONTENTS in leaves else []
    if by == "tool" and (id_ := text(leaves.get("message.tool_call_id"))) is not None:
        return [message(by, [tool_result(_result(content, blocks), id_)])]
    if is_said(content) and not any(one.get("content") == content for one in blocks):
        blocks.insert(0, says(content))
    if CALLS in leaves:
        known = {one.get("id") for one in blocks if one["type"] == "tool_call"}
        for call in inner(leaves, CALLS):
            made = _call(call)
            if made is not None and (made.get("id") is None or made["id"] not in known):  # Anthropic's are there twice
                blocks.append(made)
    if text(name := leaves.get("message.function_call_name")):
        blocks.append(tool_call(name, leaves.get("message.function_call_arguments_json")))
    return [message(by, blocks, leaves.get("message.name"))]


def _result(content: Any, blocks: Iterable[Mapping[str, Any]]) -> Any:
    if content is not None:
        return None if content == _REDACTED else content
    texts = [one["content"] for one in blocks if one["type"] == "text"]
    return "\n".join(texts) if texts else None


def _call(leaves: Mapping[str, Any]) -> dict[str, Any] | None:
    name, id_ = text(leaves.get("tool_call.function.name")), text(leaves.get("tool_call.id"))
    if name is None and id_ is None:
        return None
    arguments = leaves.get("tool_call.function.arguments")
    return tool_call(name, None if arguments == _REDACTED else arguments, id_)


def _block(leaves: Mapping[str, Any]) -> dict[str, Any] | None:
    """One of a message's contents; a tool's call, or a reasoning of which nothing is told, may be among them."""
    kind = leaves.get("message_content.type")
    if kind == "tool_use":
        return _call(leaves)
    said = leaves.get("message_content.text")
    if is_said(said):
        return says(said, "reasoning" if kind in ("reasoning", "thinking") else "text")
    for modality in ("image", "audio", "video"):
        before = f"message_content.{modality}.{modality}."
        if is_said(url := leaves.get(f"{before}url")):
            data = found(url=url, mime_type=text(leaves.get(f"{before}mime_type")))
            return part({"type": modality, "data": data})  # a link, a data URL, or bare base64
    return None


def tools(given: Iterable[Leaves]) -> list[dict[str, Any]] | None:
    """The definitions of tools."""
    return [made for one in given if (made := _tool(one)) is not None] or None


def _tool(leaves: Leaves) -> dict[str, Any] | None:
    schema = leaves.get("tool.json_schema", leaves.get(WHOLE))
    is_cached = isinstance(schema, str) and len(schema) < _CACHED_SCHEMA
    made = _known_definition(schema) if is_cached else _definition(schema)
    if made is not None and "name" in made:
        return made
    if not (name := text(leaves.get("tool.name"))):
        return made
    parameters = parsed(schema)  # of a tool that is named beside it, the schema is that of its input
    about = found(description=text(leaves.get("tool.description")))
    return {"type": "function", "name": name, **about, **found(parameters=parameters if made is not None else None)}


def _definition(schema: Any) -> dict[str, Any] | None:
    made = definitions([schema])
    return None if made is None else made[0]


@lru_cache(maxsize=256)
def _known_definition(schema: str) -> dict[str, Any] | None:
    """An app sends the same tools with every call. Nobody may change what this gives."""
    return _definition(schema)


def found_documents(given: Iterable[Leaves]) -> list[dict[str, Any]] | None:
    """What a search found, or what a reranker left of it."""
    made: list[dict[str, Any]] = []
    for leaves in given:
        made += documents([leaves[WHOLE]]) or () if WHOLE in leaves else [_document(leaves)]
    return made or None


def _document(leaves: Leaves) -> dict[str, Any]:
    metadata = parsed(leaves.get("document.metadata"))
    metadata = metadata if isinstance(metadata, Mapping) else {}
    own_id = leaves.get("document.id", metadata.get("id"))
    score = number(leaves.get("document.score"))
    content = leaves.get("document.content")
    return found(
        id=None if own_id is None else str(own_id),
        score=number(metadata.get("score")) if score is None else score,
        content=content if is_said(content) else None,
        metadata=dict(metadata) or None,
    )
