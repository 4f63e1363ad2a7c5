"""Claude Code's log events. Numbers often come as text; input leaves out what was cached; the cost is its own estimate
by list prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelllm import semconv

from ..values import count, number, parsed, provider_of_model, text
from .spec import Agent, Event, shown, unsuccessful

__all__ = ["AGENT"]

_TAGS = ("organization.id", "prompt.id", "query_source")


def _common(attributes: Mapping[str, Any]) -> dict[str, Any]:
    session = text(attributes.get("session.id"))
    users = (text(attributes.get(key)) for key in ("user.id", "user.account_uuid", "user.email"))
    return {
        semconv.SESSION_ID: session,
        semconv.CONVERSATION_ID: session,
        semconv.USER_ID: next((one for one in users if one is not None), None),
        **{semconv.TAG + key: text(attributes.get(key)) for key in _TAGS},
    }


def _request(attributes: Mapping[str, Any]) -> dict[str, Any]:
    model = text(attributes.get("model"))
    given = count(attributes.get("input_tokens"))
    read, written = (count(attributes.get(key)) for key in ("cache_read_tokens", "cache_creation_tokens"))
    cost, waited_ms = number(attributes.get("cost_usd")), number(attributes.get("ttft_ms"))
    return {
        semconv.OPERATION: semconv.CHAT,
        semconv.PROVIDER: "aws.bedrock" if provider_of_model(model) == "aws.bedrock" else "anthropic",
        semconv.REQUEST_MODEL: model,
        semconv.USAGE_INPUT: None if given is None else given + (read or 0) + (written or 0),
        semconv.USAGE_OUTPUT: count(attributes.get("output_tokens")),
        semconv.USAGE_CACHE_READ: read,
        semconv.USAGE_CACHE_WRITE: written,
        semconv.COST: cost,
        semconv.COST_STATUS: None if cost is None else "reported",
        semconv.TTFT: waited_ms / 1000 if waited_ms is not None and waited_ms >= 0 else None,
        semconv.PROVIDER_REQUEST_ID: text(attributes.get("request_id")),
    }


def _error(attributes: Mapping[str, Any]) -> dict[str, Any]:
    status = count(attributes.get("status_code"))
    return {**_request(attributes), semconv.ERROR_TYPE: "_OTHER" if status is None else str(status)}


def _tool(attributes: Mapping[str, Any]) -> dict[str, Any]:
    given = shown(attributes.get("tool_input")) or shown(attributes.get("tool_parameters"))
    kind = text(attributes.get("error_type"))
    return {
        semconv.OPERATION: semconv.EXECUTE_TOOL,
        semconv.TOOL_NAME: text(attributes.get("tool_name")),
        semconv.TOOL_CALL_ID: text(attributes.get("tool_use_id")),
        semconv.TOOL_CALL_ARGUMENTS: parsed(given),
        semconv.ERROR_TYPE: kind or "_OTHER" if unsuccessful(attributes) else None,
    }


AGENT = Agent(
    name="claude-code",
    prefix="claude_code.",
    common=_common,
    events={
        "api_request": Event(_request, ("request_id",), lambda _: False),
        "api_error": Event(_error, ("request_id", "attempt"), lambda _: True),
        "tool_result": Event(_tool, ("tool_use_id",), unsuccessful),
    },
    has_spans=True,
)
