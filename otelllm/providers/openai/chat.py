"""Chat completions: what is asked, the whole answer, and the answer folded from chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...fields import field as fact
from ...spec import Delta
from .messages import as_list, chat_message, content_parts, text, tool_call, tool_definitions
from .parameters import given, merged, plain, read_common
from .usage import merge_usage, read_usage

__all__ = ["CHAT", "finish_reason", "read_attributes"]

_FINISH = {"tool_calls": "tool_call", "function_call": "tool_call"}


def finish_reason(own: str) -> str:
    """The conventions' word for a finish reason."""
    return _FINISH.get(own, own)


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


def read_error_body(reading: Reading, body: Any) -> None:
    """An error inside an answer of success, as gateways send it."""
    error = getattr(body, "error", None)
    if error is None:
        return
    if isinstance(error, str):
        reading.error_type, reading.error_message = "error", error
        return
    reading.error_type = str(fact(error, "code") or fact(error, "type") or "error")
    reading.error_message = plain(fact(error, "message"))


@dataclass(slots=True)
class _Tool:
    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Choice:
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    tools: list[_Tool] = field(default_factory=list)
    by_index: dict[int, _Tool] = field(default_factory=dict)
    audio: list[str] = field(default_factory=list)
    finish: str | None = None

    def tool(self, index: Any, call_id: str | None) -> _Tool:
        """The call that a fragment belongs to: by index; a new id at a known index begins a new call; else the last."""
        known = self.by_index.get(index) if isinstance(index, int) else None
        if known is None and not isinstance(index, int):
            known = next((one for one in self.tools if call_id and one.id == call_id), None)
            if known is None and not call_id and self.tools:
                known = self.tools[-1]
        if known is None or (call_id and known.id and call_id != known.id):
            known = next((one for one in self.tools if call_id and one.id == call_id), None) or self._begin()
        if isinstance(index, int):
            self.by_index[index] = known
        if call_id:
            known.id = call_id
        return known

    def _begin(self) -> _Tool:
        tool = _Tool()
        self.tools.append(tool)
        return tool


class _Chat:
    operation = semconv.CHAT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        found = request.attributes
        found[semconv.OPENAI_API_TYPE] = "chat_completions"
        if kwargs.get("n") not in (None, 1) and isinstance(kwargs["n"], int):
            found[semconv.REQUEST_CHOICE_COUNT] = kwargs["n"]
        stop = kwargs.get("stop")
        if isinstance(stop, str):
            found[semconv.REQUEST_STOP_SEQUENCES] = [stop]
        elif isinstance(stop, list | tuple) and all(isinstance(one, str) for one in stop):
            found[semconv.REQUEST_STOP_SEQUENCES] = list(stop)
        if effort := plain(kwargs.get("reasoning_effort")):
            found[semconv.REQUEST_REASONING_LEVEL] = effort
        if kind := output_type(kwargs.get("response_format")):
            found[semconv.OUTPUT_TYPE] = kind
        return request

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
            if captures and (message := getattr(choice, "message", None)) is not None:
                made = chat_message(message)
                reading.messages.append({**made, "role": "assistant"})
        if not choices:
            read_error_body(reading, body)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            merge_usage(reading, read_usage(usage))
        if reading.partial is None:
            reading.partial = {}
        if reading.id is None or reading.model is None or getattr(chunk, "service_tier", None) is not None:
            read_attributes(reading, chunk)
        delta: Delta = 0
        choices = getattr(chunk, "choices", None)
        if not choices:
            read_error_body(reading, chunk)
            return 0
        for choice in choices:
            index = getattr(choice, "index", 0) or 0
            state = reading.partial.get(index)
            if state is None:
                state = reading.partial[index] = _Choice()
            own = choice.finish_reason
            if own:
                state.finish = own
            if choice.delta is not None:
                delta = max(delta, _fold_delta(reading, state, choice.delta, captures))
        return delta

    def finish(self, reading: Reading, captures: bool) -> None:
        states: dict[int, _Choice] = reading.partial or {}
        reading.partial = {}
        for _, state in sorted(states.items()):
            if state.finish:
                reading.own_finish_reasons.append(state.finish)
                reading.finish_reasons.append(finish_reason(state.finish))
            if captures and (made := _assembled(state))["parts"]:
                reading.messages.append(made)

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


def _fold_delta(reading: Reading, state: _Choice, delta: Any, captures: bool) -> Delta:
    found: Delta = 0
    if content := delta.content:
        if not isinstance(content, str):  # compatible servers stream parts, too
            content = "".join(str(part.get("content", "")) for part in content_parts(content))
        reading.output_chars += len(content)
        if captures:
            state.texts.append(content)
        found = 2
    if tools := delta.tool_calls:
        found = found or 1
        for fragment in tools:
            _fold_tool(reading, state, fragment, captures)
    refusal = getattr(delta, "refusal", None)
    if isinstance(refusal, str) and refusal:
        found = found or 1
        if captures:
            state.refusals.append(refusal)
    thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    if isinstance(thought, str) and thought:
        reading.output_chars += len(thought)
        found = found or 1
        if captures:
            state.thoughts.append(thought)
    if (legacy := getattr(delta, "function_call", None)) is not None:
        found = found or 1
        tool = state.tool(0, None)
        tool.name += getattr(legacy, "name", None) or ""
        tool.arguments.append(getattr(legacy, "arguments", None) or "")
    if (audio := getattr(delta, "audio", None)) is not None:
        found = found or 2
        transcript = fact(audio, "transcript")
        if captures and isinstance(transcript, str):
            state.audio.append(transcript)
    return found


def _fold_tool(reading: Reading, state: _Choice, fragment: Any, captures: bool) -> None:
    tool = state.tool(getattr(fragment, "index", None), plain(getattr(fragment, "id", None)))
    body = getattr(fragment, "function", None) or getattr(fragment, "custom", None)
    if body is None:
        return
    if name := fact(body, "name"):
        # Some servers repeat the whole name with every fragment; none sends it in pieces.
        tool.name = str(name)
    piece = fact(body, "arguments") or fact(body, "input")
    if isinstance(piece, str):
        reading.output_chars += len(piece)
        if captures:
            tool.arguments.append(piece)


def _assembled(state: _Choice) -> Message:
    parts: list[Part] = []
    if state.thoughts:
        parts.append({"type": "reasoning", "content": "".join(state.thoughts)})
    parts += content_parts("".join(state.texts))
    if state.refusals:
        parts.append(text("".join(state.refusals)))
    if state.audio:
        parts.append(text("".join(state.audio)))
    parts += [tool_call(one.id, one.name, "".join(one.arguments)) for one in state.tools]
    return {"role": "assistant", "parts": parts}


CHAT = _Chat()
