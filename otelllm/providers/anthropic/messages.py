"""The Messages API, plain and beta: what is asked, the whole answer, and a static one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Reading, Request
from ...fields import field, plain
from ...parts import as_list
from ...sampling import FLOATS, read_numbers, read_stops
from ...spec import Delta
from ...stainless import given, merged, read_error_body
from .blocks import content_parts, messages_of, tool_definitions
from .events import STATIC_ID, finish_reason, finish_stream, fold_event
from .usage import read_apart, read_counts, tier_of, usage_of

__all__ = ["MESSAGES", "STREAMED_MESSAGES"]

_INTEGERS = {"max_tokens": semconv.REQUEST_MAX_TOKENS}
_TIERS = {"standard_only": "standard"}


class _Messages:
    operation = semconv.CHAT
    left_out = frozenset({"metadata"})

    def __init__(self, *, is_streamed: bool) -> None:
        self._is_streamed = is_streamed

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = Request(model=plain(kwargs.get("model")), stream=self._is_streamed or kwargs.get("stream") is True)
        found = request.attributes
        read_numbers(found, kwargs.get, FLOATS, _INTEGERS)
        read_stops(found, kwargs.get("stop_sequences"))
        config = kwargs.get("output_config")
        level = plain(field(config, "effort")) or plain(field(kwargs.get("thinking"), "type"))
        if level:
            found[semconv.REQUEST_REASONING_LEVEL] = level
        if given(kwargs.get("output_format")) or field(config, "format") is not None:
            found[semconv.OUTPUT_TYPE] = "json"
        if previous := plain(field(kwargs.get("thread"), "previous_message_id")):
            found[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous
        tier = plain(kwargs.get("service_tier"))
        request.tier = "fast" if kwargs.get("speed") == "fast" else _TIERS.get(tier, tier) if tier else None
        request.user = plain(field(kwargs.get("metadata"), "user_id"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        kwargs = merged(kwargs)
        request.messages = messages_of(kwargs.get("messages"))
        if given(system := kwargs.get("system")):
            request.system = content_parts(system)
        if tools := as_list(kwargs.get("tools")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        reading.id = plain(getattr(body, "id", None)) or reading.id
        reading.model = plain(getattr(body, "model", None)) or reading.model
        reading.request_id = plain(getattr(body, "_request_id", None)) or reading.request_id
        usage = getattr(body, "usage", None)
        if usage is not None and reading.id != STATIC_ID:
            reading.usage = usage_of(read_counts(usage))
            reading.tier = tier_of(usage)
            read_apart(reading, usage)
        if own := plain(getattr(body, "stop_reason", None)):
            reading.own_finish_reasons, reading.finish_reasons = [own], [finish_reason(own)]
        content = as_list(getattr(body, "content", None))
        if captures and content:
            message: Message = {"role": "assistant", "parts": content_parts(content)}
            reading.messages = [message]
        if not content:
            read_error_body(reading, body)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return fold_event(reading, chunk, captures)

    def finish(self, reading: Reading, captures: bool) -> None:
        finish_stream(reading, captures)

    def last_words(self, reading: Reading, chunk: Any) -> list[Any]:
        """The events that close the block and the message, as where `max_tokens` was reached."""
        reading.finish_reasons, reading.own_finish_reasons = ["length"], ["max_tokens"]
        if not type(chunk).__module__.startswith("anthropic."):
            return []
        types = import_module("anthropic.types")
        counted = reading.usage.output if reading.usage is not None else None
        last = [
            types.RawMessageDeltaEvent.model_construct(
                type="message_delta",
                delta=types.raw_message_delta_event.Delta.model_construct(stop_reason="max_tokens", stop_sequence=None),
                usage=types.MessageDeltaUsage.model_construct(output_tokens=counted or 0),
            ),
            types.RawMessageStopEvent.model_construct(type="message_stop"),
        ]
        index = getattr(chunk, "index", None)
        if index is not None and chunk.type != "content_block_stop":
            last.insert(0, types.RawContentBlockStopEvent.model_construct(type="content_block_stop", index=index))
        return last

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it, and get an error of its schema in place of our refusal
        return _answer(request, text)


def _answer(request: Request, content: str) -> bytes:
    usage = {"input_tokens": 0, "output_tokens": 0}
    block = {"type": "text", "text": content, "citations": None}
    message: dict[str, Any] = {
        "id": STATIC_ID, "type": "message", "role": "assistant", "model": request.model or "",
        "content": [block], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    if not request.stream:
        return orjson.dumps(message)
    begun = {**message, "content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {**block, "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": content}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(
        b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n" for event in events
    )


MESSAGES = _Messages(is_streamed=False)
STREAMED_MESSAGES = _Messages(is_streamed=True)
"""Of `.stream()`, which is not told that it streams."""
