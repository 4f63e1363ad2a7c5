"""Messages as the older conventions have them: an event each, on the span, in a list of its own, or as a log record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .messages import messages
from .values import count, parsed, text

__all__ = ["CHOICE", "NAMES", "ROLES", "Conversation", "Said", "answered", "conversation", "read_event", "unfolded"]

CHOICE = "gen_ai.choice"
ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    CHOICE: "assistant",
}
"""A message's role where its event leaves it out."""

NAMES = frozenset(ROLES)

_BLOCK_KEYS = frozenset({"type", "kind", "text", "toolUse", "toolResult", "image"})


class Said(NamedTuple):
    """One event's message."""

    message: dict[str, Any]
    choice: int | None
    """A choice's index; None for what was put in."""
    finish: str | None


class Conversation(NamedTuple):
    """What events say together; None where they say nothing."""

    input: list[dict[str, Any]] | None
    output: list[dict[str, Any]] | None
    finish: list[str] | None


def conversation(events: Iterable[tuple[Any, Mapping[str, Any]]]) -> Conversation:
    """Events by name and what they say, in the order of time; other events are passed over."""
    said = [one for one in (read_event(name, given) for name, given in events) if one is not None]
    choices = sorted((one for one in said if one.choice is not None), key=lambda one: one.choice or 0)
    return Conversation(
        [one.message for one in said if one.choice is None] or None,
        [one.message for one in choices] or None,
        [one.finish for one in choices if one.finish is not None] or None,
    )


def read_event(name: Any, given: Mapping[str, Any]) -> Said | None:
    """The message of one event; None where it is no message, or one without content."""
    if not isinstance(name, str) or name not in ROLES:
        return None
    source = given
    if name == CHOICE and given.get("message") is not None:
        inner = given["message"]
        source = inner if isinstance(inner, Mapping) else {"content": inner}
    shaped = {
        "role": text(source.get("role")) or ROLES[name],
        "content": source.get("content"),
        "tool_calls": source.get("tool_calls", given.get("tool_calls")),
        "refusal": source.get("refusal"),
    }
    if shaped["role"] == "tool":
        ids = (source.get(key) for key in ("id", "tool_call_id", "gen_ai.tool.message.id", "gen_ai.tool.call.id"))
        shaped["tool_call_id"] = next((one for one in ids if one is not None), None)
    found = messages([shaped])
    if found is None:
        return None
    if name != CHOICE:
        return Said(found[0], None, None)
    return Said(found[0], count(given.get("index")) or 0, text(given.get("finish_reason")))


def unfolded(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an event says whose body is in flat attributes: structures are JSON text there, and the whole body may be
    in one of them.
    """
    body = parsed(attributes.get("gen_ai.event.content"))
    if body is not None:
        attributes = {**attributes, **(body if isinstance(body, Mapping) else {"content": body})}
    found = dict(attributes)
    for key in ("message", "tool_calls"):
        if isinstance(found.get(key), str):
            found[key] = parsed(found[key])
    blocks = parsed(found.get("content"))
    if isinstance(blocks, list) and blocks and all(_is_block(one) for one in blocks):
        found["content"] = blocks
    return found


def _is_block(value: Any) -> bool:
    """A user may have asked about any JSON: only what looks like a part of a message is one."""
    return isinstance(value, Mapping) and not _BLOCK_KEYS.isdisjoint(value)


def answered(said: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A whole conversation as what was put in, and the assistant's messages that end it."""
    end = len(said)
    while end and said[end - 1].get("role") == "assistant":
        end -= 1
    return said[:end], said[end:]
