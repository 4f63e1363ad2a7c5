"""pydantic-ai, formats 1 to 6: agents, tools and calls of models, each format with other names for their content."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .message_events import answered, conversation
from .messages import definitions, message, says
from .repair import repaired
from .spec import Foreign
from .values import count, finish, found, items, number, parsed, text

__all__ = ["VOCABULARY"]

_DETAILS = {
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "cache_write_tokens": semconv.USAGE_CACHE_WRITE,
    "reasoning_tokens": semconv.USAGE_REASONING,
    "thoughts_tokens": semconv.USAGE_REASONING,
    "input_audio_tokens": semconv.USAGE_AUDIO_INPUT,
    "output_audio_tokens": semconv.USAGE_AUDIO_OUTPUT,
    "cache_audio_read_tokens": semconv.USAGE_AUDIO_CACHE_READ,
}
"""What stands after `gen_ai.usage.details.`; `audio_tokens` there may be of either side."""

_AGENT = frozenset({"model_name", "final_result", "pydantic_ai.all_messages", "all_messages_events"})
_TOOL = frozenset({"tool_arguments", "tool_response", semconv.TOOL_CALL_ID})
_MARKERS = frozenset(
    {*_AGENT, "agent_name", "model_request_parameters", "gen_ai.agent.call.id", "gen_ai.aggregated_usage.input_tokens"}
)
_NAMES = {
    "chat": semconv.CHAT,
    "agent": semconv.INVOKE_AGENT,
    "invoke_agent": semconv.INVOKE_AGENT,
    "execute_tool": semconv.EXECUTE_TOOL,
}
"""A span's name by its first word, where no attribute tells what it is."""


class PydanticAi:
    """Scope `pydantic-ai`. Agents repeat the sums of their calls, under the calls' own names in older releases: they
    are no calls here, so nothing is summed twice.
    """

    name = "pydantic-ai"
    rank = 40
    beats_native: Collection[str] = ()

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or where that is lost, by two of its names: one alone may be anybody's."""
        return scope == "pydantic-ai" or len(_MARKERS.intersection(keys)) > 1

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """The names of every format. Messages under the conventions' own names are left to `older_genai`."""
        attributes = span.attributes
        operation = text(attributes.get(semconv.OPERATION)) or _operation(span)
        made = {
            semconv.OPERATION: operation,
            semconv.AGENT_NAME: text(attributes.get("agent_name")),
            semconv.TTFT: number(attributes.get("gen_ai.client.operation.time_to_first_chunk")),
            semconv.TOOL_CALL_ARGUMENTS: attributes.get("tool_arguments"),
            semconv.TOOL_CALL_RESULT: attributes.get("tool_response"),
            semconv.TAG + "gen_ai.agent.call.id": text(attributes.get("gen_ai.agent.call.id")),
        }
        if operation == semconv.INVOKE_AGENT:
            made[semconv.REQUEST_MODEL] = text(attributes.get("model_name"))
            made.update(_of_agent(attributes))
        else:
            made.update(_of_call(attributes))
        made.update(_usage(attributes))
        return {name: value for name, value in made.items() if value is not None}


def _operation(span: Foreign) -> str | None:
    """Format 1 and 2 of older releases name it on calls of models only."""
    keys = span.attributes.keys()
    if not _AGENT.isdisjoint(keys):
        return semconv.INVOKE_AGENT
    if not _TOOL.isdisjoint(keys):
        return semconv.EXECUTE_TOOL
    if "tools" in keys or span.name.startswith("running "):
        return semconv.TASK
    return _NAMES.get(span.name.partition(" ")[0])


def _of_agent(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The conversation of a whole run: its end is the answer, unless the answer stands by itself."""
    given = attributes.get("pydantic_ai.all_messages")
    said = repaired(given) or list(items(given)) or _events(attributes.get("all_messages_events")).input or []
    before, answer = answered(said)
    result = attributes.get("final_result")
    if isinstance(result, str) and result:
        answer = [message("assistant", [says(result)])]
    yield semconv.INPUT_MESSAGES, before or None
    yield semconv.OUTPUT_MESSAGES, answer or None


def _of_call(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "events" in attributes:
        said = _events(attributes["events"])
        yield semconv.INPUT_MESSAGES, said.input
        yield semconv.OUTPUT_MESSAGES, said.output
        yield semconv.RESPONSE_FINISH_REASONS, finish(said.finish) if said.finish else None
    if semconv.TOOL_DEFINITIONS not in attributes and "model_request_parameters" in attributes:
        yield semconv.TOOL_DEFINITIONS, _tools(attributes["model_request_parameters"])


def _events(value: Any) -> Any:
    return conversation((one.get("event.name"), one) for one in items(value))


def _tools(value: Any) -> list[dict[str, Any]] | None:
    """Tools that do something and those that only give an answer its shape."""
    given = parsed(value)
    if not isinstance(given, Mapping):
        return None
    tools = [*items(given.get("function_tools")), *items(given.get("output_tools"))]
    return definitions(
        [
            {**found(name=one.get("name"), description=one.get("description")), "parameters": parsed(schema)}
            for one in tools
            if (schema := one.get("parameters_json_schema")) is not None or one.get("name")
        ]
    )


def _usage(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Details, and the price that pydantic-ai computed: nothing, it says, for usage that it could not read."""
    for key, name in _DETAILS.items():
        if (given := attributes.get(f"gen_ai.usage.details.{key}")) is not None:
            yield name, count(given)
    cost = number(attributes.get("operation.cost"))
    used = (attributes.get(name) for name in (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT))
    if cost is not None and cost >= 0 and (cost > 0 or any(one is not None for one in used)):
        yield semconv.COST, cost
        yield semconv.COST_STATUS, "reported"


VOCABULARY = PydanticAi()
