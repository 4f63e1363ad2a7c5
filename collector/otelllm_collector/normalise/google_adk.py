"""Google's Agent Development Kit, old (`call_llm` with its request and response as JSON) and new (the conventions')."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import read_usage
from .messages import definitions, messages, parts
from .spec import Foreign
from .values import count, finish, items, parsed, provider, provider_of_model, text

__all__ = ["VOCABULARY"]

_SCOPE = "gcp.vertex.agent"
_PREFIX = _SCOPE + "."
_REQUEST, _RESPONSE = _PREFIX + "llm_request", _PREFIX + "llm_response"
_ARGUMENTS, _RESULT, _DATA = _PREFIX + "tool_call_args", _PREFIX + "tool_response", _PREFIX + "data"
_SESSION, _EVENT = _PREFIX + "session_id", _PREFIX + "event_id"
_THOUGHTS = "gen_ai.usage.experimental.reasoning_tokens"
_MARKERS = frozenset({_REQUEST, _RESPONSE, _ARGUMENTS, _RESULT, _DATA, _SESSION, _EVENT, _PREFIX + "invocation_id"})

_NAMES = {
    "invocation": semconv.INVOKE_WORKFLOW,
    "invoke_workflow": semconv.INVOKE_WORKFLOW,
    "agent_run": semconv.INVOKE_AGENT,
    "invoke_agent": semconv.INVOKE_AGENT,
    "call_llm": semconv.GENERATE_CONTENT,
    "execute_tool": semconv.EXECUTE_TOOL,
    "send_data": semconv.TASK,
}
"""A span's name by its first word, where no attribute tells what it is."""

_NOTHING = frozenset({"", "{}", "[]", "N/A", "<not specified>", "<not serializable>", "<elided>"})
"""What stands where content was not captured or is none."""
_MERGED = "(merged tools)"


class GoogleAdk:
    """Scope `gcp.vertex.agent`, which is no provider although old spans name it as one."""

    name = "google-adk"
    rank = 56
    beats_native: Collection[str] = frozenset(
        {semconv.OPERATION, semconv.USAGE_OUTPUT, semconv.TOOL_TYPE, semconv.TOOL_DEFINITIONS}
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or where that is lost, by names of its own."""
        return scope == _SCOPE or not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Old names first; of new ones only what is wrong."""
        attributes = span.attributes
        found: dict[str, Any] = {semconv.OPERATION: _operation(span)}
        session = text(attributes.get(_SESSION)) or text(attributes.get(semconv.CONVERSATION_ID))
        found[semconv.CONVERSATION_ID] = found[semconv.SESSION_ID] = session
        if span.name.startswith("agent_run"):
            found[semconv.AGENT_NAME] = text(span.name.partition(" ")[2].strip("[] "))
        if text(attributes.get("gen_ai.system")):
            found[semconv.PROVIDER] = _provider(attributes)
        found.update(_of_tool(attributes))
        found.update(_of_call(attributes))
        if (data := _said(attributes.get(_DATA))) is not None:
            found[semconv.INPUT_MESSAGES] = messages(data)
        return {name: value for name, value in found.items() if value is not None}


def _operation(span: Foreign) -> str | None:
    attributes = span.attributes
    given = text(attributes.get(semconv.OPERATION))
    if given is None:
        return _NAMES.get(span.name.partition(" ")[0])
    # Each of the tools has a span of its own.
    is_merged = given == semconv.EXECUTE_TOOL and attributes.get(semconv.TOOL_NAME) == _MERGED
    return semconv.TASK if is_merged else None


def _provider(attributes: Mapping[str, Any]) -> str | None:
    """By the model, where the service can only be told so: ADK calls others' models too."""
    named = provider(attributes["gen_ai.system"])
    of_model = provider_of_model(attributes.get(semconv.REQUEST_MODEL))
    return named if of_model is None or of_model.startswith("gcp.") else of_model


def _said(value: Any) -> Any:
    """Content that says something, out of its JSON."""
    if value is None or (isinstance(value, str) and value.strip() in _NOTHING):
        return None
    return parsed(value)


def _of_tool(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield semconv.TOOL_CALL_ARGUMENTS, _said(attributes.get(_ARGUMENTS))
    yield semconv.TOOL_CALL_RESULT, _said(attributes.get(_RESULT))
    kind = text(attributes.get(semconv.TOOL_TYPE))
    if kind is not None and kind.endswith("Tool"):  # the class's name
        yield semconv.TOOL_TYPE, "function"
    if semconv.TOOL_DEFINITIONS in attributes:
        given = parsed(attributes[semconv.TOOL_DEFINITIONS])
        if isinstance(given, list) and any("parameters" in one and one["parameters"] is None for one in items(given)):
            yield semconv.TOOL_DEFINITIONS, definitions(given)


def _of_call(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    request, response = _said(attributes.get(_REQUEST)), _said(attributes.get(_RESPONSE))
    if isinstance(request, Mapping):
        yield semconv.REQUEST_MODEL, text(request.get("model"))
        yield semconv.INPUT_MESSAGES, messages(request.get("contents"))
        config = request.get("config")
        if isinstance(config, Mapping):
            system = config.get("system_instruction")
            given = system.get("parts") if isinstance(system, Mapping) and "parts" in system else system
            yield semconv.SYSTEM_INSTRUCTIONS, list(parts(given)) or None
            declared = [
                one
                for tool in items(config.get("tools"))
                for one in items(tool.get("function_declarations") or tool.get("functionDeclarations"))
            ]
            yield semconv.TOOL_DEFINITIONS, definitions(declared)
    thoughts = count(attributes.get(_THOUGHTS))  # only where the output leaves them out
    if isinstance(response, Mapping):
        yield semconv.RESPONSE_MODEL, text(response.get("model_version") or response.get("modelVersion"))
        yield semconv.RESPONSE_FINISH_REASONS, finish(response.get("finish_reason") or response.get("finishReason"))
        if isinstance(response.get("content"), Mapping):
            yield semconv.OUTPUT_MESSAGES, messages([response["content"]], "assistant")
        usage = response.get("usage_metadata") or response.get("usageMetadata")
        if isinstance(usage, Mapping):
            yield from read_usage(usage).items()
            return
    if thoughts is not None:
        yield semconv.USAGE_REASONING, thoughts
        written = count(attributes.get(semconv.USAGE_OUTPUT))
        yield semconv.USAGE_OUTPUT, None if written is None else written + thoughts


VOCABULARY = GoogleAdk()
