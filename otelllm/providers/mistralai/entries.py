"""Entries of conversations, in and out: messages, calls of functions, tools that the provider ran, agents' handoffs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...call import Message, Part
from ...openai_format.messages import content_parts
from ...parts import arguments_of, as_list, text, tool_call
from ...speakeasy import as_sent

__all__ = ["input_messages", "joined", "output_parts"]


def input_messages(given: Any) -> list[Message]:
    """`inputs` of a call: a text, or a list of entries."""
    if isinstance(given, str):
        return [{"role": "user", "parts": [text(given)]}]
    return [_input_message(as_sent(entry)) for entry in as_list(given)]


def _input_message(entry: Mapping[str, Any]) -> Message:
    if entry.get("type") == "function.result":
        part = {"type": "tool_call_response", "id": entry.get("tool_call_id"), "response": entry.get("result")}
        return {"role": "tool", "parts": [part]}
    role = "user" if entry.get("type") in {None, "message.input"} else "assistant"
    return {"role": str(entry.get("role") or role), "parts": output_parts(entry)}


def output_parts(entry: Mapping[str, Any]) -> list[Part]:
    """One entry of an answer (or of one sent back as input)."""
    kind = str(entry.get("type") or "message.output")
    if kind in {"message.output", "message.input"}:
        content = entry.get("content")
        return joined(content_parts([content] if isinstance(content, Mapping) else content))
    if kind == "function.call":
        return [tool_call(entry.get("tool_call_id") or entry.get("id"), entry.get("name"), entry.get("arguments"))]
    if kind == "tool.execution":
        return _executed(entry)
    if kind == "agent.handoff":
        sides = {"from": entry.get("previous_agent_name"), "to": entry.get("next_agent_name")}
        return [{"type": "agent_handoff", **{side: name for side, name in sides.items() if name}}]
    return [{"type": kind}]


def _executed(entry: Mapping[str, Any]) -> list[Part]:
    """A tool that the provider ran: the call, and what it says of the result."""
    name = str(entry.get("name") or "")
    call: Part = {"type": name}
    if arguments := entry.get("arguments"):
        call["arguments"] = arguments_of(arguments)
    parts: list[Part] = [{"type": "server_tool_call", "id": entry.get("id"), "name": name, "server_tool_call": call}]
    if info := entry.get("info"):
        result = {"type": name, **info}
        parts.append({"type": "server_tool_call_response", "id": entry.get("id"), "server_tool_call_response": result})
    return parts


def joined(parts: Iterable[Part]) -> list[Part]:
    """Neighbouring texts as one, and neighbouring thoughts."""
    made: list[Part] = []
    for part in parts:
        last = made[-1] if made else {}
        if part["type"] in {"text", "reasoning"} and last.get("type") == part["type"]:
            last["content"] += part["content"]
        else:
            made.append(dict(part))
    return made
