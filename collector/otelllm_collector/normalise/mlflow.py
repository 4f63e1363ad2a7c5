"""MLflow's tracing, as its spans reach an OpenTelemetry exporter: each value is JSON text, also a text or a number."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import inputs, read_request, read_response, read_usage, settings, told
from .documents import documents, question
from .judgements import EVALUATE, judged
from .message_events import answered
from .messages import definitions, messages
from .spec import Foreign
from .values import flag, items, number, parsed, provider, provider_of_model, raised, text

__all__ = ["VOCABULARY"]

_KIND = "mlflow.spanType"
_SCOPES = "mlflow."
_INPUTS, _OUTPUTS = "mlflow.spanInputs", "mlflow.spanOutputs"

_OPERATIONS = {
    "LLM": semconv.CHAT,
    "CHAT_MODEL": semconv.CHAT,
    "EMBEDDING": semconv.EMBEDDINGS,
    "RETRIEVER": semconv.RETRIEVAL,
    "RERANKER": semconv.RERANK,
    "TOOL": semconv.EXECUTE_TOOL,
    "AGENT": semconv.INVOKE_AGENT,
    "WORKFLOW": semconv.INVOKE_WORKFLOW,
    "EVALUATOR": EVALUATE,
    "GUARDRAIL": "guardrail",
}
"""Of `mlflow.spanType`; CHAIN, PARSER, MEMORY, TASK, UNKNOWN and what users call their own are plain steps."""

_OF_MODELS = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.EMBEDDINGS})

_NAMED_BY = {
    semconv.INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
    semconv.EXECUTE_TOOL: semconv.TOOL_NAME,
}
"""What the name of a span of this kind is: MLflow has no other place for it."""

_FORMATS = frozenset({"openai", "anthropic", "gemini", "groq", "mistral", "bedrock", "cohere", "deepseek", "ollama"})
"""Of `mlflow.message.format`: those that are providers'. The others are frameworks'."""

_COSTS = {"total_cost": semconv.COST, "input_cost": semconv.COST_INPUT, "output_cost": semconv.COST_OUTPUT}
_WHO = ((semconv.SESSION_ID, "mlflow.trace.session"), (semconv.USER_ID, "mlflow.trace.user"))
_CHUNK = "mlflow.chunk.item."


class MlFlow:
    """`mlflow.spanType` says what a span is. A call's arguments are bare attributes: `model`, `stream`, `tools`."""

    name = "mlflow"
    rank = 60
    beats_native: Collection[str] = frozenset({semconv.SESSION_ID, semconv.USER_ID})
    """For they are JSON text too where an app sets them on MLflow's span."""

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By the name that is on all its spans, or its modules' scopes."""
        return _KIND in keys or scope.startswith(_SCOPES)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Where two name the same the later counts."""
        return {name: value for name, value in _read(span) if value is not None}


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    given, answer = parsed(attributes.get(_INPUTS)), parsed(attributes.get(_OUTPUTS))
    operation = _operation(attributes, given)
    yield semconv.OPERATION, operation
    if operation in _OF_MODELS:
        yield from _of_call(attributes, given, answer)
        yield from _asked(attributes)
    elif operation in {semconv.RETRIEVAL, semconv.RERANK}:
        yield from _of_search(operation, given, answer)
        if operation == semconv.RERANK:
            yield from _asked(attributes)
    elif operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_CALL_ARGUMENTS, given
        yield semconv.TOOL_CALL_RESULT, answer
    elif operation is not None:
        yield from _of_step(attributes, given, answer)
        if operation == EVALUATE:
            yield semconv.EVENT_EVALUATION, judged(answer, span.name)
    if operation in _NAMED_BY:
        yield _NAMED_BY[operation], text(span.name)
    yield from _named(attributes)
    yield from _counted(attributes, answer)
    first = min((event["time_ns"] for event in span.events if event["name"].startswith(_CHUNK)), default=None)
    if first is not None and first >= span.start_ns:
        yield semconv.TTFT, (first - span.start_ns) / 1e9
        yield semconv.REQUEST_STREAM, True
    if span.is_error:
        yield semconv.ERROR_TYPE, raised(span.events)


def _operation(attributes: Mapping[str, Any], given: Any) -> str | None:
    kind = text(parsed(attributes.get(_KIND)))
    if kind is None:
        return None
    kind = kind.strip().upper()
    is_completion = kind == "LLM" and isinstance(given, Mapping) and "prompt" in given and "messages" not in given
    return semconv.TEXT_COMPLETION if is_completion else _OPERATIONS.get(kind, semconv.TASK)


def _of_call(attributes: Mapping[str, Any], given: Any, answer: Any) -> Iterator[tuple[str, Any]]:
    """`mlflow.chat.messages`, of older releases, is the whole conversation with its answer."""
    before, after = answered(messages(attributes.get("mlflow.chat.messages")) or [])
    yield semconv.INPUT_MESSAGES, before or None
    yield semconv.OUTPUT_MESSAGES, after or None
    if isinstance(given, Mapping):
        yield from ((name, value) for name, value in read_request(given) if value is not None)
    elif not before:
        yield semconv.INPUT_MESSAGES, inputs(given) if isinstance(given, str) else messages(given)
    if isinstance(answer, Mapping):
        yield from ((name, value) for name, value in read_response(answer) if value is not None)
    elif not after:
        is_told = isinstance(answer, list) and all(isinstance(one, Mapping) for one in answer)
        yield semconv.OUTPUT_MESSAGES, messages(answer, "assistant") if is_told else told("assistant", answer)


def _of_search(operation: str, given: Any, answer: Any) -> Iterator[tuple[str, Any]]:
    found = documents(answer)
    yield semconv.RETRIEVAL_QUERY, question(given)
    yield semconv.RETRIEVAL_DOCUMENTS, found
    count = None if found is None else len(found)
    if operation == semconv.RETRIEVAL:
        yield semconv.RETRIEVAL_COUNT, count
        return
    yield semconv.RERANK_OUT, count
    if isinstance(given, Mapping):
        listed = next((one for one in given.values() if isinstance(one, list)), None)
        yield semconv.RERANK_IN, None if listed is None else len(listed)


def _of_step(attributes: Mapping[str, Any], given: Any, answer: Any) -> Iterator[tuple[str, Any]]:
    """Whatever a function was called with; messages only where they are called that."""
    for name, by, key, value in (
        (semconv.INPUT_MESSAGES, "user", _INPUTS, given),
        (semconv.OUTPUT_MESSAGES, "assistant", _OUTPUTS, answer),
    ):
        listed = value.get("messages") if isinstance(value, Mapping) else None
        said = messages(listed, by) if isinstance(listed, list) else None
        yield name, said or told(by, value if isinstance(value, str) else attributes.get(key))


def _asked(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What stands bare is a call's argument only on calls: on a tool's span it may be anything of the app's."""
    yield semconv.REQUEST_MODEL, text(parsed(attributes.get("model")))
    if "stream" in attributes:
        yield semconv.REQUEST_STREAM, flag(parsed(attributes["stream"])) or None
    yield from settings({key: parsed(value) for key, value in attributes.items() if "." not in key})
    tools = attributes.get("mlflow.chat.tools", attributes.get("tools"))
    yield semconv.TOOL_DEFINITIONS, None if tools is None else definitions(tools)


def _named(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The model that answered and whose it is, the prompt's name, the session."""
    model = text(parsed(attributes.get("mlflow.llm.model")))
    yield semconv.RESPONSE_MODEL, model
    kept = parsed(attributes.get("mlflow.message.format"))
    by = provider(parsed(attributes.get("mlflow.llm.provider")))
    of_format = provider(kept) if isinstance(kept, str) and kept in _FORMATS else None
    yield semconv.PROVIDER, by or of_format or provider_of_model(model)
    for prompt in items(attributes.get("mlflow.linkedPrompts")):
        version = prompt.get("version")
        yield semconv.PROMPT_NAME, text(prompt.get("name"))
        yield semconv.PROMPT_VERSION, None if version is None else text(str(version))
        break
    session, user = (_own(attributes, *names) for names in _WHO)
    yield semconv.SESSION_ID, session
    yield semconv.CONVERSATION_ID, session
    yield semconv.USER_ID, user


def _own(attributes: Mapping[str, Any], *names: str) -> str | None:
    """An app's own id: JSON text where MLflow has set it, and then it may look like a number."""
    given = next((attributes[name] for name in names if name in attributes), None)
    said = parsed(given)
    return text(said if isinstance(said, str) else given)


def _counted(attributes: Mapping[str, Any], answer: Any) -> Iterator[tuple[str, Any]]:
    """MLflow's own sums, whose input holds what was cached; what they lack is in the provider's."""
    for key in ("usage", "usageMetadata", "usage_metadata"):
        if isinstance(answer, Mapping) and isinstance(answer.get(key), Mapping):
            yield from read_usage(answer[key]).items()
            break
    yield from read_usage(parsed(attributes.get("mlflow.chat.tokenUsage")), is_beside=False).items()
    costs = parsed(attributes.get("mlflow.llm.cost"))
    if isinstance(costs, Mapping):
        for key, name in _COSTS.items():
            cost = number(costs.get(key))
            if cost is not None and cost >= 0:
                yield name, cost
                if name == semconv.COST:
                    yield semconv.COST_STATUS, "reported"


VOCABULARY = MlFlow()
