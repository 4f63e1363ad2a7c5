"""Haystack's spans: a component's class says what it does, and its usage stands in the answers that it gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import read_usage
from .documents import documents
from .messages import message, parts, says, tool_call, tool_result
from .spec import Foreign
from .values import finish, items, parsed, text

__all__ = ["read_component"]

_COMPONENT = "haystack.component."

_CLASSES = (
    ("ImageGenerator", semconv.IMAGE_GENERATION),
    ("Generator", semconv.CHAT),
    ("Embedder", semconv.EMBEDDINGS),
    ("Retriever", semconv.RETRIEVAL),
    ("Ranker", semconv.RERANK),
    ("ToolInvoker", semconv.EXECUTE_TOOL),
    ("Agent", semconv.INVOKE_AGENT),
)
"""How a component's class is called at its end, and what it does; all others are steps."""

_PROVIDERS = (
    *(("AzureOpenAI", "azure.ai.openai"), ("OpenAI", "openai"), ("Anthropic", "anthropic"), ("Cohere", "cohere")),
    *(("GoogleGenAI", "gcp.gemini"), ("GoogleAI", "gcp.gemini"), ("VertexAI", "gcp.vertex_ai")),
    *(("AmazonBedrock", "aws.bedrock"), ("Mistral", "mistral_ai"), ("Ollama", "ollama")),
)
"""How it is called at its beginning, and whose service it calls."""

_STEPS = {
    "haystack.pipeline.run": semconv.INVOKE_WORKFLOW,
    "haystack.async_pipeline.run": semconv.INVOKE_WORKFLOW,
    "haystack.agent.run": semconv.INVOKE_AGENT,
    "haystack.agent.step.tool": semconv.EXECUTE_TOOL,
}
"""Spans that are of no component, by name."""


def read_component(span: Foreign) -> Iterator[tuple[str, Any]]:
    """The conventions' attributes of one of Haystack's spans."""
    attributes = span.attributes
    kind = text(attributes.get(_COMPONENT + "type"))
    if kind is None:
        yield semconv.OPERATION, _STEPS.get(span.name, semconv.TASK)
        return
    operation = next((one for end, one in _CLASSES if kind.endswith(end)), semconv.TASK)
    yield semconv.OPERATION, operation
    given, made = _mapping(attributes.get(_COMPONENT + "input")), _mapping(attributes.get(_COMPONENT + "output"))
    by = next((name for begin, name in _PROVIDERS if kind.startswith(begin)), None)
    if by is not None and operation in {semconv.CHAT, semconv.EMBEDDINGS, semconv.IMAGE_GENERATION}:
        yield semconv.PROVIDER, by
    if operation in {semconv.CHAT, semconv.EMBEDDINGS}:
        yield from _answered(given, made)
    elif operation in {semconv.RETRIEVAL, semconv.RERANK}:
        if text(given.get("query")):
            yield semconv.RETRIEVAL_QUERY, given["query"]
        found = documents(made.get("documents"))
        if found is not None:
            yield semconv.RETRIEVAL_DOCUMENTS, found
            yield semconv.RETRIEVAL_COUNT if operation == semconv.RETRIEVAL else semconv.RERANK_OUT, len(found)
    elif operation == semconv.INVOKE_AGENT and text(attributes.get(_COMPONENT + "name")):
        yield semconv.AGENT_NAME, attributes[_COMPONENT + "name"]


def _mapping(value: Any) -> Mapping[str, Any]:
    given = parsed(value)
    return given if isinstance(given, Mapping) else {}


def _answered(given: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Replies are messages with a `meta`, or texts with theirs in a list beside them."""
    replies = made.get("replies")
    replies = replies if isinstance(replies, list) else []
    of_replies = [_mapping(one.get("meta", one.get("_meta"))) for one in items(replies)]
    about = of_replies or list(items(made.get("meta")))
    asked = [_message(one) for one in items(given.get("messages"))]
    if text(given.get("prompt")):
        asked = [message("user", [says(given["prompt"])])]
    said = [_message(one) if isinstance(one, Mapping) else message("assistant", parts(one)) for one in replies]
    if asked:
        yield semconv.INPUT_MESSAGES, asked
    if said:
        yield semconv.OUTPUT_MESSAGES, said
    model = next((one["model"] for one in about if text(one.get("model"))), None)
    if model is not None:
        yield semconv.REQUEST_MODEL, model
        yield semconv.RESPONSE_MODEL, model
    if (reasons := finish([one.get("finish_reason") for one in about])) is not None:
        yield semconv.RESPONSE_FINISH_REASONS, reasons
    for one in about:
        if isinstance(one.get("usage"), Mapping):
            yield from read_usage(one["usage"]).items()
            return


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    """A ChatMessage, whose fields have had an underscore."""
    role = text(given.get("role", given.get("_role"))) or "user"
    content = given.get("content", given.get("_content"))
    made: list[dict[str, Any]] = []
    for one in content if isinstance(content, list) else [content]:
        call = one.get("tool_call") if isinstance(one, Mapping) else None
        result = one.get("tool_call_result") if isinstance(one, Mapping) else None
        if isinstance(call, Mapping):
            made.append(tool_call(call.get("tool_name"), call.get("arguments"), call.get("id")))
        elif isinstance(result, Mapping):
            made.append(tool_result(result.get("result"), _mapping(result.get("origin")).get("id")))
        else:
            made += parts(one)
    return message(role, made, given.get("name", given.get("_name")))
