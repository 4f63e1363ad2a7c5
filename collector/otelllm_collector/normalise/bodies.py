"""A provider's whole request and whole answer, as some frameworks keep them: OpenAI's three APIs, Anthropic's,
Gemini's, Bedrock's, Ollama's, and LangChain's results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from otelllm import semconv

from .messages import definitions, message, messages, parts, says
from .values import count, finish, flag, items, number, parsed, text

__all__ = ["inputs", "read_request", "read_response", "read_usage", "settings", "told"]


def _texts(value: Any) -> list[str] | None:
    listed = [value] if isinstance(value, str) else value
    return [one for one in listed if text(one)] or None if isinstance(listed, list) else None


_SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "temperature": (semconv.REQUEST_TEMPERATURE, number),
    **dict.fromkeys(("top_p", "topP"), (semconv.REQUEST_TOP_P, number)),
    **dict.fromkeys(("top_k", "topK"), (semconv.REQUEST_TOP_K, number)),
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxTokens", "maxOutputTokens"),
        (semconv.REQUEST_MAX_TOKENS, count),
    ),
    **dict.fromkeys(("frequency_penalty", "frequencyPenalty"), (semconv.REQUEST_FREQUENCY_PENALTY, number)),
    **dict.fromkeys(("presence_penalty", "presencePenalty"), (semconv.REQUEST_PRESENCE_PENALTY, number)),
    **dict.fromkeys(("stop", "stop_sequences", "stopSequences"), (semconv.REQUEST_STOP_SEQUENCES, _texts)),
    "seed": (semconv.REQUEST_SEED, count),
    "n": (semconv.REQUEST_CHOICE_COUNT, count),
}

_USAGE: dict[str, tuple[str, ...]] = {
    semconv.USAGE_INPUT: (
        *("prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "promptTokenCount", "prompt_token_count"),
        "prompt_eval_count",
    ),
    semconv.USAGE_OUTPUT: (
        *("completion_tokens", "output_tokens", "outputTokens", "completionTokens", "candidatesTokenCount"),
        *("candidates_token_count", "eval_count"),
    ),
    semconv.USAGE_CACHE_READ: (
        *(
            "prompt_tokens_details.cached_tokens",
            "input_tokens_details.cached_tokens",
            "input_token_details.cache_read",
        ),
        *("cache_read_input_tokens", "cacheReadInputTokens", "cachedContentTokenCount", "cached_content_token_count"),
    ),
    semconv.USAGE_CACHE_WRITE: (
        *("prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"),
        *("input_token_details.cache_creation", "cache_creation_input_tokens", "cacheWriteInputTokens"),
    ),
    semconv.USAGE_REASONING: (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("output_token_details.reasoning", "thoughtsTokenCount", "thoughts_token_count"),
    ),
}
"""Where each says it; a dot leads into a structure."""

_PATHS = {name: tuple(path.partition(".")[::2] for path in paths) for name, paths in _USAGE.items()}
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens", "cacheReadInputTokens", "cacheWriteInputTokens")
_TOTALS = ("total_tokens", "totalTokens")


def settings(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What was asked of a model besides the prompt."""
    for key in _SETTINGS.keys() & given.keys():
        name, read = _SETTINGS[key]
        if (value := read(given[key])) is not None:
            yield name, value


def read_usage(given: Any, *, is_beside: bool = True) -> dict[str, int]:
    """Tokens in the conventions' sense. `is_beside` says whether what Anthropic calls cache_read_input_tokens is not
    in the input, where neither the total nor the numbers themselves tell.
    """
    if not isinstance(given, Mapping):
        return {}
    found: dict[str, int] = {}
    for name, paths in _PATHS.items():
        for first, then in paths:
            value = given.get(first)
            if then:
                value = value.get(then) if isinstance(value, Mapping) else None
            if value is not None and (tokens := count(value)) is not None:
                found[name] = tokens
                break
    if "candidatesTokenCount" in given or "candidates_token_count" in given:  # Gemini counts its thoughts beside
        found[semconv.USAGE_OUTPUT] = found.get(semconv.USAGE_OUTPUT, 0) + found.get(semconv.USAGE_REASONING, 0)
    if semconv.USAGE_INPUT in found and "prompt_tokens" not in given:
        cached = sum(count(given.get(key)) or 0 for key in _BESIDE)
        if cached and _is_beside(given, found, cached, is_beside):
            found[semconv.USAGE_INPUT] += cached
    return found


def _is_beside(given: Mapping[str, Any], found: Mapping[str, int], cached: int, otherwise: bool) -> bool:
    plain = found[semconv.USAGE_INPUT]
    if plain < cached:
        return True
    total = next((count(given[key]) for key in _TOTALS if key in given), None)
    output = found.get(semconv.USAGE_OUTPUT, 0)
    return {plain + output: False, plain + output + cached: True}.get(total or 0, otherwise)


def inputs(value: Any) -> list[dict[str, Any]] | None:
    """A text, or several texts or blocks, as a message each: what is embedded, or completed."""
    listed = value if isinstance(value, list) else [value]
    made = [message("user", parts(one)) for one in listed if isinstance(one, str | Mapping)]
    return [one for one in made if one["parts"]] or None


def told(by: str, value: Any) -> list[dict[str, Any]] | None:
    """What a step was given, or gave back, as one message: a text, or a structure's JSON text."""
    if value is None or value in ("", "null"):
        return None
    return [message(by, [says(value if isinstance(value, str) else orjson.dumps(value).decode())])]


def read_request(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The request of a model's call."""
    yield semconv.REQUEST_MODEL, text(body.get("model"))
    yield semconv.REQUEST_STREAM, flag(body["stream"]) or None if "stream" in body else None
    said = next((body[key] for key in ("messages", "input", "prompt", "prompts", "contents") if body.get(key)), None)
    are_texts = isinstance(said, str) or (isinstance(said, list) and all(isinstance(one, str) for one in said))
    yield semconv.INPUT_MESSAGES, inputs(said) if are_texts else messages(said)
    system = next((body[key] for key in ("system", "instructions", "system_instruction") if body.get(key)), None)
    yield semconv.SYSTEM_INSTRUCTIONS, list(parts(system)) or None
    tools = body.get("tools") or body.get("functions")
    yield semconv.TOOL_DEFINITIONS, definitions(tools) if tools else None
    yield from settings(body)


def read_response(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The answer to it. Without its usage: some keep the input there in another sense."""
    yield semconv.RESPONSE_ID, text(body.get("id"))
    yield semconv.RESPONSE_MODEL, text(body.get("model"))
    data = body.get("data")
    if isinstance(data, list) and data and isinstance(data[0], Mapping) and "embedding" in data[0]:
        vector = parsed(data[0]["embedding"])
        yield semconv.EMBEDDINGS_DIMENSIONS, len(vector) if isinstance(vector, list) else None
        return
    yield semconv.OUTPUT_MESSAGES, _answer(body)
    yield semconv.RESPONSE_FINISH_REASONS, finish(_reasons(body))


def _answer(body: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    output = body.get("output")
    if isinstance(output, list):  # the Responses API: one answer in several items
        said = [part for one in items(output) for made in messages([one], "assistant") or () for part in made["parts"]]
        return [message("assistant", said)] if said else None
    if isinstance(output, Mapping) and isinstance(output.get("message"), Mapping):
        return messages([output["message"]], "assistant")
    if isinstance(body.get("choices"), list):
        return messages(body["choices"], "assistant")
    if isinstance(body.get("generations"), list):
        said = [{key: one[key] for key in ("message", "text") if key in one} for one in _generations(body)]
        return messages(said, "assistant")
    if isinstance(body.get("candidates"), list):
        return messages([one["content"] for one in items(body["candidates"]) if "content" in one], "assistant")
    return messages([body], "assistant")


def _reasons(body: Mapping[str, Any]) -> list[Any]:
    if isinstance(body.get("output"), list):
        return [_reason_of_items(body)]
    for key in ("choices", "candidates"):
        if isinstance(body.get(key), list):
            return [one.get("finish_reason") or one.get("finishReason") for one in items(body[key])]
    if isinstance(body.get("generations"), list):
        return [_reason_of_generation(one) for one in _generations(body)]
    return [
        next((body[key] for key in ("stop_reason", "stopReason", "finish_reason", "done_reason") if key in body), None)
    ]


def _reason_of_items(body: Mapping[str, Any]) -> str | None:
    """The Responses API has none: derived from the status and the items."""
    status = body.get("status")
    if status == "incomplete":
        details = body.get("incomplete_details")
        return (text(details.get("reason")) if isinstance(details, Mapping) else None) or "length"
    if status != "completed":
        return None
    called = any(one.get("type") in ("function_call", "custom_tool_call") for one in items(body["output"]))
    return "tool_call" if called else "stop"


def _generations(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """LangChain's, of the first prompt where there are several."""
    given = body["generations"]
    return items(given[0] if given and isinstance(given[0], list) else given)


def _reason_of_generation(one: Mapping[str, Any]) -> Any:
    """LangChain keeps it beside the message or in its metadata."""
    inner = one.get("message")
    inner = inner.get("kwargs", inner) if isinstance(inner, Mapping) else {}
    for given in (one.get("generation_info"), inner.get("response_metadata") if isinstance(inner, Mapping) else None):
        if isinstance(given, Mapping):
            for key in ("finish_reason", "stop_reason", "done_reason"):
                if text(given.get(key)):
                    return given[key]
    return None
