"""AWS Strands: messages in the span's events, of two generations of the conventions, and a framework as provider."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .documents import documents
from .genai import CONTENT
from .message_events import CHOICE, NAMES, ROLES
from .messages import definitions, message, messages, parts
from .spec import Foreign
from .values import count, finish, items, number, parsed, provider, provider_of_model, text

__all__ = ["VOCABULARY"]

_SCOPES = ("strands.telemetry", "strands-agents")
_MARKERS = frozenset({"event_loop.cycle_id", "gen_ai.agent.tools", "gen_ai.tool.json_schema"})
"""With one of these and a time of its own for begin and end a span is Strands' whatever its scope."""
_TIME = "gen_ai.event.start_time"

_CYCLE, _SEARCH = "execute_event_loop_cycle", "memory.search"
_OPERATIONS = {
    _CYCLE: semconv.TASK,
    "invoke_swarm": semconv.INVOKE_WORKFLOW,
    "invoke_graph": semconv.INVOKE_WORKFLOW,
    _SEARCH: semconv.RETRIEVAL,
}

_USAGE = (
    (semconv.USAGE_INPUT, ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
    (semconv.USAGE_OUTPUT, ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    (
        semconv.USAGE_CACHE_READ,
        (semconv.USAGE_CACHE_READ, "gen_ai.usage.cache_read_input_tokens"),
    ),
    (
        semconv.USAGE_CACHE_WRITE,
        (
            *(semconv.USAGE_CACHE_WRITE, "gen_ai.usage.cache_creation.input_tokens"),
            *("gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        ),
    ),
)
"""One of two names of each: the values are equal."""

_REDACTED = "[REDACTED]"
_TOOL_CONTENT = (semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT)


class Strands:
    """Scope `strands.telemetry.tracer`. Agents carry the sums of their calls, and cycles their messages again."""

    name = "strands"
    rank = 57
    beats_native: Collection[str] = frozenset(
        {semconv.OPERATION, semconv.PROVIDER, semconv.USAGE_INPUT, *CONTENT, *_TOOL_CONTENT}
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or where that is lost, by names of its own."""
        return scope.startswith(_SCOPES) or (_TIME in keys and not _MARKERS.isdisjoint(keys))

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """None for content that is redacted, or that the calls inside of a cycle or a tool tell anyway."""
        attributes = span.attributes
        operation = text(attributes.get(semconv.OPERATION)) or ""
        found: dict[str, Any] = {}
        if operation in _OPERATIONS:
            found[semconv.OPERATION] = _OPERATIONS[operation]
        if semconv.PROVIDER in attributes or "gen_ai.system" in attributes:
            found[semconv.PROVIDER] = _provider(attributes)
        session = text(attributes.get(semconv.SESSION_ID))
        if session is not None:
            found[semconv.CONVERSATION_ID] = session
        found.update((name, None) for name in (*CONTENT, *_TOOL_CONTENT) if attributes.get(name) == _REDACTED)
        found.update(_usage(attributes, found.get(semconv.PROVIDER)))
        waited_ms = number(attributes.get("gen_ai.server.time_to_first_token"))
        if waited_ms is not None and waited_ms >= 0:
            found[semconv.TTFT] = waited_ms / 1000
        if operation == _CYCLE:
            found.update(dict.fromkeys(CONTENT))
        elif operation == semconv.EXECUTE_TOOL:
            found.update(_of_tool(span))
            found.update(dict.fromkeys(CONTENT))
        elif operation == _SEARCH:
            found.update(_of_search(span))
        else:
            found.update(_content(span))
        return found


def _provider(attributes: Mapping[str, Any]) -> str | None:
    named = provider(attributes.get(semconv.PROVIDER, attributes.get("gen_ai.system")))
    return named or provider_of_model(attributes.get(semconv.REQUEST_MODEL))


def _usage(attributes: Mapping[str, Any], by: Any) -> Iterator[tuple[str, Any]]:
    """Older releases leave out of the input what Bedrock and Anthropic had cached: their total tells it."""
    counts: dict[str, int] = {}
    for name, keys in _USAGE:
        made = next((one for key in keys if (one := count(attributes.get(key))) is not None), None)
        if made is not None:
            counts[name] = made
    yield from counts.items()
    given, written = counts.get(semconv.USAGE_INPUT), counts.get(semconv.USAGE_OUTPUT)
    cached = counts.get(semconv.USAGE_CACHE_READ, 0) + counts.get(semconv.USAGE_CACHE_WRITE, 0)
    if given is None or not cached:
        return
    total = count(attributes.get("gen_ai.usage.total_tokens"))
    by_habit = total is None and by in {"anthropic", "aws.bedrock"}
    excludes = by_habit or total == given + (written or 0) + cached
    if excludes or given < cached:
        yield semconv.USAGE_INPUT, given + cached


def _blocks(value: Any) -> list[dict[str, Any]]:
    """Bedrock's blocks as parts; what is no list of them is what somebody said, JSON or not."""
    given = parsed(value)
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        return list(parts(given))
    return list(parts(value))


def _content(span: Foreign) -> Iterator[tuple[str, Any]]:
    """What the events say and the attributes don't: of the newer generation one says one thing, and all count."""
    attributes = span.attributes
    inputs: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    system: list[dict[str, Any]] = []
    reasons: list[str] = []
    for event in sorted(span.events, key=lambda one: one["time_ns"]):
        name, of = event["name"], event["attributes"]
        if name == semconv.EVENT_DETAILS:
            inputs += _listed(of.get(semconv.INPUT_MESSAGES), "user")
            outputs += _listed(of.get(semconv.OUTPUT_MESSAGES), "assistant")
            reasons += _reasons(of.get(semconv.OUTPUT_MESSAGES))
            if not system and of.get(semconv.SYSTEM_INSTRUCTIONS) != _REDACTED:
                system = _blocks(of.get(semconv.SYSTEM_INSTRUCTIONS))
        elif name in NAMES and _REDACTED not in (of.get("message"), of.get("content")):
            said = _blocks(of.get("message" if name == CHOICE else "content"))
            if said and name == CHOICE:
                outputs.append(message("assistant", said))
            elif said:
                inputs.append(message(ROLES[name], said))
            if name == CHOICE and text(of.get("finish_reason")):
                reasons.append(of["finish_reason"])
    reasons = reasons or _reasons(attributes.get(semconv.OUTPUT_MESSAGES))
    for key, said in (
        (semconv.INPUT_MESSAGES, inputs),
        (semconv.OUTPUT_MESSAGES, outputs),
        (semconv.SYSTEM_INSTRUCTIONS, system),
    ):
        if span.events and key not in attributes:
            yield key, said or None  # nobody else is to read what is redacted there
    if reasons:
        yield semconv.RESPONSE_FINISH_REASONS, finish(reasons)
    tools = attributes.get(semconv.TOOL_DEFINITIONS)
    if tools is not None and (made := definitions(tools)) is not None:
        yield semconv.TOOL_DEFINITIONS, [_unwrapped(one) for one in made]


def _unwrapped(tool: dict[str, Any]) -> dict[str, Any]:
    """A schema stands under "json" there."""
    schema = tool.get("parameters")
    inner = schema.get("json") if isinstance(schema, Mapping) else None
    return {**tool, "parameters": inner} if isinstance(inner, Mapping) else tool


def _listed(value: Any, default: str) -> list[dict[str, Any]]:
    return [] if value is None or value == _REDACTED else messages(value, default) or []


def _reasons(value: Any) -> list[str]:
    return [one["finish_reason"] for one in items(value) if text(one.get("finish_reason"))]


def _of_tool(span: Foreign) -> Iterator[tuple[str, Any]]:
    """Arguments and result, of the events where the attributes don't tell them: a tool that failed has no attribute."""
    for event in span.events:
        of = event["attributes"]
        for name, value in (
            (semconv.TOOL_CALL_ARGUMENTS, of.get("content") if event["name"] == "gen_ai.tool.message" else None),
            (semconv.TOOL_CALL_RESULT, of.get("message") if event["name"] == CHOICE else None),
            (semconv.TOOL_CALL_ARGUMENTS, _first_part(of.get(semconv.INPUT_MESSAGES), "arguments")),
            (semconv.TOOL_CALL_RESULT, _first_part(of.get(semconv.OUTPUT_MESSAGES), "response")),
        ):
            if value is not None and value != _REDACTED and name not in span.attributes:
                yield name, parsed(value)


def _first_part(value: Any, key: str) -> Any:
    said = [one for each in items(value) for one in items(each.get("parts"))]
    return said[0].get(key) if said else None


def _of_search(span: Foreign) -> Iterator[tuple[str, Any]]:
    for event in span.events:
        content = event["attributes"].get("content")
        if event["name"] == "memory.query" and text(content):
            yield semconv.RETRIEVAL_QUERY, content
        elif event["name"] == "memory.results" and (made := documents(content)) is not None:
            yield semconv.RETRIEVAL_DOCUMENTS, made


VOCABULARY = Strands()
