"""A provider's whole requests, answers and usage as Logfire keeps them: `request_data`, `response_data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otelllm import semconv

from .message_events import answered, conversation
from .messages import definitions, message, messages, parts, says
from .values import count, finish, flag, items, parsed, text

__all__ = ["read_bodies", "read_usage"]

_USAGE: dict[str, tuple[str, ...]] = {
    semconv.USAGE_INPUT: ("prompt_tokens", "input_tokens"),
    semconv.USAGE_OUTPUT: ("completion_tokens", "output_tokens"),
    semconv.USAGE_CACHE_READ: (
        "cache_read_input_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    semconv.USAGE_CACHE_WRITE: ("cache_creation_input_tokens",),
    semconv.USAGE_CACHE_WRITE_1H: ("cache_creation.ephemeral_1h_input_tokens",),
    semconv.USAGE_REASONING: (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_tokens_details.thinking_tokens",
    ),
}
"""Where OpenAI's two APIs and Anthropic's say it."""


def read_usage(attributes: Mapping[str, Any]) -> dict[str, int]:
    """The provider's own usage, wherever it stands: Logfire's input leaves out in older releases what was cached."""
    for key in ("gen_ai.usage.raw", "usage", "response_data"):
        given = parsed(attributes.get(key))
        if key == "response_data" and isinstance(given, Mapping):
            given = given.get("usage")
        if isinstance(given, Mapping):
            return _tokens(given)
    return {}


def _tokens(given: Mapping[str, Any]) -> dict[str, int]:
    """Anthropic counts beside the input what was cached."""
    found = {}
    for name, paths in _USAGE.items():
        for path in paths:
            first, _, then = path.partition(".")
            value = given.get(first)
            if then:
                value = value.get(then) if isinstance(value, Mapping) else None
            if (tokens := count(value)) is not None:
                found[name] = tokens
                break
    if semconv.USAGE_INPUT in found and "prompt_tokens" not in given:
        beside = (count(given.get(key)) for key in ("cache_read_input_tokens", "cache_creation_input_tokens"))
        found[semconv.USAGE_INPUT] += sum(tokens or 0 for tokens in beside)
    return found


def read_bodies(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the bodies say that the span's attributes don't."""
    made: dict[str, Any] = {}
    for key, read in (("request_data", _request), ("response_data", _response)):
        body = parsed(attributes.get(key)) if key in attributes else None
        if isinstance(body, Mapping):
            made.update(read(body))
    if "events" in attributes:
        made.update(_events(attributes["events"]))
    return {name: value for name, value in made.items() if value is not None and name not in attributes}


def _request(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield semconv.REQUEST_MODEL, text(body.get("model"))
    if flag(body.get("stream")) is True:
        yield semconv.REQUEST_STREAM, True
    said = body.get("messages")
    yield semconv.INPUT_MESSAGES, messages(said if isinstance(said, list) else body.get("prompt"))
    yield semconv.SYSTEM_INSTRUCTIONS, list(parts(body.get("system"))) or None
    yield semconv.TOOL_DEFINITIONS, definitions(body["tools"]) if isinstance(body.get("tools"), list) else None


def _response(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    said = body.get("message")
    if isinstance(said, Mapping):
        yield semconv.OUTPUT_MESSAGES, messages([_with_arguments(said)], "assistant")
    else:
        whole = text(body.get("combined_chunk_content")) or text(body.get("text"))
        yield semconv.OUTPUT_MESSAGES, [message("assistant", [says(whole)])] if whole else None
    yield semconv.RESPONSE_FINISH_REASONS, finish(body.get("finish_reason"))


def _with_arguments(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of an answer of Anthropic's Logfire writes a tool's arguments as {"input": …}."""
    calls = [*items(said.get("tool_calls"))]
    if not calls:
        return said
    return {**said, "tool_calls": [{**one, "function": _unwrapped(one.get("function"))} for one in calls]}


def _unwrapped(function: Any) -> Any:
    if not isinstance(function, Mapping):
        return function
    given = parsed(function.get("arguments"))
    is_wrapped = isinstance(given, Mapping) and given.keys() == {"input"} and isinstance(given["input"], Mapping)
    return {**function, "arguments": given["input"]} if is_wrapped else function


def _events(value: Any) -> Iterator[tuple[str, Any]]:
    """The Responses API's: in and out are told apart only by what comes last."""
    given = [(one.get("event.name"), one) for one in items(value)]
    known = [
        ("gen_ai.assistant.message", {**one, "content": [one["data"]]})
        if name == "gen_ai.unknown" and isinstance(one.get("data"), Mapping)
        else (name, one)
        for name, one in given
    ]
    said = conversation(known)
    before, after = said.input or [], said.output
    if after is None:
        before, after = answered(before)
    yield semconv.INPUT_MESSAGES, before or None
    yield semconv.OUTPUT_MESSAGES, after or None
