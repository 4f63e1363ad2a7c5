"""Gemini CLI's log events. Output leaves out what was thought; input holds what was cached. The same call is logged
once more under the conventions' name for events, and that one makes no span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelllm import semconv

from ..messages import message, messages, says
from ..values import count, finish, parsed, text
from .spec import Agent, Event, never, shown, unsuccessful

__all__ = ["AGENT"]

_VERTEX = "vertex"


def _common(attributes: Mapping[str, Any]) -> dict[str, Any]:
    session = text(attributes.get("session.id"))
    return {
        semconv.SESSION_ID: session,
        semconv.CONVERSATION_ID: session,
        semconv.USER_ID: text(attributes.get("user.email")) or text(attributes.get("installation.id")),
        semconv.TAG + "prompt_id": text(attributes.get("prompt_id")),
    }


def _response(attributes: Mapping[str, Any]) -> dict[str, Any]:
    written, thought = (count(attributes.get(key)) for key in ("output_token_count", "thoughts_token_count"))
    by_vertex = _VERTEX in (text(attributes.get("auth_type")) or "").lower()
    said = shown(attributes.get("response_text"))
    return {
        semconv.OPERATION: semconv.CHAT,
        semconv.PROVIDER: "gcp.vertex_ai" if by_vertex else "gcp.gemini",
        semconv.REQUEST_MODEL: text(attributes.get("model")),
        semconv.USAGE_INPUT: count(attributes.get("input_token_count")),
        semconv.USAGE_OUTPUT: None if written is None else written + (thought or 0),
        semconv.USAGE_CACHE_READ: count(attributes.get("cached_content_token_count")),
        semconv.USAGE_REASONING: thought,
        semconv.RESPONSE_FINISH_REASONS: finish(attributes.get("finish_reasons")),
        semconv.OUTPUT_MESSAGES: None if said is None else _answer(said),
    }


def _answer(said: str) -> list[dict[str, Any]] | None:
    """The response's JSON with its candidates, or a text."""
    given = parsed(said)
    chunks = given if isinstance(given, list) else [given]
    contents = [
        one["content"]
        for chunk in chunks
        if isinstance(chunk, Mapping) and isinstance(chunk.get("candidates"), list)
        for one in chunk["candidates"]
        if isinstance(one, Mapping) and isinstance(one.get("content"), Mapping)
    ]
    return messages(contents, "assistant") if contents else [message("assistant", [says(said)])]


def _error(attributes: Mapping[str, Any]) -> dict[str, Any]:
    status = attributes.get("status_code")
    kind = text(attributes.get("error_type")) or (None if status in (None, "") else str(status))
    return {**_response(attributes), semconv.ERROR_TYPE: kind or "_OTHER"}


def _tool(attributes: Mapping[str, Any]) -> dict[str, Any]:
    kind = text(attributes.get("error_type"))
    return {
        semconv.OPERATION: semconv.EXECUTE_TOOL,
        semconv.TOOL_NAME: text(attributes.get("function_name")),
        semconv.TOOL_CALL_ARGUMENTS: parsed(shown(attributes.get("function_args"))),
        semconv.ERROR_TYPE: kind or "_OTHER" if unsuccessful(attributes) else None,
    }


AGENT = Agent(
    name="gemini-cli",
    prefix="gemini_cli.",
    common=_common,
    events={
        "api_response": Event(_response, (), never),
        "api_error": Event(_error, (), lambda _: True),
        "tool_call": Event(_tool, (), unsuccessful),
    },
    has_spans=True,
)
