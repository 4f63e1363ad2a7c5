"""Logfire: its instrumentations of OpenAI, Anthropic and the Agents SDK, and what its SDK adds to anybody's span."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .logfire_bodies import read_bodies, read_usage
from .messages import definitions, messages
from .spec import Foreign
from .values import finish, items, number, parsed, provider, text

__all__ = ["VOCABULARY"]

_LOGFIRE = "logfire."
_CLIENTS = {"logfire.openai": "openai", "logfire.anthropic": "anthropic"}
"""Scopes of clients' instrumentations, and whose clients these are."""
_TEMPLATES = (
    ("Chat Completion with", semconv.CHAT),
    ("Chat completion with", semconv.CHAT),
    ("Responses API", semconv.CHAT),
    ("Message with", semconv.CHAT),
    ("Completion with", semconv.TEXT_COMPLETION),
    ("streaming response from", semconv.CHAT),
    ("Embedding Creation with", semconv.EMBEDDINGS),
    ("Image Generation with", semconv.GENERATE_CONTENT),
    ("OpenAI Agents trace:", semconv.INVOKE_WORKFLOW),
    ("Agent run:", semconv.INVOKE_AGENT),
    ("Function:", semconv.EXECUTE_TOOL),
    ("Guardrail", "guardrail"),
    ("Handoff:", semconv.TASK),
    ("Custom span:", semconv.TASK),
    ("Task:", semconv.TASK),
    ("Turn ", semconv.TASK),
)
"""How a span's name begins, which is the template of its text, and what it then is."""

_NAMED_BY = {
    semconv.INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
    semconv.INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.EXECUTE_TOOL: semconv.TOOL_NAME,
}
_ENDED = frozenset(
    {semconv.OUTPUT_MESSAGES, semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.RESPONSE_ID, "response_data"}
)
"""What a call that was answered has: a stream's request has none of it."""

_SCRUBBED = "[Scrubbed due to "
_MAY_BE_SCRUBBED = frozenset(
    {
        *(semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS, semconv.TOOL_DEFINITIONS),
        *(semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT, semconv.RETRIEVAL_QUERY, semconv.RETRIEVAL_DOCUMENTS),
        *(semconv.SESSION_ID, semconv.CONVERSATION_ID, semconv.USER_ID),
    }
)


class Logfire:
    """Scopes `logfire.openai`, `logfire.anthropic`, `logfire.openai_agents`; `logfire.span_type` is on every span that
    its SDK has made, of pydantic-ai too.
    """

    name = "logfire"
    rank = 40
    beats_native: Collection[str] = frozenset(
        {semconv.OPERATION, semconv.RESPONSE_FINISH_REASONS, semconv.USAGE_INPUT, *_MAY_BE_SCRUBBED}
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scopes, or by what its SDK adds."""
        return scope.startswith(_LOGFIRE) or "logfire.span_type" in keys or "logfire.msg_template" in keys

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Bodies fill what is missing, and correct only what Logfire writes in another shape under the same name."""
        attributes = span.attributes
        found: dict[str, Any] = dict.fromkeys(
            name for name in _MAY_BE_SCRUBBED & attributes.keys() if _is_scrubbed(attributes[name])
        )
        said = dict(_tags(attributes.get("logfire.tags")))
        operation = _operation(span)
        if attributes.get("logfire.span_type") == "pending_span" and operation is not None:
            # The announcement of a span that begins, with its attributes so far.
            said[semconv.OPERATION] = semconv.TASK
        elif span.scope == "logfire.openai_agents":
            said.update(_of_agents_sdk(attributes, operation))
        elif span.scope.startswith(_LOGFIRE) or "request_data" in attributes:
            said.update(_of_call(span, operation))
        found.update((name, value) for name, value in said.items() if value is not None and name not in found)
        return found


def _operation(span: Foreign) -> str | None:
    attributes = span.attributes
    operation = text(attributes.get(semconv.OPERATION))
    if operation is None and span.scope.startswith(_LOGFIRE):
        template = text(attributes.get("logfire.msg_template")) or span.name
        operation = next((kind for begin, kind in _TEMPLATES if template.startswith(begin)), None)
        if operation == semconv.CHAT and "prompt" in _mapping(attributes.get("request_data")):
            operation = semconv.TEXT_COMPLETION
    return operation


def _is_request_of_stream(span: Foreign, operation: str | None) -> bool:
    """A stream is two spans: its request, which has ended before the first chunk, and a log when it is over."""
    return (
        operation in {semconv.CHAT, semconv.TEXT_COMPLETION}
        and span.scope in _CLIENTS
        and span.attributes.get("logfire.span_type") == "span"
        and not span.is_error
        and _ENDED.isdisjoint(span.attributes)
        and _mapping(span.attributes.get("request_data")).get("stream") is not False
    )


def _of_call(span: Foreign, operation: str | None) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    is_request = _is_request_of_stream(span, operation)
    # Usage, answer and cost are on the log: that is the call, or it would be counted twice.
    yield semconv.OPERATION, semconv.TASK if is_request else operation
    yield semconv.REQUEST_STREAM, True if is_request or attributes.get("logfire.span_type") == "log" else None
    if span.scope in _CLIENTS:
        yield semconv.PROVIDER, provider(attributes.get("gen_ai.system")) or _CLIENTS[span.scope]
    yield from _cost(attributes)
    given = attributes.get(semconv.RESPONSE_FINISH_REASONS)
    if given is None and semconv.OUTPUT_MESSAGES in attributes:
        given = [one.get("finish_reason") for one in items(attributes[semconv.OUTPUT_MESSAGES])]
    yield semconv.RESPONSE_FINISH_REASONS, finish(given)
    yield semconv.TOOL_DEFINITIONS, definitions(attributes.get(semconv.TOOL_DEFINITIONS))
    said = attributes.get(semconv.OUTPUT_MESSAGES)
    if isinstance(said, str) and "assistantassistant" in said:
        yield semconv.OUTPUT_MESSAGES, [_spoken_once(one) for one in items(said)] or None
    yield from read_bodies(attributes).items()
    yield from read_usage(attributes).items()


def _of_agents_sdk(attributes: Mapping[str, Any], operation: str | None) -> Iterator[tuple[str, Any]]:
    yield semconv.OPERATION, operation
    if operation in _NAMED_BY:
        yield _NAMED_BY[operation], text(attributes.get("name"))
    if operation == semconv.INVOKE_WORKFLOW:
        group = attributes.get("group_id")
        if text(group) and group != "null":
            yield semconv.CONVERSATION_ID, group
            yield semconv.SESSION_ID, group
        for key, value in _mapping(attributes.get("metadata")).items():
            yield semconv.TAG + key, value
    elif operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_CALL_ARGUMENTS, attributes.get("input")
        yield semconv.TOOL_CALL_RESULT, attributes.get("output")
    elif operation == semconv.CHAT:
        yield semconv.PROVIDER, provider(attributes.get("gen_ai.system"))
        yield semconv.REQUEST_MODEL, text(attributes.get("model"))
        yield from _cost(attributes)
        if "events" not in attributes:
            yield semconv.INPUT_MESSAGES, messages(attributes.get("input"))
            yield semconv.OUTPUT_MESSAGES, messages(attributes.get("output"), "assistant")
        yield from read_bodies(attributes).items()
        yield from read_usage(attributes).items()


def _cost(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    cost = number(attributes.get("operation.cost"))
    if cost is not None and cost >= 0:
        yield semconv.COST, cost
        yield semconv.COST_STATUS, "reported"


def _tags(value: Any) -> Iterator[tuple[str, Any]]:
    """ "LLM" is Logfire's own."""
    given = parsed(value)
    if isinstance(given, list):
        yield from ((semconv.TAG + one, "true") for one in given if text(one) and one != "LLM")


def _spoken_once(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Servers that name the role in every chunk make it "assistantassistant…"."""
    repeated = isinstance(said.get("role"), str) and said["role"].startswith("assistant")
    return {**said, "role": "assistant"} if repeated else said


def _is_scrubbed(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_SCRUBBED)


def _mapping(value: Any) -> Mapping[str, Any]:
    given = parsed(value)
    return given if isinstance(given, Mapping) else {}


VOCABULARY = Logfire()
