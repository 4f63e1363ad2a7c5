"""Interactions: what is asked of a model or a hosted agent, the answer's steps, whole and as events.

A span a request: an answer that is continued is several, each with a usage of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request, Usage
from ...estimate import size_of
from ...fields import members
from ...openai_format.messages import tool_definitions
from ...parts import as_list
from ...sampling import FLOATS, read_numbers, read_stops
from ...speakeasy import as_sent, given
from ...spec import Delta
from .generate import INTEGERS, short_model
from .steps import Step, input_messages, input_size, step_parts
from .values import item, word

__all__ = ["INTERACTION", "STORED", "error_word"]

STATIC_ID = "interaction_otelllm"
_FINISH = {"completed": "stop", "requires_action": "tool_call", "incomplete": "length", "failed": "error",
           "budget_exceeded": "length", "requires_continuation": "length"}  # fmt: skip
_BILLED = {"google_search": "web_search"}
"""What a tool that the provider ran is billed as, where its own word differs."""
_OUTPUTS = {"image": "image", "audio": "speech"}
_PENDING = {"in_progress", "queued", "cancelled"}
"""Not how an answer ended: it runs in the background, or nobody waits for it any more."""


class _Interactions:
    operation = semconv.GENERATE_CONTENT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        asked = _asked(kwargs)
        request = Request(model=short_model(asked.get("model")), stream=asked.get("stream") is True)
        found = request.attributes
        config = asked.get("generation_config")
        read_numbers(found, partial(item, config), FLOATS, INTEGERS)
        read_stops(found, item(config, "stop_sequences"))
        if level := word(item(config, "thinking_level")):
            found[semconv.REQUEST_REASONING_LEVEL] = level.lower()
        if kind := _output_type(asked):
            found[semconv.OUTPUT_TYPE] = kind
        if agent := word(asked.get("agent")):
            found[semconv.AGENT_ID] = agent
        if previous := word(asked.get("previous_interaction_id")):
            found[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous
        elif request.stream:  # of what went before, only the provider knows the size
            request.input_chars = input_size(asked.get("input")) + input_size(asked.get("system_instruction"))
        request.tier = word(asked.get("service_tier"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        asked = _asked(kwargs)
        request.messages = input_messages(as_sent(asked.get("input")))
        if system := word(asked.get("system_instruction")):
            request.system = [{"type": "text", "content": system}]
        if tools := as_list(asked.get("tools")):
            request.tools = tool_definitions(as_sent(tools))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(as_sent(body))
        _read_head(reading, said)
        steps = [one for one in as_list(said.get("steps")) if item(one, "type") != "user_input"]
        if captures and steps:
            reading.messages = [{"role": "assistant", "parts": [part for one in steps for part in step_parts(one)]}]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = members(as_sent(chunk))
        kind = said.get("event_type")
        if kind in {"step.start", "step.delta"}:
            return _fold(reading, said, captures)
        if kind == "interaction.created":
            reading.unfinished = True
            _read_head(reading, said.get("interaction") or {})
        elif kind == "interaction.completed":
            reading.unfinished = False
            _read_head(reading, said.get("interaction") or {})
        elif kind == "interaction.status_update":
            _read_head(reading, {**said, "id": said.get("interaction_id")})
        elif kind == "step.stop":
            _read_usage(reading, said.get("usage"))
        elif kind == "error":
            error = said.get("error") or {}
            reading.error_type = word(error.get("code")) or "error"
            reading.error_message = word(error.get("message"))
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        steps: dict[Any, Step] = reading.partial or {}
        reading.partial = None
        parts = [part for step in steps.values() for part in step.parts()]
        if captures and parts:
            reading.messages = [{"role": "assistant", "parts": parts}]

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) not in {None, "text"}:
            return None  # an app that waits for JSON, a picture or a voice can do nothing with a text
        content = {"type": "text", "text": text}
        step = {"type": "model_output", "content": [content]}
        whole = {"id": STATIC_ID, "object": "interaction", "status": "completed", "model": request.model or "",
                 "created": "1970-01-01T00:00:00Z", "updated": "1970-01-01T00:00:00Z"}  # fmt: skip
        if not request.stream:
            return orjson.dumps({**whole, "steps": [step]})
        begun = {**whole, "status": "in_progress"}
        events: list[dict[str, Any]] = [
            {"event_type": "interaction.created", "interaction": begun},
            {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
            {"event_type": "step.delta", "index": 0, "delta": content},
            {"event_type": "step.stop", "index": 0},
            {"event_type": "interaction.completed", "interaction": whole},
        ]
        return b"".join(
            b"event: " + one["event_type"].encode() + b"\ndata: " + orjson.dumps(one) + b"\n\n" for one in events
        )


class _Stored(_Interactions):
    """An interaction that is looked at again: what it used was counted when it was made, and is counted no more."""

    operation = semconv.FETCH_RESPONSE

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return Request(stream=kwargs.get("stream") is True)

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        return None  # an id is no content

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        super().read_response(reading, body, captures)
        reading.usage = None

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        delta = super().fold_chunk(reading, chunk, captures)
        reading.usage = None
        return delta

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


def error_word(error: BaseException) -> str | None:
    """The provider's word in an error's body; None where it has none, or only a number."""
    said = getattr(error, "body", None)
    try:
        said = orjson.loads(said) if isinstance(said, str | bytes) else said
    except orjson.JSONDecodeError:
        return None
    inner = item(said, "error") if isinstance(said, Mapping) else None
    found = (word(item(inner, name)) for name in ("status", "code"))
    return next((one for one in found if one is not None and not one.isdigit()), None)


def _asked(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body as it will be sent: by its fields, or in a request that holds one."""
    request = kwargs.get("request")
    if request is not None and given(request):
        body = as_sent(request)
        found = body.get("body") if isinstance(body, Mapping) else None
        return found if isinstance(found, Mapping) else {}
    said = {name: value for name, value in kwargs.items() if given(value)}
    extra = said.get("extra_body")
    return {**said, **extra} if isinstance(extra, Mapping) else said


def _output_type(asked: Mapping[str, Any]) -> str | None:
    for one in as_list(asked.get("response_modalities")):
        if (kind := _OUTPUTS.get((word(one) or "").lower())) is not None:
            return kind
    wanted = asked.get("response_format")
    for one in as_list(wanted) or ([wanted] if wanted is not None else []):
        kind = word(item(one, "type"))
        if kind in _OUTPUTS:
            return _OUTPUTS[kind]
        if kind != "text" or item(one, "schema") is not None or item(one, "mime_type") == "application/json":
            return "json"
    return {"application/json": "json", "text/plain": "text"}.get(word(asked.get("response_mime_type")) or "")


def _read_head(reading: Reading, said: Mapping[str, Any]) -> None:
    """Id, model, agent, status and usage: of a whole answer, and of events as far as they have them."""
    reading.id = word(said.get("id")) or reading.id
    reading.model = short_model(word(said.get("model"))) or reading.model
    reading.tier = word(said.get("service_tier")) or reading.tier
    if agent := word(said.get("agent")):
        reading.attributes[semconv.AGENT_ID] = agent
    status = word(said.get("status"))
    if status is not None and status not in _PENDING:
        reading.own_finish_reasons, reading.finish_reasons = [status], [_FINISH.get(status, status)]
        if status == "failed" and reading.error_type is None:
            reading.error_type = "failed"
    if reading.id != STATIC_ID:
        _read_usage(reading, said.get("usage"))


def _read_usage(reading: Reading, said: Any) -> None:
    """Thoughts are outside the output, tools' prompts outside the input, cached tokens inside it."""
    if not isinstance(said, Mapping):
        return
    counts = {name: value for name, value in said.items() if isinstance(value, int) and not isinstance(value, bool)}
    thought = counts.get("total_thought_tokens")
    found = Usage(
        input=_sum(counts.get("total_input_tokens"), counts.get("total_tool_use_tokens")),
        output=_sum(counts.get("total_output_tokens"), thought),
        cache_read=counts.get("total_cached_tokens"),
        reasoning=thought,
    )
    into = [*as_list(said.get("input_tokens_by_modality")), *as_list(said.get("tool_use_tokens_by_modality"))]
    found.text_input, found.image_input, found.audio_input = _modalities(into)
    out = as_list(said.get("output_tokens_by_modality"))
    found.text_output, found.image_output, found.audio_output = _modalities(out)
    cached = as_list(said.get("cached_tokens_by_modality"))
    found.text_cache_read, found.image_cache_read, found.audio_cache_read = _modalities(cached)
    for one in as_list(said.get("grounding_tool_count")):
        kind, count = word(item(one, "type")), item(one, "count")
        if kind is not None and isinstance(count, int):
            found.other = {**(found.other or {}), f"server_tool.{_BILLED.get(kind, kind)}": count}
    if found != Usage():
        reading.usage = found


def _sum(*counts: int | None) -> int | None:
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def _modalities(details: Any) -> tuple[int | None, int | None, int | None]:
    said: dict[str, int] = {}
    for one in details:
        kind, count = word(item(one, "modality")), item(one, "tokens")
        if kind is not None and isinstance(count, int):
            said[kind] = said.get(kind, 0) + count
    return said.get("text"), said.get("image"), said.get("audio")


def _fold(reading: Reading, said: Mapping[str, Any], captures: bool) -> Delta:
    if reading.partial is None:
        reading.partial = {}
    steps: dict[Any, Step] = reading.partial
    index = said.get("index")
    if said.get("event_type") == "step.start":
        start = said.get("step") or {}
        steps[index] = Step(start)
        return 1 if start.get("type") == "function_call" else 0
    delta = said.get("delta") or {}
    kind = delta.get("type")
    piece = delta.get("text") or delta.get("arguments") or item(delta.get("content"), "text")
    if isinstance(piece, str):
        reading.output_chars += size_of(piece)
    if captures:
        steps.setdefault(index, Step({"type": "model_output"})).add(delta)
    if kind == "text" or kind in {"image", "audio", "video", "document"}:
        return 2
    return 1 if kind in {"thought_summary", "arguments_delta"} else 0


INTERACTION, STORED = _Interactions(), _Stored()
