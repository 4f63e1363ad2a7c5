"""Older generations of the GenAI conventions: names that have changed, and messages in the shapes of their time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .genai import CONTENT
from .message_events import NAMES, conversation, unfolded
from .messages import messages, parts
from .repair import repaired
from .spec import Foreign
from .values import count, finish, parsed, provider, text

__all__ = ["VOCABULARY"]

_Reader = Callable[[Any], Any]

_OLD: dict[str, tuple[_Reader, tuple[str, ...]]] = {
    semconv.PROVIDER: (provider, ("gen_ai.system",)),
    semconv.USAGE_INPUT: (count, ("gen_ai.usage.prompt_tokens",)),
    semconv.USAGE_OUTPUT: (count, ("gen_ai.usage.completion_tokens",)),
    semconv.USAGE_CACHE_READ: (
        count,
        (
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cached_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.input_cached_tokens",
        ),
    ),
    semconv.USAGE_CACHE_WRITE: (
        count,
        ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
    ),
    semconv.USAGE_REASONING: (
        count,
        (
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.thoughts_tokens",
        ),
    ),
    semconv.RESPONSE_FINISH_REASONS: (finish, ("gen_ai.response.finish_reason",)),
    semconv.REQUEST_SEED: (count, ("gen_ai.openai.request.seed",)),
    semconv.OUTPUT_TYPE: (text, ("gen_ai.openai.request.response_format",)),
    semconv.OPENAI_REQUEST_SERVICE_TIER: (text, ("gen_ai.openai.request.service_tier",)),
    semconv.OPENAI_RESPONSE_SERVICE_TIER: (text, ("gen_ai.openai.response.service_tier",)),
    semconv.OPENAI_SYSTEM_FINGERPRINT: (text, ("gen_ai.openai.response.system_fingerprint",)),
}
"""Today's name, how a value is read, and its old names."""

_OLD_NAMES = frozenset(old for _, olds in _OLD.values() for old in olds)

_OPERATIONS = {
    "completion": semconv.TEXT_COMPLETION,
    "embedding": semconv.EMBEDDINGS,
    "tool": semconv.EXECUTE_TOOL,
    "agent": semconv.INVOKE_AGENT,
}
"""Old words to today's."""

_NAMED = frozenset(
    {
        *(semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT, semconv.EMBEDDINGS, semconv.RETRIEVAL),
        *(semconv.EXECUTE_TOOL, semconv.INVOKE_AGENT, "create_agent"),
    }
)
"""Operations that a span's name begins with, by the conventions."""

_PROMPT, _COMPLETION = "gen_ai.prompt", "gen_ai.completion"

_MARKERS = frozenset(
    {
        *_OLD_NAMES,
        *CONTENT,
        *(semconv.OPERATION, semconv.PROVIDER, semconv.REQUEST_MODEL, _PROMPT, _COMPLETION),
    }
)
"""Today's names too: what they hold may be of yesterday, and messages may be in the span's events."""


class OlderGenAi:
    """Everything that any generation of the conventions has written and the newest does not."""

    name = "older-genai"
    rank = 90
    beats_native: Collection[str] = frozenset(
        {
            *(semconv.OPERATION, semconv.PROVIDER, semconv.RESPONSE_FINISH_REASONS, semconv.USAGE_INPUT),
            *(semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS),
        }
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """Any span of the conventions, of whatever generation: their scopes and versions don't tell it."""
        return not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Only what differs from what stands there."""
        attributes = span.attributes
        found: dict[str, Any] = {}
        if not _OLD_NAMES.isdisjoint(attributes):  # of most spans that is all there is to see
            found.update(_renamed(attributes))
        found.update(_words(span))
        if span.is_error and semconv.ERROR_TYPE not in attributes:
            kinds = [one["attributes"].get(semconv.EXCEPTION_TYPE) for one in span.events if one["name"] == "exception"]
            if kinds and text(kinds[-1]):
                found[semconv.ERROR_TYPE] = kinds[-1]
        _include_cached(attributes, found)
        found.update(_content(span))
        return found


def _renamed(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, (read, olds) in _OLD.items():
        if name not in attributes:
            for old in olds:
                if old in attributes and (value := read(attributes[old])) is not None:
                    yield name, value
                    break


def _words(span: Foreign) -> Iterator[tuple[str, Any]]:
    """Values that had other words."""
    attributes = span.attributes
    given = attributes.get(semconv.OPERATION)
    if given is None:
        first = span.name.partition(" ")[0]
        first = _OPERATIONS.get(first, first)
        if first in _NAMED:
            yield semconv.OPERATION, first
        elif "gen_ai.usage.completion_tokens" in attributes and semconv.REQUEST_MODEL in attributes:
            yield semconv.OPERATION, semconv.CHAT
    elif isinstance(given, str) and given in _OPERATIONS:
        yield semconv.OPERATION, _OPERATIONS[given]
    by = attributes.get(semconv.PROVIDER)
    # A name with a dot is either one of the conventions' own or one that nobody else knows.
    if isinstance(by, str) and ("." not in by or by.startswith("az.")) and provider(by) not in {None, by}:
        yield semconv.PROVIDER, provider(by)
    reasons = attributes.get(semconv.RESPONSE_FINISH_REASONS)
    if reasons is not None and (made := finish(reasons)) not in (None, reasons):
        yield semconv.RESPONSE_FINISH_REASONS, made


def _include_cached(attributes: Mapping[str, Any], found: dict[str, Any]) -> None:
    """An input of fewer tokens than its cached ones leaves those out."""

    def tokens(name: str) -> int | None:
        return found.get(name, count(attributes.get(name)))

    cached = (tokens(semconv.USAGE_CACHE_READ) or 0) + (tokens(semconv.USAGE_CACHE_WRITE) or 0)
    given = tokens(semconv.USAGE_INPUT) if cached else None
    if given is not None and given < cached:
        found[semconv.USAGE_INPUT] = given + cached


def _content(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    for name, default in ((semconv.INPUT_MESSAGES, "user"), (semconv.OUTPUT_MESSAGES, "assistant")):
        if name in attributes and (made := repaired(span.structure(name), default)) is not None:
            yield name, made
    said = span.structure(semconv.SYSTEM_INSTRUCTIONS)
    if isinstance(said, list) and any(isinstance(one, Mapping) and "content" not in one for one in said):
        made = list(parts(said))
        if made:
            yield semconv.SYSTEM_INSTRUCTIONS, made
    if not span.events and _PROMPT not in attributes and _COMPLETION not in attributes:
        return
    for name, value in _beside(span):
        if name not in attributes and value is not None:
            yield name, value


def _beside(span: Foreign) -> Iterator[tuple[str, Any]]:
    """Content in the span's events or, oldest of all, in two attributes."""
    events = sorted(span.events, key=lambda event: event["time_ns"]) if span.events else []
    prompt, completion = span.attributes.get(_PROMPT), span.attributes.get(_COMPLETION)
    for event in events:
        of = event["attributes"]
        if event["name"] == semconv.EVENT_DETAILS:
            yield from ((name, parsed(of[name])) for name in CONTENT if name in of)
            return
        if event["name"] == "gen_ai.content.prompt":
            prompt = of.get(_PROMPT, prompt)
        elif event["name"] == "gen_ai.content.completion":
            completion = of.get(_COMPLETION, completion)
    single = [(event["name"], unfolded(event["attributes"])) for event in events if event["name"] in NAMES]
    if single:
        said = conversation(single)
        yield semconv.INPUT_MESSAGES, said.input
        yield semconv.OUTPUT_MESSAGES, said.output
        if said.finish:
            yield semconv.RESPONSE_FINISH_REASONS, finish(said.finish)
    else:
        yield semconv.INPUT_MESSAGES, messages(prompt)
        yield semconv.OUTPUT_MESSAGES, messages(completion, "assistant")


VOCABULARY = OlderGenAi()
