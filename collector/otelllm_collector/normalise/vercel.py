"""The Vercel AI SDK: `ai.*` names to version 6 (and in 7's legacy integration), the conventions' own since 7."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import inputs, settings
from .messages import definitions, message, messages, part, parts, says, tool_call
from .spec import Foreign
from .tags import labels, tagged
from .values import count, finish, items, number, parsed, provider, raised, text

__all__ = ["VOCABULARY"]

_CLASSIC, _CURRENT = "ai", "gen_ai"
"""Scopes."""

_CALLS = {
    "doGenerate": semconv.CHAT,
    "doStream": semconv.CHAT,
    "doEmbed": semconv.EMBEDDINGS,
    "doRerank": semconv.RERANK,
}
"""What the part of `ai.operationId` after the second dot says."""
_WHOLES = {
    **dict.fromkeys(("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"), semconv.INVOKE_AGENT),
    "ai.toolCall": semconv.EXECUTE_TOOL,
}
"""What goes around calls; those of generate and stream, and of embed, repeat the usage of all the calls inside."""

_TOKENS: dict[str, tuple[str, ...]] = {
    semconv.USAGE_INPUT: ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
    semconv.USAGE_OUTPUT: ("ai.usage.outputTokens", "ai.usage.completionTokens"),
    semconv.USAGE_CACHE_READ: ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
    semconv.USAGE_CACHE_WRITE: ("ai.usage.inputTokenDetails.cacheWriteTokens",),
    semconv.USAGE_REASONING: ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"),
}

_SETTINGS = "ai.settings."
_CONVERSATION = (semconv.CONVERSATION_ID, semconv.SESSION_ID)
_NAMED = {
    "userId": (semconv.USER_ID,),
    "sessionId": _CONVERSATION,
    "chatId": _CONVERSATION,
    "tags": (),
}
_METADATA = ("ai.telemetry.metadata.", "ai.settings.context.")
"""Of version 6 and older, and of version 7."""


class Vercel:
    """`ai.operationId` says what a span is. Its children don't: a tool is the outer's in version 6, the call's in 7."""

    name = "vercel"
    rank = 50
    beats_native: Collection[str] = frozenset(
        {semconv.OPERATION, semconv.PROVIDER, semconv.TOOL_DEFINITIONS, semconv.USAGE_INPUT}
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scopes, neither of which has a version, or by the name that is on every `ai.*` span."""
        return scope in {_CLASSIC, _CURRENT} or "ai.operationId" in keys

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """What is the same under the conventions' own names needs no second telling."""
        attributes = span.attributes
        return {name: value for name, value in _read(span) if value is not None and value != attributes.get(name)}


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    """Of two that name the same the later counts. On version 7's spans `ai.*` names are an addition, which does not
    say what the span is.
    """
    attributes = span.attributes
    if span.scope == _CURRENT and semconv.OPERATION in attributes:
        yield from _of_current(span)
    else:
        operation, id_ = _operation(span)
        yield semconv.OPERATION, operation
        yield semconv.REQUEST_STREAM, True if "stream" in id_.lower() else None
        yield from _named(attributes)
        yield from _said(attributes)
        if operation == semconv.EXECUTE_TOOL:
            yield from _of_tool(attributes)
        elif "ai.values" in attributes or "ai.value" in attributes:
            yield from _of_embeddings(attributes)
    yield from _usage(attributes)
    yield from _timed(span)
    yield from _metadata(attributes)
    if span.is_error:
        yield semconv.ERROR_TYPE, raised(span.events)


def _operation(span: Foreign) -> tuple[str | None, str]:
    """And the id that says so."""
    given = text(span.attributes.get("ai.operationId")) or text(span.attributes.get("operation.name")) or span.name
    id_ = given.partition(" ")[0]
    if not id_.startswith("ai."):
        return None, ""
    call = _CALLS.get(id_.rpartition(".")[2])
    return call or _WHOLES.get(id_, semconv.TASK), id_


def _of_current(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    operation = attributes[semconv.OPERATION]
    if operation == "agent_step":
        yield semconv.OPERATION, semconv.TASK
    elif operation == semconv.EMBEDDINGS and semconv.USAGE_INPUT not in attributes and not span.is_error:
        yield semconv.OPERATION, semconv.TASK  # embedMany: its calls are spans of their own, under the same name
    yield semconv.PROVIDER, provider(attributes.get(semconv.PROVIDER))
    yield semconv.TOOL_DEFINITIONS, definitions(attributes.get(semconv.TOOL_DEFINITIONS))
    first = number(attributes.get("gen_ai.client.operation.time_to_first_chunk"))
    if first is not None and first >= 0:
        yield semconv.TTFT, first
        yield semconv.REQUEST_STREAM, True


def _named(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Who was called, and who asked."""
    function = text(attributes.get("ai.telemetry.functionId")) or text(attributes.get("resource.name"))
    yield semconv.FEATURE, function
    yield semconv.AGENT_NAME, function
    yield semconv.PROVIDER, provider(attributes.get("ai.model.provider")) or provider(attributes.get("gen_ai.system"))
    yield semconv.REQUEST_MODEL, text(attributes.get("ai.model.id"))
    yield semconv.RESPONSE_MODEL, text(attributes.get("ai.response.model"))
    yield semconv.RESPONSE_ID, text(attributes.get("ai.response.id"))
    yield semconv.RESPONSE_FINISH_REASONS, finish(attributes.get("ai.response.finishReason"))
    if "ai.schema" in attributes or "ai.response.object" in attributes:
        yield semconv.OUTPUT_TYPE, "json"
    yield from settings(
        {key[len(_SETTINGS) :]: value for key, value in attributes.items() if key.startswith(_SETTINGS)}
    )


def _said(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A call has its messages; what goes around it the prompt as the app gave it."""
    if "ai.prompt.messages" in attributes:
        yield semconv.INPUT_MESSAGES, messages(attributes["ai.prompt.messages"])
    elif "ai.prompt" in attributes:
        prompt = parsed(attributes["ai.prompt"])
        if isinstance(prompt, Mapping):
            told = _spoken(prompt.get("system"), "system") or ()
            yield semconv.SYSTEM_INSTRUCTIONS, [one for made in told for one in made["parts"]] or None
            prompt = prompt.get("messages") or prompt.get("prompt")
        yield semconv.INPUT_MESSAGES, _spoken(prompt, "user")
    if "ai.prompt.tools" in attributes:
        yield semconv.TOOL_DEFINITIONS, definitions(attributes["ai.prompt.tools"])
    answer = list(_answer(attributes))
    yield semconv.OUTPUT_MESSAGES, [message("assistant", answer)] if answer else None


def _spoken(value: Any, by: str) -> list[dict[str, Any]] | None:
    """A text is no JSON here, even where it looks like some."""
    if isinstance(value, str):
        return [message(by, [says(value)])] if value else None
    return messages(value, by)


def _answer(attributes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reasoning = attributes.get("ai.response.reasoning")
    listed = parsed(reasoning)
    yield from parts(listed if isinstance(listed, list) else reasoning, "reasoning")
    said = text(attributes.get("ai.response.text")) or text(attributes.get("ai.response.object"))
    if said:
        yield says(said)
    for call in items(attributes.get("ai.response.toolCalls")):
        arguments = next((call[key] for key in ("input", "args", "arguments") if key in call), None)
        yield tool_call(call.get("toolName"), arguments, call.get("toolCallId"))
    for file in items(attributes.get("ai.response.files")):
        made = part({"type": "file", **file})
        if made is not None:
            yield made


def _of_tool(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield semconv.TOOL_NAME, text(attributes.get("ai.toolCall.name"))
    yield semconv.TOOL_CALL_ID, text(attributes.get("ai.toolCall.id"))
    yield semconv.TOOL_CALL_ARGUMENTS, parsed(attributes.get("ai.toolCall.args"))
    yield semconv.TOOL_CALL_RESULT, parsed(attributes.get("ai.toolCall.result"))


def _of_embeddings(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of vectors, which are long, only their length."""
    given = attributes.get("ai.values", attributes.get("ai.value"))
    listed = given if isinstance(given, list) else [given]
    yield semconv.INPUT_MESSAGES, inputs([parsed(one) for one in listed])
    vectors = attributes.get("ai.embeddings", attributes.get("ai.embedding"))
    first = parsed(vectors[0] if isinstance(vectors, list) and vectors else vectors)
    if isinstance(first, list) and first and number(first[0]) is not None:
        yield semconv.EMBEDDINGS_DIMENSIONS, len(first)


def _usage(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    found = {
        name: tokens
        for name, keys in _TOKENS.items()
        if (tokens := next((one for key in keys if (one := count(attributes.get(key))) is not None), None)) is not None
    }
    if semconv.USAGE_CACHE_WRITE not in found:
        metadata = parsed(attributes.get("ai.response.providerMetadata"))
        of_anthropic = metadata.get("anthropic") if isinstance(metadata, Mapping) else None
        if isinstance(of_anthropic, Mapping):
            written = count(of_anthropic.get("cacheCreationInputTokens"))
            if written is not None:
                found[semconv.USAGE_CACHE_WRITE] = written
    if semconv.USAGE_INPUT in found:
        cached = found.get(semconv.USAGE_CACHE_READ, 0) + found.get(semconv.USAGE_CACHE_WRITE, 0)
        if found[semconv.USAGE_INPUT] < cached:
            found[semconv.USAGE_INPUT] += cached
    yield from found.items()


def _timed(span: Foreign) -> Iterator[tuple[str, Any]]:
    milliseconds = span.attributes.get("ai.response.msToFirstChunk")
    for event in span.events:
        if event["name"] == "ai.stream.firstChunk" and number(milliseconds) is None:
            milliseconds = event["attributes"].get("ai.response.msToFirstChunk")
            if number(milliseconds) is None:
                milliseconds = (event["time_ns"] - span.start_ns) / 1e6
    first = number(milliseconds)
    if first is not None and first >= 0:
        yield semconv.TTFT, first / 1000


def _metadata(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for prefix in _METADATA:
        yield from tagged(attributes, prefix, _NAMED)
        yield from labels(attributes.get(prefix + "tags"))


VOCABULARY = Vercel()
