"""Codex CLI's log events. Usage stands only on the event that a response is complete, partly as text: input holds what
was cached, output what was reasoned. All other chunks of a stream are no calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelllm import semconv

from ..values import count, parsed, text
from .spec import Agent, Event, shown, unsuccessful

__all__ = ["AGENT"]

_COMPLETED, _FAILED = "response.completed", "response.failed"


def _common(attributes: Mapping[str, Any]) -> dict[str, Any]:
    conversation = text(attributes.get("conversation.id"))
    return {
        semconv.SESSION_ID: conversation,
        semconv.CONVERSATION_ID: conversation,
        semconv.USER_ID: text(attributes.get("user.account_id")) or text(attributes.get("user.email")),
    }


def _chunk(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = attributes.get("event.kind")
    given = count(attributes.get("input_token_count"))
    if kind != _FAILED and (kind != _COMPLETED or given is None):
        return None
    return {
        semconv.OPERATION: semconv.CHAT,
        semconv.PROVIDER: "openai",
        semconv.REQUEST_MODEL: text(attributes.get("model")) or text(attributes.get("slug")),
        semconv.USAGE_INPUT: given,
        semconv.USAGE_OUTPUT: count(attributes.get("output_token_count")),
        semconv.USAGE_CACHE_READ: count(attributes.get("cached_token_count")),
        semconv.USAGE_REASONING: count(attributes.get("reasoning_token_count")),
        semconv.REQUEST_STREAM: True,
        semconv.ERROR_TYPE: "_OTHER" if kind == _FAILED else None,
    }


def _tool(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        semconv.OPERATION: semconv.EXECUTE_TOOL,
        semconv.TOOL_NAME: text(attributes.get("tool_name")),
        semconv.TOOL_CALL_ID: text(attributes.get("call_id")),
        semconv.TOOL_CALL_ARGUMENTS: parsed(shown(attributes.get("arguments"))),
        semconv.TOOL_CALL_RESULT: parsed(shown(attributes.get("output"))),
        semconv.ERROR_TYPE: "_OTHER" if unsuccessful(attributes) else None,
    }


def _has_failed(attributes: Mapping[str, Any]) -> bool:
    return attributes.get("event.kind") == _FAILED


AGENT = Agent(
    name="codex",
    prefix="codex.",
    common=_common,
    events={
        "sse_event": Event(_chunk, (), _has_failed),
        "tool_result": Event(_tool, ("call_id",), unsuccessful),
    },
    has_spans=False,
)
