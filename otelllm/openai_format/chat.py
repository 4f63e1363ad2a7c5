"""Chat completions: what is asked, the whole answer, and the answer folded from chunks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from .. import semconv
from ..call import Reading, Request
from ..fields import members, plain
from ..parts import as_list
from ..sampling import read_stops
from ..spec import Delta
from ..stainless import given, merged, read_error_body
from .chunks import finish_choices, finish_reason, fold_choices, fold_text
from .dialects import count_server_tools, read_breakdown, read_x_groq
from .messages import chat_message, text_size, tool_definitions
from .parameters import LEFT_OUT, read_common
from .usage import merge_usage, read_usage

_LIMITS = ("max_completion_tokens", "max_tokens")
_REASONS = re.compile(r"(?:openai/)?(?:o\d|gpt-5)")

__all__ = ["CHAT", "output_type", "read_attributes"]


def output_type(response_format: Any) -> str | None:
    """text or json, told from `response_format`: a dict, or a class that the SDK turns into a schema."""
    if not given(response_format):
        return None
    kind = response_format.get("type") if isinstance(response_format, Mapping) else "json_schema"
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(str(kind))


def read_attributes(reading: Reading, body: Any) -> None:
    """Ids, model, tier and fingerprint: the same on an answer and on each chunk."""
    reading.id = plain(getattr(body, "id", None)) or reading.id
    reading.model = plain(getattr(body, "model", None)) or reading.model
    reading.request_id = plain(getattr(body, "_request_id", None)) or reading.request_id
    if tier := plain(getattr(body, "service_tier", None)):
        reading.tier = tier
        reading.attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = tier
    if fingerprint := plain(getattr(body, "system_fingerprint", None)):
        reading.attributes[semconv.OPENAI_SYSTEM_FINGERPRINT] = fingerprint


class Chat:
    operation = semconv.CHAT
    left_out = LEFT_OUT

    def __init__(self, *, api_type: str | None = "chat_completions") -> None:
        self.api_type = api_type

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        found = request.attributes
        if self.api_type is not None:
            found[semconv.OPENAI_API_TYPE] = self.api_type
        if kwargs.get("n") not in (None, 1) and isinstance(kwargs["n"], int):
            found[semconv.REQUEST_CHOICE_COUNT] = kwargs["n"]
        read_stops(found, kwargs.get("stop"))
        if effort := plain(kwargs.get("reasoning_effort")):
            found[semconv.REQUEST_REASONING_LEVEL] = effort
        if kind := output_type(kwargs.get("response_format")):
            found[semconv.OUTPUT_TYPE] = kind
        if request.stream:
            request.input_chars = text_size(kwargs.get("messages"))
        return request

    def limit_output(self, kwargs: Mapping[str, Any], tokens: int) -> Mapping[str, Any]:
        """Under the app's own name for it; else the one that the model takes: those that reason refuse `max_tokens`."""
        named = next((name for name in _LIMITS if given(kwargs.get(name))), None)
        return {named or _LIMITS[not _REASONS.match(str(kwargs.get("model")))]: tokens}

    def last_words(self, reading: Reading, chunk: Any) -> list[Any]:
        """A chunk that says that the answer was cut at a length."""
        reading.finish_reasons = reading.own_finish_reasons = ["length"]
        if not hasattr(chunk, "model_copy"):
            return []
        ends = [
            choice.model_copy(update={"delta": type(choice.delta)(), "finish_reason": "length"})
            for choice in chunk.choices
        ]
        return [chunk.model_copy(update={"choices": ends, "usage": None})] if ends else []

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        request.messages = [chat_message(one) for one in as_list(kwargs.get("messages"))]
        if tools := as_list(kwargs.get("tools")) or as_list(kwargs.get("functions")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        choices = as_list(getattr(body, "choices", None))
        for choice in choices:
            if own := plain(getattr(choice, "finish_reason", None)):
                reading.own_finish_reasons.append(own)
                reading.finish_reasons.append(finish_reason(own))
            message = getattr(choice, "message", None)
            if executed := members(message).get("executed_tools"):
                count_server_tools(reading, map(members, executed))
            if captures and message is not None:
                made = chat_message(message)
                reading.messages.append({**made, "role": "assistant"})
        said = members(body)
        if (breakdown := said.get("usage_breakdown")) is not None:
            read_breakdown(reading, breakdown)
        if (extra := said.get("x_groq")) is not None:
            read_x_groq(reading, extra)
        if not choices:
            read_error_body(reading, body)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if fold_text(reading, chunk, captures):
            return 2
        said = members(chunk)
        if said.get("usage") is not None:
            merge_usage(reading, read_usage(chunk.usage))
            if (breakdown := said.get("usage_breakdown")) is not None:
                read_breakdown(reading, breakdown)
        if (extra := said.get("x_groq")) is not None:
            read_x_groq(reading, extra)
        tier = said.get("service_tier")
        if reading.id is None or reading.model is None or (tier is not None and tier != reading.tier):
            read_attributes(reading, chunk)
        choices = said.get("choices")
        if not choices:
            read_error_body(reading, chunk)
            return 0
        return fold_choices(reading, choices, captures)

    def finish(self, reading: Reading, captures: bool) -> None:
        finish_choices(reading, captures)

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it, and get an error of its schema in place of our refusal
        head = {"id": "otelllm", "created": 0, "model": request.model or ""}
        message = {"role": "assistant", "content": text}
        if not request.stream:
            choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
            return orjson.dumps({**head, "object": "chat.completion", "choices": [choice]})
        events = [
            {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            for delta, end in ((message, None), ({}, "stop"))
        ]
        return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"


CHAT = Chat()
