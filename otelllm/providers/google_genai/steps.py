"""Steps of interactions, in and out: what was said and thought, functions called, tools that the provider ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Message, Part
from ...capture import blob
from ...estimate import size_of
from ...parts import arguments_of, tool_call
from .values import as_list, item, plain, word

__all__ = ["Step", "input_messages", "input_size", "step_parts"]

_MEDIA = {"image", "audio", "video", "document"}


def input_messages(given: Any) -> list[Message]:
    """`input` of a call: a text, a content, a step, a turn, or a list; neighbouring contents are one message."""
    messages: list[Message] = []
    is_open = False
    for one in as_list(given) or [given]:
        kind = word(item(one, "type"))
        role = word(item(one, "role"))
        if role is not None:  # a turn
            messages.append({"role": _role(role), "parts": _contents(item(one, "content"))})
        elif isinstance(one, str) or kind in _MEDIA | {"text"}:
            parts = _contents([one])
            if is_open:
                messages[-1]["parts"] += parts
            else:
                messages.append({"role": "user", "parts": parts})
            is_open = True
            continue
        elif kind is not None:
            by = {"user_input": "user", "function_result": "tool"}.get(kind, "assistant")
            messages.append({"role": by, "parts": step_parts(one)})
        is_open = False
    return messages


def _role(own: str) -> str:
    return {"model": "assistant"}.get(own, own)


def input_size(given: Any) -> int:
    """The size of the texts in an input (see estimate); what is no text counts nothing."""
    if isinstance(given, str):
        return size_of(given)
    if isinstance(given, list | tuple):
        return sum(input_size(one) for one in given)
    return sum(input_size(item(given, name)) for name in ("text", "content") if given is not None)


def step_parts(step: Any) -> list[Part]:
    """One step, as an object or as decoded JSON."""
    kind = word(item(step, "type")) or "unknown"
    if kind in {"model_output", "user_input"}:
        return _contents(item(step, "content"))
    if kind == "thought":
        said = [word(item(one, "text")) for one in as_list(item(step, "summary"))]
        return [{"type": "reasoning", "content": one} for one in said if one]
    if kind == "function_call":
        return [tool_call(item(step, "id"), item(step, "name"), item(step, "arguments"))]
    if kind == "function_result":
        call_id = item(step, "call_id") or item(step, "id")
        return [{"type": "tool_call_response", "id": call_id, "response": plain(item(step, "result"))}]
    return [_server_tool(step, kind)]


def _contents(given: Any) -> list[Part]:
    return [part for one in as_list(given) or [given] if (part := _content(one)) is not None]


def _content(one: Any) -> Part | None:
    if isinstance(one, str):
        return {"type": "text", "content": one} if one else None
    kind = word(item(one, "type"))
    if kind is None:
        return None
    if kind == "text":
        said = word(item(one, "text"))
        return {"type": "text", "content": said} if said else None
    if kind not in _MEDIA:
        return {"type": kind}
    mime = word(item(one, "mime_type")) or f"{kind}/*"
    if isinstance(data := item(one, "data"), str | bytes) and data:
        return blob(mime, kind, data)
    uri = word(item(one, "uri"))
    return (
        {"type": "uri", "modality": kind, "mime_type": mime, "uri": uri} if uri else {"type": "blob", "modality": kind}
    )


def _server_tool(step: Any, kind: str) -> Part:
    """A tool that the provider ran: its call, or its result."""
    tool, _, end = kind.rpartition("_")
    if end not in {"call", "result"}:
        return {"type": kind}
    name = word(item(step, "name")) or tool
    inner: dict[str, Any] = {"type": tool}
    for field in ("arguments", "result", "server_name"):
        if (value := plain(item(step, field))) not in (None, "", [], {}):
            inner[field] = value
    if end == "call":
        return {"type": "server_tool_call", "id": item(step, "id"), "name": name, "server_tool_call": inner}
    call_id = item(step, "call_id") or item(step, "id")
    return {"type": "server_tool_call_response", "id": call_id, "server_tool_call_response": inner}


class Step:
    """A step of a stream, put together from its start and its deltas."""

    __slots__ = ("_arguments", "_contents", "_start")

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._start = dict(start)
        self._arguments: list[str] = []
        self._contents: list[dict[str, Any]] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        """One delta: a piece of text, of a thought, of arguments; or what a tool did, as a whole."""
        kind = delta.get("type")
        if kind == "arguments_delta":
            self._arguments.append(str(delta.get("arguments") or ""))
        elif kind == "thought_summary":
            self._piece("summary", delta.get("content") or {})
        elif kind == "text" or kind in _MEDIA:
            self._piece("content", delta)
        elif isinstance(kind, str) and kind.endswith(("_call", "_result")):
            self._start.update({name: value for name, value in delta.items() if value is not None})

    def _piece(self, place: str, content: Mapping[str, Any]) -> None:
        last = self._contents[-1] if self._contents else None
        if content.get("type") == "text" and last is not None and last.get("type") == "text":
            last["text"] += content.get("text") or ""
        else:
            self._contents.append({**content, "_place": place})

    def parts(self) -> list[Part]:
        """As `step_parts` has them."""
        whole = dict(self._start)
        for one in self._contents:
            place = one.pop("_place")
            whole[place] = [*as_list(whole.get(place)), one]
        if self._arguments:
            whole["arguments"] = arguments_of("".join(self._arguments))
        self._contents = []
        return step_parts(whole)
