"""Converse and ConverseStream: what is asked, the whole answer, and a static one. Nova's own bodies are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Reading, Request
from ...fields import field, members, plain
from ...parts import as_list
from ...spec import Delta
from .blocks import content_parts, messages_of, text_size, tool_definitions
from .events import finish_stream, fold_event, read_finish, read_metadata
from .frames import frame
from .metadata import forget_static, read_answered
from .parameters import read_parameters, tier_of

__all__ = ["CONVERSE", "CONVERSE_STREAM", "NOVA", "NOVA_STREAM"]

_COUNTED = {"usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, "metrics": {"latencyMs": 0}}


def _level(kwargs: Mapping[str, Any], more: Any) -> str | None:
    """How much the model shall think: each model family has a field of its own for it."""
    reasoning = field(more, "reasoning_config") or field(more, "reasoningConfig") or field(more, "thinking")
    found = (
        field(kwargs.get("outputConfig"), "effort"),
        field(field(more, "output_config"), "effort"),
        field(more, "reasoning_effort"),
        reasoning if isinstance(reasoning, str) else field(reasoning, "maxReasoningEffort"),
        field(reasoning, "type"),
    )
    return next((word for one in found if (word := plain(one))), None)


class _Converse:
    operation = semconv.CHAT

    def __init__(self, *, is_streamed: bool) -> None:
        self._is_streamed = is_streamed

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=plain(kwargs.get("modelId")), stream=self._is_streamed)
        found, more = request.attributes, kwargs.get("additionalModelRequestFields")
        read_parameters(found, more)
        read_parameters(found, field(more, "inferenceConfig"))
        read_parameters(found, kwargs.get("inferenceConfig"))
        if level := _level(kwargs, more):
            found[semconv.REQUEST_REASONING_LEVEL] = level
        if field(field(kwargs.get("outputConfig"), "textFormat"), "type") == "json_schema":
            found[semconv.OUTPUT_TYPE] = "json"
        if guardrail := plain(field(kwargs.get("guardrailConfig"), "guardrailIdentifier")):
            found[semconv.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
        request.tier = tier_of(
            field(kwargs.get("serviceTier"), "type"), field(kwargs.get("performanceConfig"), "latency")
        )
        if self._is_streamed:
            request.input_chars = text_size(kwargs.get("system")) + text_size(kwargs.get("messages"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = messages_of(kwargs.get("messages"))
        if system := content_parts(kwargs.get("system")):
            request.system = system
        if tools := tool_definitions(kwargs.get("toolConfig")):
            request.tools = tools

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_answered(reading, body)
        self.read_body(reading, body, captures)
        forget_static(reading)

    def read_body(self, reading: Reading, body: Mapping[str, Any], captures: bool) -> None:
        """The model's part of an answer."""
        read_metadata(reading, body)
        read_finish(reading, body.get("stopReason"))
        content = as_list(field(field(body.get("output"), "message"), "content"))
        if captures and content:
            message: Message = {"role": "assistant", "parts": content_parts(content)}
            reading.messages = [message]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return fold_event(reading, chunk, captures)

    def finish(self, reading: Reading, captures: bool) -> None:
        finish_stream(reading, captures)
        forget_static(reading)

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) == "json":
            return None  # the app would parse it, and get an error of its schema in place of our refusal
        message = {"role": "assistant", "content": [{"text": text}]}
        if not request.stream:
            return orjson.dumps({"output": {"message": message}, "stopReason": "end_turn", **_COUNTED})
        return b"".join(frame(name, orjson.dumps(event)) for name, event in _events(text).items())


def _events(text: str) -> dict[str, Any]:
    return {
        "messageStart": {"role": "assistant"},
        "contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": text}},
        "contentBlockStop": {"contentBlockIndex": 0},
        "messageStop": {"stopReason": "end_turn"},
        "metadata": _COUNTED,
    }


class _Nova(_Converse):
    """The same inside InvokeModel, where Nova's bodies are Converse's without what botocore says."""

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        self.read_body(reading, members(body), captures)

    def answer(self, request: Request, text: str) -> bytes | None:
        if not request.stream:
            return super().answer(request, text)
        return b"".join(b"data: " + orjson.dumps({name: event}) + b"\n\n" for name, event in _events(text).items())


CONVERSE = _Converse(is_streamed=False)
CONVERSE_STREAM = _Converse(is_streamed=True)
NOVA = _Nova(is_streamed=False)
NOVA_STREAM = _Nova(is_streamed=True)
