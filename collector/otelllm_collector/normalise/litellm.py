"""LiteLLM's own OpenTelemetry callback, of the SDK and of the proxy, in both its generations."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import read_usage
from .messages import definitions, message, messages, tool_call
from .spec import Foreign
from .values import finish, flag, grouped, items, number, parsed, provider, text

__all__ = ["VOCABULARY"]

_MARKERS = frozenset(
    {
        *("litellm.call_id", "litellm.provider.model", "litellm.cost.total", "litellm.guardrail.name"),
        *("gen_ai.cost.total_cost", "gen_ai.cost.original_cost", "metadata.user_api_key_hash"),
    }
)

_OPERATIONS = {
    **dict.fromkeys(("completion", "acompletion", "completion_with_retries", "responses", "aresponses"), semconv.CHAT),
    **dict.fromkeys(("anthropic_messages", "aanthropic_messages"), semconv.CHAT),
    **dict.fromkeys(("generate_content", "agenerate_content"), semconv.GENERATE_CONTENT),
    **dict.fromkeys(("generate_content_stream", "agenerate_content_stream"), semconv.GENERATE_CONTENT),
    **dict.fromkeys(("text_completion", "atext_completion"), semconv.TEXT_COMPLETION),
    **dict.fromkeys(("embedding", "aembedding"), semconv.EMBEDDINGS),
    **dict.fromkeys(("rerank", "arerank"), semconv.RERANK),
    **dict.fromkeys(("image_generation", "aimage_generation", "image_edit", "aimage_edit"), semconv.IMAGE_GENERATION),
    **dict.fromkeys(("transcription", "atranscription"), semconv.TRANSCRIPTION),
    **dict.fromkeys(("speech", "aspeech"), semconv.SPEECH),
    **dict.fromkeys(("moderation", "amoderation", "litellm.moderation"), semconv.MODERATION),
    **dict.fromkeys(("vector_store_search", "avector_store_search", "query", "aquery"), semconv.RETRIEVAL),
    **dict.fromkeys(("send_message", "asend_message", "asend_message_streaming"), semconv.INVOKE_AGENT),
    "call_mcp_tool": semconv.EXECUTE_TOOL,
}
"""The function that was called, which older releases write as operation unless it is `completion`."""

_PROVIDERS = {
    "unknown": None,
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    **dict.fromkeys(("bedrock_converse", "bedrock_mantle"), "aws.bedrock"),
    **dict.fromkeys(("codestral", "text-completion-codestral"), "mistral_ai"),
    **dict.fromkeys(("text-completion-openai", "custom_openai", "openai_like"), "openai"),
    "anthropic_text": "anthropic",
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "watsonx_text": "ibm.watsonx.ai",
    **dict.fromkeys(("vertex_ai_beta", "vertex_ai-language-models"), "gcp.vertex_ai"),
}
"""LiteLLM's words that nobody else has."""

_FIRST_OF = (
    (semconv.REQUEST_STREAM, flag, ("llm.is_streaming", "litellm.request.streaming")),
    (
        semconv.USER_ID,
        text,
        (
            *("llm.user", "litellm.end_user.id", "litellm.metadata.user_api_key_end_user_id"),
            *("metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
            "litellm.metadata.user_api_key_user_id",
        ),
    ),
    (semconv.COST, number, ("gen_ai.cost.total_cost", "litellm.cost.total")),
    (semconv.COST_INPUT, number, ("gen_ai.cost.input_cost", "litellm.cost.input")),
    (semconv.COST_OUTPUT, number, ("gen_ai.cost.output_cost", "litellm.cost.output")),
    (semconv.SESSION_ID, text, (semconv.CONVERSATION_ID,)),
)
"""What is read of a key, the first that says something. Costs of what was cached and of reasoning are within these."""

_CALLS = frozenset({semconv.REQUEST_MODEL, semconv.USAGE_INPUT, "gen_ai.system", "mcp.method.name"})
_TAGS = ("metadata.", "litellm.metadata.", "litellm.team.")
_ASKING = frozenset({"tool_call", "tool_use", "function_call"})
_NO_TAGS = frozenset({"", "[]", "{}", "None", "null"})
_HIDDEN = frozenset(
    {"metadata.usage_object", "metadata.user_api_key_hash", "litellm.metadata.user_api_key_hash"}
    | {key for name, _, keys in _FIRST_OF if name == semconv.USER_ID for key in keys}
)
_USAGE = "metadata.usage_object"
_USAGE_LIMIT = 20_000
"""Characters: what is longer is no usage."""


class LiteLlm:
    """Scope `litellm`, or what OTEL_TRACER_NAME says. `litellm_request`, or the proxy's own span where there is no
    such, is the call; `raw_gen_ai_request` below it is the same call once more.
    """

    name = "litellm"
    rank = 55
    beats_native: Collection[str] = frozenset(
        {
            *(semconv.OPERATION, semconv.PROVIDER, semconv.REQUEST_MODEL, semconv.RESPONSE_FINISH_REASONS),
            *(semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES),
        }
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or under another name, by names of its own."""
        return scope == "litellm" or not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Spans without an operation are the raw exchange, guardrails, and services like a cache or a database."""
        attributes = span.attributes
        given = text(attributes.get(semconv.OPERATION)) or text(attributes.get("llm.request.type"))
        if given is None:
            if "guardrail_name" in attributes or "litellm.guardrail.name" in attributes:
                return {semconv.OPERATION: "guardrail"}
            # Its callbacks for other backends write calls in those' names.
            return {semconv.OPERATION: semconv.TASK} if _CALLS.isdisjoint(attributes) else {}
        found: dict[str, Any] = {}
        operation = _OPERATIONS.get(given) or (semconv.TASK if given.startswith("litellm.") else given)
        if operation != attributes.get(semconv.OPERATION):
            found[semconv.OPERATION] = operation
        found.update(_whose(attributes))
        for name, read, keys in _FIRST_OF:
            made = next((one for key in keys if key in attributes and (one := read(attributes[key])) is not None), None)
            if made is not None:
                found[name] = made
        if semconv.COST in found:
            found[semconv.COST_STATUS] = "reported"
        if semconv.RESPONSE_FINISH_REASONS in attributes:
            found[semconv.RESPONSE_FINISH_REASONS] = finish(attributes[semconv.RESPONSE_FINISH_REASONS])
        found.update(read_usage(_literal(attributes.get(_USAGE))))
        found.update(_content(attributes))
        found.update(_tags(attributes))
        return {name: value for name, value in found.items() if value is not None or name == semconv.PROVIDER}


def _whose(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Provider and model: a model's name may begin with its provider's."""
    asked = text(attributes.get(semconv.REQUEST_MODEL))
    full = text(attributes.get("litellm.provider.model"))
    word = text(attributes.get("gen_ai.system")) or text(attributes.get(semconv.PROVIDER))
    by = _provider(word)
    first, slash, _ = (full or "").partition("/")
    if by is None and slash:
        by = _provider(first)
    yield semconv.PROVIDER, by
    name = asked or full
    first, slash, rest = (name or "").partition("/")
    if name is not None and slash and rest and by is not None and _provider(first) == by:
        name = rest
    if name != asked:
        yield semconv.REQUEST_MODEL, name


def _provider(word: str | None) -> str | None:
    name = (word or "").lower()
    return _PROVIDERS[name] if name in _PROVIDERS else provider(name)


def _literal(given: Any) -> Any:
    """Of usage, all but input and output stands only in the text that Python makes of a dict."""
    made = parsed(given)
    if not isinstance(made, str) or not made.startswith("{") or len(made) > _USAGE_LIMIT:
        return made
    try:
        return ast.literal_eval(made)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _content(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield semconv.INPUT_MESSAGES, _messages(attributes.get(semconv.INPUT_MESSAGES), "user")
    calls = _calls(attributes)
    said = _messages(attributes.get(semconv.OUTPUT_MESSAGES), "assistant", calls)
    if said is None and calls and semconv.OUTPUT_MESSAGES not in attributes:
        said = [message("assistant", calls)]
    yield semconv.OUTPUT_MESSAGES, said
    tools = grouped(attributes, "llm.request.functions.") or grouped(attributes, "gen_ai.tool.")
    yield semconv.TOOL_DEFINITIONS, definitions([one for one in tools if one.get("name")])


def _messages(given: Any, default: str, calls: Any = None) -> list[dict[str, Any]] | None:
    """Parts with the calls and ids that stand beside them. `calls` are the first message's where it has none."""
    shaped = []
    for index, one in enumerate(items(given)):
        inner = {key: value for key, value in one.items() if key != "parts"}
        if isinstance(one.get("parts"), list):
            inner["content"] = one["parts"]
        if inner.get("role") == "tool" and inner.get("tool_call_id") is not None:
            inner["content"] = _spoken(inner.get("content"))
        shaped.append(inner)
        if index == 0 and calls and not _asks(inner):
            content = inner.get("content")
            inner["content"] = [*(content if isinstance(content, list) else [content]), *calls]
    if not shaped:
        return messages(given, default) if isinstance(given, str) and given[:1] not in {"[", "{"} else None
    return messages(shaped, default)


def _asks(given: Mapping[str, Any]) -> bool:
    content = given.get("content")
    in_parts = isinstance(content, list) and any(
        isinstance(one, Mapping) and str(one.get("type")) in _ASKING for one in content
    )
    return bool(given.get("tool_calls") or given.get("function_call")) or in_parts


def _spoken(content: Any) -> Any:
    """A tool's result, which is one part of text."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], Mapping):
        return content[0].get("content", content[0].get("text", content))
    return content


def _calls(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools that were asked for: the output message leaves them out."""
    found = grouped(attributes, "gen_ai.completion.")
    return [
        tool_call(one["function_call.name"], one.get("function_call.arguments"))
        for one in found
        if text(one.get("function_call.name"))
    ]


def _tags(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Whatever the app and the proxy say about a call; names that have no value are written as empty."""
    for key, value in attributes.items():
        if key.startswith(_TAGS) and key not in _HIDDEN and not (value is None or str(value) in _NO_TAGS):
            yield semconv.TAG + key.removeprefix("litellm.").removeprefix("metadata."), value
    if text(attributes.get("litellm.call_id")):
        yield semconv.TAG + "litellm.call_id", attributes["litellm.call_id"]


VOCABULARY = LiteLlm()
