"""Our names and message shapes beside those of OpenTelemetry's own packages: a new release shows what moved."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from otelllm import semconv
from otelllm.openai_format.items import input_messages, output_parts
from otelllm.openai_format.messages import chat_message, tool_definitions

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # their names are marked so while they move house
    from opentelemetry.semconv._incubating.attributes import aws_attributes, gen_ai_attributes, openai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
    from opentelemetry.util.genai import types

# In the conventions' repository or in util-genai's code, but in no release of the table. One that appears there
# fails the test below: then it leaves this list.
NOT_RELEASED = {
    "gen_ai.client.inference.operation.details", "gen_ai.client.operation.exception", "gen_ai.evaluation.result",
    "gen_ai.guardrail.component.name", "gen_ai.guardrail.result", "gen_ai.guardrail.result.type",
    "gen_ai.guardrail.result.value",
    "gen_ai.execute_tool.duration", "gen_ai.invoke_agent.duration", "gen_ai.invoke_workflow.duration",
    "gen_ai.prompt.variable.", "gen_ai.prompt.version", "gen_ai.request.previous_response.id",
    "gen_ai.request.reasoning.level", "gen_ai.retrieval.top_k", "gen_ai.usage.cache_write.input_tokens",
    *(f"gen_ai.usage.{modality}.{kind}" for modality in ("text", "image", "audio")
      for kind in ("input_tokens", "output_tokens", "cache_read.input_tokens")),
}  # fmt: skip


def _names(*modules: Any) -> set[str]:
    return {value for module in modules for name, value in vars(module).items()
            if name.isupper() and isinstance(value, str)}  # fmt: skip


def test_every_name_is_the_conventions_own() -> None:
    """What we call `gen_ai.*`, `openai.*` or `aws.*` is called so there, the declared newest ones apart."""
    ours = {name for name in _names(semconv) if name.startswith(("gen_ai.", "openai.", "aws."))}
    theirs = _names(aws_attributes, gen_ai_attributes, openai_attributes, gen_ai_metrics)
    assert ours - theirs == NOT_RELEASED


def test_names_are_given_once() -> None:
    """No attribute has two names of ours."""
    names = [value for name, value in vars(semconv).items() if name.isupper()]
    assert len(names) == len(set(names))


PARTS: dict[str, type] = {
    "text": types.TextPart,
    "reasoning": types.ReasoningPart,
    "tool_call": types.ToolCallRequestPart,
    "tool_call_response": types.ToolCallResponsePart,
    "server_tool_call": types.ServerToolCallPart,
    "uri": types.UriPart,
    "file": types.FilePart,
}
CHAT: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "name": "ada", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}},
    ]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a lamp"},
]  # fmt: skip
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "a lamp"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "lamp"}},
]


def _as_theirs(part: dict[str, Any]) -> Any:
    kind = PARTS[part["type"]]
    given = {name: value for name, value in part.items() if name != "type"}
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]  # dataclasses, all of them
        if name in {"id", "mime_type"}:
            given.setdefault(name, None)
    return kind(**given)


@pytest.mark.parametrize("message", [*map(chat_message, CHAT), *input_messages(ITEMS)], ids=str)
def test_messages_are_what_util_genai_builds(message: Any) -> None:
    """Each part has the fields of OpenTelemetry's own class, no more and no fewer."""
    built = types.InputMessage(
        role=message["role"], parts=[_as_theirs(part) for part in message["parts"]], name=message.get("name")
    )
    assert built.role in {"system", "user", "assistant", "tool"}
    assert [part.type for part in built.parts] == [part["type"] for part in message["parts"]]


def test_tool_calls_have_parsed_arguments() -> None:
    """An object where they are JSON; the raw string where they are not."""
    (good,) = output_parts({"type": "function_call", "call_id": "c", "name": "n", "arguments": '{"a": 1}'})
    (bad,) = output_parts({"type": "function_call", "call_id": "c", "name": "n", "arguments": '{"a": '})
    assert (good["arguments"], bad["arguments"]) == ({"a": 1}, '{"a": ')


def test_tool_definitions_are_what_util_genai_builds() -> None:
    """Chat's nested and Responses' flat form alike."""
    schema = {"type": "object", "properties": {}}
    nested = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": schema}}
    flat = {"type": "function", "name": "look", "description": "Look.", "parameters": schema}
    wanted = types.FunctionToolDefinition(name="look", description="Look.", parameters=schema)
    for (made,) in (tool_definitions([nested]), tool_definitions([flat])):
        assert types.FunctionToolDefinition(**{k: v for k, v in made.items() if k != "type"}) == wanted
