"""Claude Code's traces (its beta): one for each prompt, of bare names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .messages import message, messages, says
from .spec import Foreign
from .values import count, finish, flag, number, parsed, provider, provider_of_model, text

__all__ = ["VOCABULARY"]

_SCOPE = "com.anthropic.claude_code"
_PREFIX = "claude_code."
_MARKER = "span.type"
_OTHERS = frozenset({"entity.id", "entity.type", "entity.name"})
"""Of VoltAgent, which has a `span.type` too."""

_OPERATIONS = {
    "interaction": semconv.INVOKE_AGENT,
    "llm_request": semconv.CHAT,
    "tool": semconv.EXECUTE_TOOL,
}
"""The kinds of span; all others (waiting for the user, the tool's own time, hooks) are steps."""

_REDACTED = frozenset({"<REDACTED>", "[REDACTED]"})

_CLASSES = (
    (semconv.USAGE_OUTPUT, "output_tokens"),
    (semconv.USAGE_CACHE_READ, "cache_read_tokens"),
    (semconv.USAGE_CACHE_WRITE, "cache_creation_tokens"),
)
_TOOL_INPUT = ("full_command", "file_path", "skill_name", "subagent_type")
"""Of a tool's input these stand by themselves."""
_OUTPUT = ("output", "content", "diff")
_TAGS = ("organization.id", "prompt.id", "query_source", "agent_id", "parent_agent_id")


class ClaudeCode:
    """Scope `com.anthropic.claude_code.tracing`; `span.type` is on every span. Input leaves out what was cached."""

    name = "claude-code"
    rank = 59
    beats_native: Collection[str] = frozenset({semconv.RESPONSE_FINISH_REASONS})

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or where that is lost, by the kind that each span names."""
        return scope.startswith(_SCOPE) or (_MARKER in keys and _OTHERS.isdisjoint(keys))

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Nothing of a span that only has a `span.type` of somebody else's."""
        attributes = span.attributes
        given = text(attributes.get(_MARKER)) or span.name
        if not (span.scope.startswith(_SCOPE) or given.startswith(_PREFIX) or span.name.startswith(_PREFIX)):
            return {}
        operation = _OPERATIONS.get(given.removeprefix(_PREFIX), semconv.TASK)
        session = text(attributes.get(semconv.SESSION_ID))
        found = {semconv.OPERATION: operation, semconv.CONVERSATION_ID: session}
        found[semconv.USER_ID] = text(attributes.get("user.account_uuid")) or text(attributes.get("user.email"))
        found.update((semconv.TAG + key, attributes[key]) for key in _TAGS if text(attributes.get(key)))
        found.update(_READERS.get(operation, _of_step)(span))
        return {name: value for name, value in found.items() if value is not None}


def _shown(value: Any) -> str | None:
    said = text(value)
    return None if said in _REDACTED else said


def _of_step(span: Foreign) -> Iterator[tuple[str, Any]]:
    yield from ()


def _of_interaction(span: Foreign) -> Iterator[tuple[str, Any]]:
    asked = _shown(span.attributes.get("user_prompt"))
    yield semconv.INPUT_MESSAGES, None if asked is None else [message("user", [says(asked)])]


def _of_request(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    model = text(attributes.get("model")) or text(attributes.get(semconv.REQUEST_MODEL))
    yield semconv.REQUEST_MODEL, model
    named = provider(attributes.get("gen_ai.system"))
    of_model = provider_of_model(model)
    yield semconv.PROVIDER, of_model if of_model == "aws.bedrock" else named or "anthropic"
    yield semconv.RESPONSE_ID, text(attributes.get("message_id"))
    yield semconv.PROVIDER_REQUEST_ID, text(attributes.get("request_id"))
    reasons = attributes.get(semconv.RESPONSE_FINISH_REASONS, attributes.get("stop_reason"))
    yield semconv.RESPONSE_FINISH_REASONS, finish(reasons)
    counts = {name: count(attributes.get(key)) for name, key in _CLASSES}
    yield from counts.items()
    given = count(attributes.get("input_tokens"))
    if given is not None:
        cached = (counts[semconv.USAGE_CACHE_READ] or 0) + (counts[semconv.USAGE_CACHE_WRITE] or 0)
        yield semconv.USAGE_INPUT, given + cached
    waited_ms = number(attributes.get("ttft_ms"))
    if waited_ms is not None and waited_ms >= 0:
        yield semconv.TTFT, waited_ms / 1000
    context, said = _shown(attributes.get("new_context")), _shown(attributes.get("response.model_output"))
    yield semconv.INPUT_MESSAGES, messages(context)
    yield semconv.OUTPUT_MESSAGES, messages(said, "assistant")
    if flag(attributes.get("success")) is False:
        yield semconv.ERROR_TYPE, text(str(attributes.get("status_code") or "")) or "_OTHER"


def _of_tool(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    yield semconv.TOOL_NAME, text(attributes.get("tool_name"))
    yield semconv.TOOL_CALL_ID, text(attributes.get("tool_use_id"))
    given = _shown(attributes.get("tool_input"))
    single = {key: made for key in _TOOL_INPUT if (made := _shown(attributes.get(key))) is not None}
    yield semconv.TOOL_CALL_ARGUMENTS, parsed(given) if given is not None else single or None
    for event in span.events:
        if event["name"] == "tool.output":
            of = event["attributes"]
            said = next((one for key in _OUTPUT if (one := _shown(of.get(key))) is not None), None)
            if said is not None:
                yield semconv.TOOL_CALL_RESULT, parsed(said)


_READERS = {
    semconv.INVOKE_AGENT: _of_interaction,
    semconv.CHAT: _of_request,
    semconv.EXECUTE_TOOL: _of_tool,
}

VOCABULARY = ClaudeCode()
