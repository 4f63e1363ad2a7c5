"""Messages under the conventions' own names that are not quite in the conventions' shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .messages import messages, part, says
from .values import parsed

__all__ = ["repaired"]

_OWN = frozenset(
    {"reasoning", "server_tool_call", "server_tool_call_response", "file", "compaction", "uri", "blob", "tool_call"}
)


def repaired(value: Any, default: str = "user") -> list[Any] | None:
    """The messages in the conventions' shape; None where they are in it already, and where they are no messages."""
    # To look through the text for signs costs more than to parse it.
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        value = parsed(value)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        return None
    made = [_message(one, default) for one in value]
    return made if any(new is not old for new, old in zip(made, value, strict=True)) else None


def _message(given: Any, default: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    if not isinstance(given.get("parts"), list):
        found = messages([given], default)
        return given if found is None else found[0]
    made = [_part(one) for one in given["parts"]]
    if all(new is old for new, old in zip(made, given["parts"], strict=True)):
        return given
    return {**given, "parts": made}


def _part(given: Any) -> Any:
    if isinstance(given, str):
        return says(given)
    if not isinstance(given, Mapping) or _is_right(given):
        return given
    made = part(given)
    return given if made is None or made == given else made


def _is_right(given: Mapping[str, Any]) -> bool:
    of = given.get("type")
    if of == "text":
        return "content" in given or "text" not in given
    if of == "tool_call":
        arguments = given.get("arguments")
        return "arguments" in given and not (
            isinstance(arguments, str) and isinstance(parsed(arguments), Mapping | list)
        )
    if of == "tool_call_response":
        return "response" in given or not ("result" in given or "content" in given)
    if of in {"uri", "blob"}:
        data = given.get("uri" if of == "uri" else "content")
        return not (isinstance(data, str) and data.startswith("data:")) and "media_type" not in given
    return of in _OWN
