"""Generated content: what is asked, and the answer folded from its chunks; a whole answer is one chunk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request
from ...sampling import FLOATS, read_numbers, read_stops
from ...spec import Delta
from .candidates import fold_candidates, made_messages, read_finish
from .contents import input_messages, system_parts, text_size, tool_definitions
from .usage import read_usage
from .values import as_list, item, read_request_id, wire_body, word

__all__ = ["GENERATE", "GENERATE_STREAM", "INTEGERS", "short_model"]

INTEGERS = {"max_output_tokens": semconv.REQUEST_MAX_TOKENS, "seed": semconv.REQUEST_SEED}
_OUTPUTS = {"IMAGE": "image", "AUDIO": "speech"}


def short_model(model: Any) -> str | None:
    """A model without its path: `models/…`, `publishers/google/models/…`, `projects/…/endpoints/…`."""
    return model.rsplit("/", 1)[-1] or None if isinstance(model, str) else None


class _Generate:
    operation = semconv.GENERATE_CONTENT

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=short_model(kwargs.get("model")), stream=self._stream)
        config = kwargs.get("config")
        if self._stream:
            request.input_chars = text_size(kwargs.get("contents")) + text_size(item(config, "system_instruction"))
        if config is None:
            return request
        found = request.attributes
        read_numbers(found, partial(item, config), FLOATS, INTEGERS)
        count = item(config, "candidate_count")
        if isinstance(count, int) and count != 1:
            found[semconv.REQUEST_CHOICE_COUNT] = count
        read_stops(found, item(config, "stop_sequences"))
        if level := word(item(item(config, "thinking_config"), "thinking_level")):
            found[semconv.REQUEST_REASONING_LEVEL] = level.lower()
        if kind := _output_type(config):
            found[semconv.OUTPUT_TYPE] = kind
        tier = word(item(config, "service_tier"))
        request.tier = tier if tier and tier != "unspecified" else None
        return request

    def limit_output(self, kwargs: Mapping[str, Any], tokens: int) -> Mapping[str, Any]:
        """In the config, which is the app's own: a copy of it, of its own kind."""
        config = kwargs.get("config")
        if config is None or isinstance(config, Mapping):
            return {"config": {**(config or {}), "max_output_tokens": tokens}}
        return {"config": config.model_copy(update={"max_output_tokens": tokens})}

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = input_messages(kwargs.get("contents"))
        config = kwargs.get("config")
        if system := item(config, "system_instruction"):
            request.system = system_parts(system)
        if tools := tool_definitions(item(config, "tools")):
            request.tools = tools

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        raw = getattr(getattr(body, "sdk_http_response", None), "body", None)
        if raw and not getattr(body, "candidates", None):  # the app asked for the HTTP answer, undecoded
            body = wire_body(orjson.loads(raw))
        self.fold_chunk(reading, body, captures)
        self.finish(reading, captures)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if reading.partial is None:
            read_request_id(reading, getattr(getattr(chunk, "sdk_http_response", None), "headers", None))
        if reading.id is None:
            reading.id = word(getattr(chunk, "response_id", None))
        if reading.model is None:
            reading.model = word(getattr(chunk, "model_version", None))
        read_usage(reading, getattr(chunk, "usage_metadata", None))
        return fold_candidates(reading, chunk, captures)

    def finish(self, reading: Reading, captures: bool) -> None:
        if reading.partial is None:
            return
        read_finish(reading)
        if captures:
            reading.messages = made_messages(reading)
        reading.partial = None

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) not in {None, "text"}:
            return None  # an app that waits for JSON, a picture or a voice can do nothing with a text
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
        return orjson.dumps({"candidates": [candidate], "modelVersion": request.model or "", "responseId": "otelllm"})


def _output_type(config: Any) -> str | None:
    for one in as_list(item(config, "response_modalities")):
        if (kind := _OUTPUTS.get((word(one) or "").upper())) is not None:
            return kind
    if item(config, "response_schema") is not None or item(config, "response_json_schema") is not None:
        return "json"
    return {"application/json": "json", "text/plain": "text"}.get(word(item(config, "response_mime_type")) or "")


GENERATE = _Generate(stream=False)
GENERATE_STREAM = _Generate(stream=True)
