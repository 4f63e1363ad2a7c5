"""Items of the Responses API, in and out, as messages and parts of the conventions."""

from __future__ import annotations

from typing import Any

from ..call import Message, Part
from ..fields import field
from ..parts import as_list, plain_data, text, tool_call
from .messages import content_parts

__all__ = ["input_messages", "output_parts"]

_RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output", "computer_call_output",
            "shell_call_output", "apply_patch_call_output", "mcp_approval_response"}  # fmt: skip


def input_messages(given: Any) -> list[Message]:
    """`input` of a call: a text, or a list of messages and items."""
    if isinstance(given, str):
        return [{"role": "user", "parts": [text(given)]}]
    return [_input_message(item) for item in as_list(given)]


def _input_message(item: Any) -> Message:
    kind = field(item, "type")
    role = field(item, "role")
    if kind in {None, "message"} and role is not None:
        return {
            "role": "system" if role == "developer" else str(role),
            "parts": content_parts(field(item, "content")),
        }
    if kind in _RESULTS:
        response = _result(field(item, "output"))
        return {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": field(item, "call_id"), "response": response}],
        }
    return {"role": "assistant", "parts": output_parts(item)}


def _result(output: Any) -> Any:
    """What a tool gave back: a text, content parts (a screenshot alone is one), or whatever else it is."""
    if isinstance(output, str):
        return output
    pieces = [output] if field(output, "type") == "computer_screenshot" else as_list(output)
    if pieces and all(field(piece, "type") for piece in pieces):
        return content_parts(pieces)
    return plain_data(output)


def output_parts(item: Any) -> list[Part]:
    """One item of an answer (or of an answer sent back as input)."""
    kind = str(field(item, "type") or "unknown")
    if kind == "message":
        return content_parts(field(item, "content"))
    if kind == "function_call":
        return [tool_call(field(item, "call_id"), field(item, "name"), field(item, "arguments"))]
    if kind == "custom_tool_call":
        return [tool_call(field(item, "call_id"), field(item, "name"), field(item, "input"))]
    if kind == "reasoning":
        thoughts = [*as_list(field(item, "content")), *as_list(field(item, "summary"))]
        return [{"type": "reasoning", "content": field(one, "text") or ""} for one in thoughts]
    if kind == "compaction":
        return [{"type": "compaction", "id": field(item, "id")}]
    if kind.endswith("_call"):
        return [_server_tool(item, kind)]
    return [{"type": kind}]


def _server_tool(item: Any, kind: str) -> Part:
    """A tool that the provider ran: web search, file search, code interpreter, MCP, …"""
    inner: dict[str, Any] = {"type": kind.removesuffix("_call")}
    for name in ("action", "queries", "code", "arguments", "server_label", "status"):
        if (value := field(item, name)) is not None:
            inner[name] = plain_data(value)
    return {
        "type": "server_tool_call",
        "id": field(item, "id"),
        "name": field(item, "name") or kind.removesuffix("_call"),
        "server_tool_call": inner,
    }
