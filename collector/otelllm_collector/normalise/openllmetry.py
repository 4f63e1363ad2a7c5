"""OpenLLMetry's instrumentations and Traceloop's SDK: `traceloop.*`, and names for what the conventions had none for.

One release writes today's conventions in some packages and flattened messages (`gen_ai.prompt.0.content`) in others.
What any older generation of the conventions shares with it is read in `older_genai.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from otelllm import semconv
from otelllm.hosts import endpoint_of

from .messages import definitions, joined, messages, says
from .openllmetry_bodies import RESULTS, arguments, flattened, read_rerank, read_search, result, told_step
from .repair import repaired
from .spec import Foreign
from .tags import tagged
from .values import count, finish, flag, grouped, number, parsed, provider, provider_of_model, raised, text

__all__ = ["VOCABULARY"]

_TRACELOOP = "traceloop."
_KIND, _NAME = "traceloop.span.kind", "traceloop.entity.name"
_GIVEN, _ANSWER = "traceloop.entity.input", "traceloop.entity.output"
_ASSOCIATED = "traceloop.association.properties."
_VARIABLES = "traceloop.prompt.template_variables"
_TYPE = "llm.request.type"
_BASE = "gen_ai.openai.api_base"
_PROMPTS, _COMPLETIONS, _FUNCTIONS = "gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions."

_ANTHROPIC = "opentelemetry.instrumentation.anthropic"
"""OpenTelemetry's own instrumentation has this scope too, but no total of tokens."""
_TOTAL = "gen_ai.usage.total_tokens"
_STORES = frozenset(
    f"opentelemetry.instrumentation.{library}"
    for library in ("chromadb", "lancedb", "marqo", "milvus", "pinecone", "qdrant", "weaviate")
)
_LIBRARIES = (
    *("agno", "alephalpha", "bedrock", "cohere", "crewai", "google_generativeai", "groq", "haystack", "llamaindex"),
    *("mistralai", "ollama", "openai.v0", "openai.v1", "replicate", "sagemaker", "together", "transformers"),
    *("voyageai", "watsonx", "writer"),
)
"""Those whose scope is nobody else's: OpenTelemetry's own instrumentations begin their scopes alike."""
_SCOPES = frozenset(
    {"traceloop.tracer", *_STORES, *(f"opentelemetry.instrumentation.{library}" for library in _LIBRARIES)}
)
_MARKERS = frozenset(
    {
        *(_TYPE, _BASE, "llm.is_streaming", "gen_ai.is_streaming", "llm.usage.total_tokens"),
        *(f"{_PROMPTS}0.{key}" for key in ("role", "content", "user")),
        *(f"{_COMPLETIONS}0.{key}" for key in ("role", "content", "finish_reason", "tool_calls.0.name")),
    }
)

_TYPES = {
    "chat": semconv.CHAT,
    "completion": semconv.TEXT_COMPLETION,
    "embedding": semconv.EMBEDDINGS,
    "rerank": semconv.RERANK,
}
"""Of `llm.request.type`."""
_KINDS = {
    "workflow": semconv.INVOKE_WORKFLOW,
    "agent": semconv.INVOKE_AGENT,
    "tool": semconv.EXECUTE_TOOL,
}
"""Of `traceloop.span.kind`; tasks and what is new are plain steps."""
_NAMED = {
    "chat": semconv.CHAT,
    "response": semconv.CHAT,
    "completion": semconv.TEXT_COMPLETION,
    "embeddings": semconv.EMBEDDINGS,
    "rerank": semconv.RERANK,
}
"""How the name of a model call's span ends, which is all that is left of a call without content."""
_CALLS = frozenset({*_TYPES.values(), semconv.GENERATE_CONTENT})
_NAMED_BY = {semconv.EXECUTE_TOOL: semconv.TOOL_NAME, semconv.INVOKE_AGENT: semconv.AGENT_NAME}
_STEPS = frozenset({semconv.INVOKE_WORKFLOW, semconv.INVOKE_AGENT, semconv.TASK})
_CHUNKS = frozenset({"gen_ai.content.completion.chunk", "llm.content.completion.chunk"})
_SEARCHES = frozenset({"query", "search", "search_batch", "query_points", "query_batch_points", "hybrid_search"})
"""Of a vector store, at the end of a span's name."""
_CONVERSATIONS = ("conversation_id", "thread_id", "chat_id", "session_id")
_SESSIONS = ("session_id", "chat_id", "conversation_id", "thread_id")
_PLACED: Mapping[str, Collection[str]] = {"user_id": (), **dict.fromkeys(_SESSIONS, ())}
"""Association properties that are no tags."""


def _spelled(value: Any) -> str | None:
    """A text or a number as text; "None" is what Python calls nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return text(str(value)) if value != "None" else None


def _yes(value: Any) -> bool | None:
    """Only what was asked for."""
    return flag(value) or None


def _texts(value: Any) -> list[str] | None:
    given = parsed(value)
    listed = given if isinstance(given, list) else [given]
    return [one for one in listed if _spelled(one) == one] or None


_NAMES: tuple[tuple[str, Callable[[Any], Any], tuple[str, ...]], ...] = (
    (semconv.USAGE_INPUT, count, ("llm.usage.prompt_tokens",)),
    (semconv.USAGE_OUTPUT, count, ("llm.usage.completion_tokens",)),
    (semconv.USAGE_REASONING, count, ("llm.usage.reasoning_tokens",)),
    (semconv.REQUEST_STREAM, _yes, ("gen_ai.is_streaming", "llm.is_streaming")),
    (semconv.USER_ID, _spelled, (f"{_ASSOCIATED}user_id", "gen_ai.user", "llm.user")),
    (semconv.CONVERSATION_ID, _spelled, tuple(_ASSOCIATED + key for key in _CONVERSATIONS)),
    (semconv.SESSION_ID, _spelled, tuple(_ASSOCIATED + key for key in _SESSIONS)),
    (semconv.REQUEST_MAX_TOKENS, count, ("gen_ai.request.max_completion_tokens",)),
    (semconv.REQUEST_CHOICE_COUNT, count, ("gen_ai.request.n",)),
    (
        semconv.REQUEST_REASONING_LEVEL,
        _spelled,
        ("gen_ai.request.reasoning_effort", "llm.request.reasoning_effort"),
    ),
    (semconv.REQUEST_TOP_K, number, ("llm.top_k",)),
    (semconv.REQUEST_FREQUENCY_PENALTY, number, ("llm.frequency_penalty",)),
    (semconv.REQUEST_PRESENCE_PENALTY, number, ("llm.presence_penalty",)),
    (semconv.REQUEST_STOP_SEQUENCES, _texts, ("llm.chat.stop_sequences",)),
    (
        semconv.RESPONSE_FINISH_REASONS,
        finish,
        ("gen_ai.response.stop_reason", "llm.response.finish_reason", "llm.response.stop_reason"),
    ),
    (semconv.OPENAI_SYSTEM_FINGERPRINT, text, ("gen_ai.openai.system_fingerprint",)),
    (semconv.WORKFLOW_NAME, text, ("traceloop.workflow.name",)),
    (semconv.PROMPT_NAME, text, ("traceloop.prompt.key",)),
    (semconv.PROMPT_VERSION, _spelled, ("traceloop.prompt.version",)),
    (
        semconv.RETRIEVAL_TOP_K,
        count,
        (
            *("db.vector.query.top_k", "pinecone.query.top_k", "db.chroma.query.n_results"),
            *("db.milvus.search.limit", "db.milvus.query.limit"),
        ),
    ),
    (semconv.RETRIEVAL_QUERY, text, ("db.marqo.search.query",)),
    *((semconv.TAG + key, _spelled, (_TRACELOOP + key,)) for key in ("entity.path", "correlation.id")),
    (f"{semconv.TAG}entity.version", count, ("traceloop.entity.version",)),
)
"""A name of the conventions, how a value is read, and where: the first that says something."""


class OpenLlmetry:
    """Spans of model calls by a dozen instrumentations; workflows, agents, tools and tasks by decorators, which carry
    no usage; and association properties, which ride on any span under them.
    """

    name = "openllmetry"
    rank = 80
    beats_native: Collection[str] = frozenset({semconv.PROVIDER, semconv.OUTPUT_MESSAGES, semconv.TOOL_DEFINITIONS})

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope or a name of its own; flattened messages are nobody else's invention."""
        return (
            scope in _SCOPES
            or (scope == _ANTHROPIC and _TOTAL in keys)
            or not _MARKERS.isdisjoint(keys)
            or any(key.startswith((_TRACELOOP, _FUNCTIONS)) for key in keys)
        )

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Where two name the same the later counts."""
        found = {name: value for name, value in _read(span) if value is not None}
        native = span.attributes.get(semconv.PROVIDER)
        if semconv.PROVIDER not in found and text(native) and provider(native) is None:
            found[semconv.PROVIDER] = None  # a framework is no provider
        return found


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    operation = _operation(span)
    yield semconv.OPERATION, operation
    for name, read, keys in _NAMES:
        for key in keys:
            if key in attributes and (value := read(attributes[key])) is not None:
                yield name, value
                break
    yield semconv.PROVIDER, _provider(attributes, operation)
    if attributes.get("gen_ai.request.structured_output_schema"):
        yield semconv.OUTPUT_TYPE, "json"
    yield from _said(span, operation)
    yield semconv.TOOL_DEFINITIONS, _tools(span)
    yield from _entity(attributes, operation)
    yield from tagged(attributes, _ASSOCIATED, _PLACED)
    variables = parsed(attributes[_VARIABLES]) if _VARIABLES in attributes else None
    if isinstance(variables, Mapping):
        for key, value in variables.items():
            yield semconv.PROMPT_VARIABLE + key, value if _spelled(value) else orjson.dumps(value).decode()
    yield from _streamed(span)
    yield from read_search(span.events)
    if span.is_error:
        yield semconv.ERROR_TYPE, raised(span.events)


def _operation(span: Foreign) -> str | None:
    attributes = span.attributes
    native = text(attributes.get(semconv.OPERATION))
    if native is not None:
        return native
    asked = _TYPES.get((text(attributes.get(_TYPE)) or "").lower())
    last = span.name.rpartition(".")[2]
    if asked == semconv.TEXT_COMPLETION and (last == "chat" or (_is_anthropic(span) and last != "completion")):
        return semconv.CHAT  # its chats were called completions
    if asked is not None:
        return asked
    kind = text(attributes.get(_KIND))
    if kind is not None:
        return _KINDS.get(kind.strip().lower(), semconv.TASK)
    if (span.scope in _STORES and last in _SEARCHES) or any(event["name"] in RESULTS for event in span.events):
        return semconv.RETRIEVAL
    is_call = semconv.REQUEST_MODEL in attributes or span.scope == _ANTHROPIC or span.scope in _SCOPES
    return _NAMED.get(last) if is_call else None


def _is_anthropic(span: Foreign) -> bool:
    by = span.attributes.get("gen_ai.system")
    return span.scope == _ANTHROPIC or (isinstance(by, str) and by.lower() == "anthropic")


def _provider(attributes: Mapping[str, Any], operation: str | None) -> str | None:
    """Whose service: many are called by OpenAI's client. A framework's name says nothing, the model's then does."""
    native = text(attributes.get(semconv.PROVIDER))
    named = native or text(attributes.get("gen_ai.system"))
    by = provider(named)
    base = text(attributes.get(_BASE))
    if by in {None, "openai"} and base is not None:
        with suppress(ValueError):
            by = endpoint_of(base, "openai").provider
    if by is None and operation in _CALLS:
        by = provider(attributes.get(f"{_ASSOCIATED}ls_provider"))
        if by is None and named is not None:
            by = provider_of_model(attributes.get(semconv.REQUEST_MODEL))
    return None if by == native else by


def _said(span: Foreign, operation: str | None) -> Iterator[tuple[str, Any]]:
    """What was said: the flattened form, or the conventions' own with its faults mended."""
    attributes = span.attributes
    if semconv.INPUT_MESSAGES not in attributes:
        if operation == semconv.RERANK:
            yield from read_rerank(grouped(attributes, _PROMPTS), grouped(attributes, _COMPLETIONS))
            return
        yield semconv.INPUT_MESSAGES, messages(flattened(attributes, _PROMPTS, "user"))
    if semconv.OUTPUT_MESSAGES in attributes:
        yield semconv.OUTPUT_MESSAGES, _mended(span.structure(semconv.OUTPUT_MESSAGES))
        return
    answers = flattened(attributes, _COMPLETIONS, "assistant")
    if answers:
        yield semconv.OUTPUT_MESSAGES, messages(answers, "assistant")
        yield semconv.RESPONSE_FINISH_REASONS, finish([one.get("finish_reason") for one in answers])


def _mended(given: Any) -> list[Any] | None:
    """Answers without parts that say nothing, and with those that the conventions have no name for; None where there
    is nothing to mend.
    """
    if not isinstance(given, list):
        return None
    made: list[Any] = []
    is_new = False
    for one in given:
        parts = one.get("parts") if isinstance(one, Mapping) else None
        if not isinstance(parts, list):
            made.append(one)
            continue
        kept = [part for part in map(_part, parts) if part is not None]
        is_same = len(kept) == len(parts) and all(new is old for new, old in zip(kept, parts, strict=True))
        is_new = is_new or not is_same
        if kept:
            made.append(one if is_same else {**one, "parts": kept})
    return (repaired(made, "assistant") or made) if is_new and made else None


def _part(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    kind, content = given.get("type"), given.get("content")
    if kind == "text" and not content and not given.get("text"):
        return None  # a streamed tool call begins with an empty text
    if kind == "refusal" and text(content):
        return says(content)
    if kind == "reasoning" and isinstance(content, str) and content.startswith("["):
        summary = joined(content)  # the Responses API's summary, as JSON text
        return says(summary, "reasoning") if text(summary) and summary != content else given
    return given


def _tools(span: Foreign) -> list[dict[str, Any]] | None:
    """Definitions in the conventions' shape; None where they are in it."""
    if semconv.TOOL_DEFINITIONS in span.attributes:
        given = span.structure(semconv.TOOL_DEFINITIONS)
        listed = given if isinstance(given, list) else [given]
        is_raw = any(isinstance(one, Mapping) and ("type" not in one or "function" in one) for one in listed)
        return definitions(listed) if is_raw else None
    return definitions([one for one in grouped(span.attributes, _FUNCTIONS) if text(one.get("name"))])


def _entity(attributes: Mapping[str, Any], operation: str | None) -> Iterator[tuple[str, Any]]:
    """What a decorated function is called, was given and gave back."""
    if operation in _NAMED_BY:
        yield _NAMED_BY[operation], text(attributes.get(_NAME))
    elif operation == semconv.INVOKE_WORKFLOW and "traceloop.workflow.name" not in attributes:
        yield semconv.WORKFLOW_NAME, text(attributes.get(_NAME))
    if operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_CALL_ARGUMENTS, arguments(attributes.get(_GIVEN))
        yield semconv.TOOL_CALL_RESULT, result(attributes.get(_ANSWER))
    elif operation in _STEPS:
        yield semconv.INPUT_MESSAGES, told_step("user", attributes.get(_GIVEN))
        yield semconv.OUTPUT_MESSAGES, told_step("assistant", attributes.get(_ANSWER))


def _streamed(span: Foreign) -> Iterator[tuple[str, Any]]:
    """An event a chunk. Anthropic's output is counted one too many, for its first message counts a token as well."""
    first = min((event["time_ns"] for event in span.events if event["name"] in _CHUNKS), default=None)
    if first is not None:
        yield semconv.REQUEST_STREAM, True
        if span.start_ns <= first <= span.end_ns:
            yield semconv.TTFT, (first - span.start_ns) / 1e9
    if span.scope == _ANTHROPIC and flag(span.attributes.get("gen_ai.is_streaming")):
        yield semconv.USAGE_ESTIMATED, True if semconv.USAGE_OUTPUT in span.attributes else None


VOCABULARY = OpenLlmetry()
