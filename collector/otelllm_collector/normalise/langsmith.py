"""LangSmith's OpenTelemetry exporter, and what its users hang on other libraries' spans: `langsmith.*`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import inputs, read_request, read_response, read_usage, told
from .documents import documents, question
from .messages import definitions, messages
from .spec import Foreign
from .tags import labels, tagged
from .values import flag, number, parsed, provider, provider_of_model, raised, text

__all__ = ["VOCABULARY"]

_SCOPE = "langsmith"
_KIND = "langsmith.span.kind"
_METADATA = "langsmith.metadata."
_PROMPT, _COMPLETION = "gen_ai.prompt", "gen_ai.completion"
"""JSON text of a run's whole inputs and outputs: not the flattened messages of others, whose keys are longer."""

_OPERATIONS = {
    "llm": semconv.CHAT,
    "tool": semconv.EXECUTE_TOOL,
    "retriever": semconv.RETRIEVAL,
    "embedding": semconv.EMBEDDINGS,
}
"""Of `langsmith.span.kind`; chain, prompt, parser and what is new are plain steps."""
_OF_MODELS = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT})

_CONVERSATION = (semconv.CONVERSATION_ID, semconv.SESSION_ID)
_NAMED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("session_id", "thread_id", "conversation_id"), _CONVERSATION),
    "user_id": (semconv.USER_ID,),
    **dict.fromkeys(("revision_id", "usage_metadata"), ()),
}
"""Metadata that is somebody's name; of none is what has its place elsewhere."""
_NO_TAGS = tuple(semconv.TAG + begin for begin in ("LANGSMITH_", "LANGCHAIN_", "ls_"))
"""The process's environment, which leaks into the metadata, and what LangSmith adds for itself."""

_COSTS = {"total_cost": semconv.COST, "input_cost": semconv.COST_INPUT, "output_cost": semconv.COST_OUTPUT}
_DETAILS = {
    "gen_ai.usage.input_token_details": "input_token_details",
    "gen_ai.usage.output_token_details": "output_token_details",
}
"""Python's own notation, {'cache_read': 40}: read only where the metadata has no usage."""


class LangSmith:
    """`langsmith.span.kind` is the run's own type; `gen_ai.operation.name` beside it says "embeddings" of a retriever,
    "chat" of a prompt and "chain" of a chain.
    """

    name = "langsmith"
    rank = 70
    beats_native: Collection[str] = frozenset(
        {semconv.OPERATION, semconv.TOOL_DEFINITIONS, semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES}
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By its scope, or whatever has one of its names."""
        return scope == _SCOPE or any(key.startswith("langsmith.") for key in keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Of a run's inputs and outputs nobody else may make messages where they are none."""
        attributes = span.attributes
        found = {name: value for name, value in _read(span) if value is not None}
        if _KIND in attributes:
            for key, name in ((_PROMPT, semconv.INPUT_MESSAGES), (_COMPLETION, semconv.OUTPUT_MESSAGES)):
                if name in attributes:
                    found.pop(name, None)
                elif key in attributes:
                    found.setdefault(name, None)
        return found


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    kind = text(attributes.get(_KIND))
    operation = None if kind is None else _operation(kind.strip().lower(), attributes)
    yield semconv.OPERATION, operation
    if operation is not None:
        yield from _said(operation, parsed(attributes.get(_PROMPT)), parsed(attributes.get(_COMPLETION)))
    if operation is None or operation in {*_OF_MODELS, semconv.EMBEDDINGS}:
        yield from _called(attributes)
    if (tools := attributes.get(semconv.TOOL_DEFINITIONS)) is not None:
        yield semconv.TOOL_DEFINITIONS, definitions(tools)
    yield from _metadata(attributes)
    first = min((event["time_ns"] for event in span.events if event["name"] == "new_token"), default=None)
    if first is not None and first >= span.start_ns:
        yield semconv.TTFT, (first - span.start_ns) / 1e9
        yield semconv.REQUEST_STREAM, True
    if span.is_error:
        yield semconv.ERROR_TYPE, _error(span)


def _operation(kind: str, attributes: Mapping[str, Any]) -> str:
    made = _OPERATIONS.get(kind, semconv.TASK)
    if made != semconv.CHAT:
        return made
    native = attributes.get(semconv.OPERATION)
    if attributes.get(_METADATA + "ls_model_type") in ("llm", "text"):
        return semconv.TEXT_COMPLETION
    return native if isinstance(native, str) and native in _OF_MODELS else made


def _said(operation: str, given: Any, answer: Any) -> Iterator[tuple[str, Any]]:
    if operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_CALL_ARGUMENTS, given
        yield semconv.TOOL_CALL_RESULT, _unwrapped(answer)
    elif operation == semconv.RETRIEVAL:
        found = documents(_unwrapped(answer))
        yield semconv.RETRIEVAL_QUERY, question(given)
        yield semconv.RETRIEVAL_DOCUMENTS, found
        yield semconv.RETRIEVAL_COUNT, None if found is None else len(found)
    elif operation == semconv.EMBEDDINGS:
        if isinstance(given, Mapping):
            given = next((given[key] for key in ("input", "texts", "text", "query") if key in given), None)
        yield semconv.INPUT_MESSAGES, inputs(given)
        if isinstance(answer, Mapping):
            yield from (one for one in read_response(answer) if one[0] == semconv.EMBEDDINGS_DIMENSIONS)
    else:
        is_call = operation != semconv.TASK
        yield from _asked(given, is_call)
        yield from _answered(answer, is_call)


def _asked(given: Any, is_call: bool) -> Iterator[tuple[str, Any]]:
    made = dict(read_request(given)) if isinstance(given, Mapping) and (is_call or "messages" in given) else {}
    if is_call:
        yield from made.items()
    said = made.get(semconv.INPUT_MESSAGES)
    yield semconv.INPUT_MESSAGES, said or (messages(given) if isinstance(given, list) else told("user", given))


def _answered(answer: Any, is_call: bool) -> Iterator[tuple[str, Any]]:
    if is_call and isinstance(answer, Mapping):
        made = dict(read_response(answer))
        yield from made.items()
        if made.get(semconv.OUTPUT_MESSAGES) is not None:
            return
    inner = _unwrapped(answer)
    if isinstance(inner, Mapping) and isinstance(inner.get("messages"), list):
        inner = inner["messages"]
    is_told = isinstance(inner, list) or (isinstance(inner, Mapping) and ("role" in inner or "kwargs" in inner))
    said = messages(inner, "assistant") if is_told else None
    yield semconv.OUTPUT_MESSAGES, said or told("assistant", inner)


def _unwrapped(answer: Any) -> Any:
    """What a function gave back stands as {"output": …}, unless it was an object itself."""
    return answer["output"] if isinstance(answer, Mapping) and answer.keys() == {"output"} else answer


def _called(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A whole usage is in the metadata; the flat one has no classes."""
    model = text(attributes.get(semconv.REQUEST_MODEL)) or text(attributes.get(_METADATA + "ls_model_name"))
    by = provider(attributes.get("gen_ai.system")) or provider(attributes.get(_METADATA + "ls_provider"))
    yield semconv.PROVIDER, by or provider_of_model(model)
    yield semconv.REQUEST_MODEL, model
    yield semconv.OPENAI_RESPONSE_SERVICE_TIER, text(attributes.get("gen_ai.response.service_tier"))
    yield semconv.OPENAI_SYSTEM_FINGERPRINT, text(attributes.get("gen_ai.response.system_fingerprint"))
    if "langsmith.request.streaming" in attributes:
        yield semconv.REQUEST_STREAM, flag(attributes["langsmith.request.streaming"]) or None
    usage = parsed(attributes.get(_METADATA + "usage_metadata", attributes.get("langsmith.usage_metadata")))
    if not isinstance(usage, Mapping):
        usage = {
            "input_tokens": attributes.get(semconv.USAGE_INPUT),
            "output_tokens": attributes.get(semconv.USAGE_OUTPUT),
            **{inner: _literal(attributes.get(key)) for key, inner in _DETAILS.items()},
        }
    yield from read_usage(usage, is_beside=False).items()
    for key, name in _COSTS.items():
        cost = number(usage.get(key))
        if cost is not None and cost >= 0:
            yield name, cost
            if name == semconv.COST:
                yield semconv.COST_STATUS, "reported"


def _literal(value: Any) -> Any:
    """Python's notation of a dict of numbers, as a structure."""
    return parsed(value.replace("'", '"').replace("None", "null")) if isinstance(value, str) else value


def _metadata(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Inherited by every run from its parents."""
    for name, value in tagged(attributes, _METADATA, _NAMED):
        if not name.startswith(_NO_TAGS):
            yield name, value
    yield from labels(attributes.get("langsmith.span.tags"))


def _error(span: Foreign) -> str | None:
    """The exception's type is always "Exception"; its message begins as Python writes the true one."""
    for event in span.events:
        if event["name"] == "exception":
            kind = str(event["attributes"].get("exception.message", "")).partition("(")[0].strip()
            if kind.replace(".", "").isidentifier():
                return kind
    return raised(span.events)


VOCABULARY = LangSmith()
