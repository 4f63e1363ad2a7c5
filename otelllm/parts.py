"""Parts of messages in the conventions' shape that every provider's file makes, and the lists that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from .call import Part

__all__ = ["arguments_of", "as_list", "plain_data", "text", "tool_call"]


def as_list(value: Any) -> Sequence[Any]:
    """`value` where reading it leaves it whole: an iterator that the app gave is the SDK's to consume, not ours."""
    if value is None or isinstance(value, list):  # what nearly all are; asking for a Sequence costs 0.4 µs
        return value or ()
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def text(content: Any) -> Part:
    """A text part."""
    return {"type": "text", "content": content}


def plain_data(value: Any) -> Any:
    """SDK objects, and lists and mappings of them, as plain data under the names that they have on the wire."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    if isinstance(value, Mapping):
        return {name: plain_data(one) for name, one in value.items()}
    return [plain_data(one) for one in value] if isinstance(value, list | tuple) else value


def arguments_of(raw: Any) -> Any:
    """Tool arguments as an object; the raw string where it isn't valid JSON (or isn't a string at all)."""
    if not isinstance(raw, str | bytes):
        return raw
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw


def tool_call(call_id: Any, name: Any, arguments: Any) -> Part:
    """A tool call part; what is unknown is left out."""
    part: Part = {"type": "tool_call"}
    if call_id:
        part["id"] = call_id
    part["name"] = name or ""
    if arguments not in (None, ""):
        part["arguments"] = arguments_of(arguments)
    return part
