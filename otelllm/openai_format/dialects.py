"""What other providers add to OpenAI's format, read wherever it comes: every SDK may talk to every server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..call import Part, Reading, Usage
from ..capture import blob
from ..fields import field, members, plain
from ..parts import arguments_of, as_list, plain_data
from .usage import merge_usage, read_usage

__all__ = ["count_server_tools", "fold_server_tools", "read_breakdown", "read_x_groq", "reference", "server_tool_parts",
           "thought"]  # fmt: skip

_REFERENCE = ("reference_ids", "tool", "title", "url", "source")

# What a tool that the provider ran is billed as, where its own word differs.
_BILLED = {"search": "web_search", "browser.search": "web_search", "python": "code_execution"}


def thought(piece: Any) -> Part:
    """Mistral's reasoning among the parts of a content: a list of texts, and of what they refer to."""
    pieces = field(piece, "thinking")
    texts = [pieces] if isinstance(pieces, str) else [field(one, "text") for one in as_list(pieces)]
    return {"type": "reasoning", "content": "".join(one for one in texts if isinstance(one, str))}


def reference(piece: Any) -> Part | None:
    """Mistral's reference to a document or to what a tool found; an empty one says nothing."""
    said = {name: value for name in _REFERENCE if (value := plain_data(field(piece, name)))}
    return {"type": field(piece, "type"), **said} if said else None


def read_x_groq(reading: Reading, extra: Any) -> None:
    """Groq's own block: the request id; in a stream's last chunk also its usage, or why it ended early."""
    said = members(extra)
    reading.request_id = plain(said.get("id")) or reading.request_id
    if (usage := said.get("usage")) is not None:  # a whole answer's counts hardware caches, and no tokens
        merge_usage(reading, read_usage(usage))
    if (breakdown := said.get("usage_breakdown")) is not None:
        read_breakdown(reading, breakdown)
    if error := said.get("error"):
        reading.error_type, reading.error_message = "error", str(error)


def read_breakdown(reading: Reading, breakdown: Any) -> None:
    """What each model used, where a compound system asked several for one answer."""
    shares: list[tuple[str, Usage]] = []
    for entry in as_list(members(breakdown).get("models")):
        said = members(entry)
        model, usage = plain(said.get("model")), read_usage(said.get("usage"))
        if model is not None and usage is not None:
            shares.append((model, usage))
    reading.shares = shares or None


def fold_server_tools(tools: dict[Any, dict[str, Any]], executed: Iterable[Any]) -> None:
    """Add tools that the provider ran to `tools`, by index: each comes when it begins and again with its result."""
    for one in executed:
        said = members(one)
        known = tools.setdefault(said.get("index"), {})
        known.update({name: value for name, value in said.items() if value not in (None, "")})


def server_tool_parts(tools: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Each tool that the provider ran: the call, then its result where it has one."""
    parts: list[Part] = []
    for tool in tools:
        said = {name: _shown(value) for name, value in tool.items() if name != "index" and value not in (None, "")}
        kind = str(said.pop("type", None) or "unknown")
        name = str(said.pop("name", None) or kind)
        call: Part = {"type": kind}
        if (arguments := said.pop("arguments", None)) is not None:
            call["arguments"] = arguments_of(arguments)
        parts.append({"type": "server_tool_call", "name": name, "server_tool_call": call})
        if said:
            result: Part = {"type": kind, **said}
            parts.append({"type": "server_tool_call_response", "server_tool_call_response": result})
    return parts


def _shown(value: Any) -> Any:
    """What a tool was given or gave, as plain data; a picture by its hash and size."""
    value = plain_data(value)
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict) and isinstance(picture := value.get("png"), str):
        return {**value, "png": blob("image/png", "image", picture)}
    return value


def count_server_tools(reading: Reading, tools: Iterable[Mapping[str, Any]]) -> None:
    """How often which tool was run: they are billed by the piece."""
    counts: dict[str, float] = {}
    for tool in tools:
        kind = str(tool.get("type") or "unknown")
        name = f"server_tool.{_BILLED.get(kind, kind)}"
        counts[name] = counts.get(name, 0) + 1
    if counts:
        usage = reading.usage = reading.usage or Usage()
        usage.other = {**(usage.other or {}), **counts}
