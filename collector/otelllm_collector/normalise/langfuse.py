"""Langfuse's SDK, and what it or its users hang on other libraries' spans: `langfuse.*`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from otelllm import semconv

from .bodies import inputs, read_request, read_response, read_usage, settings, told
from .documents import documents, question
from .judgements import EVALUATE, judged
from .messages import messages
from .spec import Foreign
from .tags import labels, tagged
from .values import count, finish, number, parsed, provider_of_model, raised, text

__all__ = ["VOCABULARY"]

_SCOPE = "langfuse-sdk"
_OBSERVATION = "langfuse.observation."
_TOLD = ("input", "output")
_MODEL, _USAGE = _OBSERVATION + "model.name", _OBSERVATION + "usage_details"

_OPERATIONS = {
    "generation": semconv.CHAT,
    "embedding": semconv.EMBEDDINGS,
    "agent": semconv.INVOKE_AGENT,
    "tool": semconv.EXECUTE_TOOL,
    "retriever": semconv.RETRIEVAL,
    "evaluator": EVALUATE,
    "guardrail": "guardrail",
}
"""Of `langfuse.observation.type`; span, event, chain and what is new are plain steps."""

_NAMED_BY = {semconv.INVOKE_AGENT: semconv.AGENT_NAME, semconv.EXECUTE_TOOL: semconv.TOOL_NAME}
"""What the name of a span of this kind is: Langfuse has no other place for it."""

_CONVERSATION = (semconv.CONVERSATION_ID, semconv.SESSION_ID)
_OLDER: dict[str, tuple[str, ...]] = {
    "langfuse.user.id": (semconv.USER_ID,),
    "langfuse.trace.user_id": (semconv.USER_ID,),
    "langfuse.session.id": _CONVERSATION,
    "langfuse.trace.session_id": _CONVERSATION,
}
_ITEMS = ("reasoning", "message", "function_call", "function_call_output", "custom_tool_call")
_ANSWERS = frozenset({"choices", "output", "candidates", "generations"})
"""Of the Responses API, and where providers' whole answers have what was said."""
_METADATA = (_OBSERVATION + "metadata.", "langfuse.trace.metadata.")
_AS_TAGS = ("langfuse.experiment.", "langfuse.environment", "langfuse.release", "langfuse.version")

_DEFAULTS = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
"""What the OpenAI wrapper writes where the app has set nothing; together with max_tokens they tell the wrapper."""

_RAW = frozenset({"prompt_tokens", "input_tokens", "promptTokens", "completion_tokens", "output_tokens"})
"""Any of them: usage as the provider gave it, not in Langfuse's buckets."""


class Langfuse:
    """The model, usage, cost, prompt, user and session that somebody set in Langfuse's names were set on purpose."""

    name = "langfuse"
    rank = 30
    beats_native: Collection[str] = frozenset(
        {
            *(semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL, semconv.USAGE_INPUT, semconv.USAGE_OUTPUT),
            *(semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE, semconv.USAGE_REASONING),
            *(semconv.PROMPT_NAME, semconv.PROMPT_VERSION, semconv.USER_ID, semconv.SESSION_ID),
            *(semconv.CONVERSATION_ID,),
        }
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """Whatever has one of its names: those of the trace are copied to every span under it."""
        return scope == _SCOPE or any(key.startswith("langfuse.") for key in keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Other libraries' spans get only what is said of them in Langfuse's names."""
        return {name: value for name, value in _read(span) if value is not None}


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    operation = _operation(span)
    yield semconv.OPERATION, operation
    if operation in _NAMED_BY and span.scope == _SCOPE:
        yield _NAMED_BY[operation], text(span.name)
    if operation is not None:
        yield from _said(operation, attributes, span.name)
        yield from _called(span)
    yield from _counted(attributes, span.is_error)
    yield from _of_trace(attributes)
    started = text(parsed(attributes.get(_OBSERVATION + "completion_start_time")))
    if started is not None:
        yield semconv.REQUEST_STREAM, True
        yield semconv.TTFT, _until(started, span)
    if span.is_error or attributes.get(_OBSERVATION + "level") == "ERROR":
        yield semconv.ERROR_TYPE, raised(span.events)


def _operation(span: Foreign) -> str | None:
    """A span of another library's that only carries the trace's names is what that library says."""
    attributes = span.attributes
    kind = text(attributes.get(_OBSERVATION + "type"))
    if kind is not None:
        return _OPERATIONS.get(kind.strip().lower(), semconv.TASK)
    if span.scope == _SCOPE:
        return semconv.TASK
    return semconv.CHAT if _MODEL in attributes or _USAGE in attributes else None


def _said(operation: str, attributes: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """A text stands there without quotes, so one that looks like JSON may be meant as a text."""
    given, answer = (attributes.get(_OBSERVATION + key, attributes.get(f"langfuse.trace.{key}")) for key in _TOLD)
    if operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_CALL_ARGUMENTS, parsed(given)
        yield semconv.TOOL_CALL_RESULT, parsed(answer)
    elif operation == semconv.RETRIEVAL:
        found = documents(answer)
        yield semconv.RETRIEVAL_QUERY, question(given)
        yield semconv.RETRIEVAL_DOCUMENTS, found
        yield semconv.RETRIEVAL_COUNT, None if found is None else len(found)
    elif operation == semconv.EMBEDDINGS:
        listed = parsed(given)
        yield semconv.INPUT_MESSAGES, inputs(listed if isinstance(listed, list) else given)
        about = parsed(answer)
        if isinstance(about, Mapping):
            yield semconv.EMBEDDINGS_DIMENSIONS, count(about.get("dimensions"))
    else:
        if operation == EVALUATE:
            yield semconv.EVENT_EVALUATION, judged(answer, name)
        body = parsed(given)
        made: dict[str, Any] = {}
        if _is_told(body):
            made[semconv.INPUT_MESSAGES] = messages(body)
        elif isinstance(body, Mapping) and (operation == semconv.CHAT or "messages" in body):
            made.update(read_request(body))
        yield from {**made, semconv.INPUT_MESSAGES: made.get(semconv.INPUT_MESSAGES) or told("user", given)}.items()
        yield from _answer(answer)


def _is_told(body: Any) -> bool:
    """Whether it is messages, and not whatever a function was called with."""
    listed = body if isinstance(body, list) else [body]
    return bool(listed) and all(
        isinstance(one, Mapping) and ("role" in one or "content" in one or one.get("type") in _ITEMS) for one in listed
    )


def _answer(value: Any) -> Iterator[tuple[str, Any]]:
    body = parsed(value)
    if isinstance(body, list) and any(isinstance(one, Mapping) and one.get("type") in _ITEMS for one in body):
        body = {"output": body}
    made: dict[str, Any] = {}
    if _is_told(body):
        made[semconv.OUTPUT_MESSAGES] = messages(body, "assistant")
    elif isinstance(body, Mapping) and not _ANSWERS.isdisjoint(body):
        made.update(read_response(body))
    yield from {
        **made,
        semconv.OUTPUT_MESSAGES: made.get(semconv.OUTPUT_MESSAGES) or told("assistant", value),
    }.items()


def _called(span: Foreign) -> Iterator[tuple[str, Any]]:
    """Its OpenAI wrapper puts the answering model's name over the one that was asked for."""
    attributes = span.attributes
    model = text(attributes.get(_MODEL))
    parameters = parsed(attributes.get(_OBSERVATION + "model.parameters"))
    parameters = dict(parameters) if isinstance(parameters, Mapping) else {}
    usage = parsed(attributes.get(_USAGE))
    of_wrapper = {*_DEFAULTS, "max_tokens"} <= parameters.keys()
    is_wrapped = (
        of_wrapper
        or span.name.startswith("OpenAI-")
        or (isinstance(usage, Mapping) and "prompt_tokens" in usage and span.scope == _SCOPE)
    )
    yield semconv.RESPONSE_MODEL if is_wrapped and not span.is_error else semconv.REQUEST_MODEL, model
    yield semconv.PROVIDER, "openai" if span.name.startswith("OpenAI-") else provider_of_model(model)
    if of_wrapper:
        parameters = {key: value for key, value in parameters.items() if _DEFAULTS.get(key, "") != value}
    yield from settings(parameters)
    if (reason := attributes.get(_METADATA[0] + "finish_reason")) is not None:
        yield semconv.RESPONSE_FINISH_REASONS, finish(reason)


def _counted(attributes: Mapping[str, Any], is_error: bool) -> Iterator[tuple[str, Any]]:
    usage = parsed(attributes.get(_USAGE))
    if isinstance(usage, Mapping):
        yield from (read_usage(usage) if not _RAW.isdisjoint(usage) else _buckets(usage)).items()
    costs = parsed(attributes.get(_OBSERVATION + "cost_details"))
    if isinstance(costs, Mapping):
        parts = {key: cost for key, value in costs.items() if (cost := number(value)) is not None and cost >= 0}
        if not parts or (is_error and not any(parts.values())):  # of a failed call the wrapper says that it cost 0
            return
        yield semconv.COST, parts.get("total", sum(cost for key, cost in parts.items() if key != "total"))
        yield semconv.COST_STATUS, "reported"
        yield semconv.COST_INPUT, parts.get("input")
        yield semconv.COST_OUTPUT, parts.get("output")


def _buckets(usage: Mapping[str, Any]) -> dict[str, int]:
    """Langfuse's own buckets leave out of "input" and "output" what has a bucket of its own; users' often don't. The
    total tells which.
    """
    beside = {semconv.USAGE_INPUT: 0, semconv.USAGE_OUTPUT: 0}
    found: dict[str, int] = {}
    for key, value in usage.items():
        tokens = count(value)
        if tokens is None or key in {"total", "unit"}:
            continue
        if key in {"input", "output"}:
            found[semconv.USAGE_INPUT if key == "input" else semconv.USAGE_OUTPUT] = tokens
            continue
        side = semconv.USAGE_OUTPUT if key.startswith(("output", "completion")) else semconv.USAGE_INPUT
        if (name := _bucket(key, side)) is not None:
            beside[side] += tokens
            found[name] = found.get(name, 0) + tokens
    total = count(usage.get("total"))
    given, answer = found.get(semconv.USAGE_INPUT, 0), found.get(semconv.USAGE_OUTPUT, 0)
    more_in, more_out = beside[semconv.USAGE_INPUT], beside[semconv.USAGE_OUTPUT]
    sums = {
        given + answer + more_in: (more_in, 0),
        given + answer + more_out: (0, more_out),
        given + answer + more_in + more_out: (more_in, more_out),
        given + answer: (0, 0),
    }
    added_in, added_out = sums.get(-1 if total is None else total, (more_in, more_out))
    if given < more_in:
        added_in = more_in
    for name, added in ((semconv.USAGE_INPUT, added_in), (semconv.USAGE_OUTPUT, added_out)):
        if added:
            found[name] = found.get(name, 0) + added
    return found


def _bucket(key: str, side: str) -> str | None:
    """The class of tokens that a bucket's name says; None where it says no part of the input or the output."""
    if "cache" in key:
        is_write = "creation" in key or "write" in key
        return semconv.USAGE_CACHE_WRITE if is_write else semconv.USAGE_CACHE_READ
    if "reasoning" in key or "thinking" in key or "thought" in key:
        return semconv.USAGE_REASONING
    if "audio" in key:
        return semconv.USAGE_AUDIO_INPUT if side == semconv.USAGE_INPUT else semconv.USAGE_AUDIO_OUTPUT
    return None


def _of_trace(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What stands on every span of a trace."""
    if semconv.CONVERSATION_ID not in attributes:
        yield semconv.CONVERSATION_ID, text(attributes.get(semconv.SESSION_ID))
    for key, names in _OLDER.items():
        yield from ((name, text(attributes.get(key))) for name in names if key in attributes)
    yield semconv.WORKFLOW_NAME, text(attributes.get("langfuse.trace.name"))
    yield semconv.PROMPT_NAME, text(attributes.get(_OBSERVATION + "prompt.name"))
    version = attributes.get(_OBSERVATION + "prompt.version")
    yield semconv.PROMPT_VERSION, None if version is None else text(str(version))
    for prefix in reversed(_METADATA):
        yield from tagged(attributes, prefix, {"finish_reason": ()}, is_json=True)
    yield from labels(attributes.get("langfuse.trace.tags"))
    for key, value in attributes.items():
        if key.startswith(_AS_TAGS):
            yield semconv.TAG + key.removeprefix("langfuse."), value


def _until(at: str, span: Foreign) -> float | None:
    """Seconds from the span's start to a time in ISO 8601; None where that is not in the span."""
    try:
        moment = datetime.fromisoformat(at)
        seconds = moment.timestamp() - span.start_ns / 1e9
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if moment.tzinfo is not None and 0 <= seconds <= (span.end_ns - span.start_ns) / 1e9 else None


VOCABULARY = Langfuse()
