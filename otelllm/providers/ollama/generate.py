"""Chats and completions: what is asked, and the answer folded from its chunks; a whole answer is one chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...capture import blob
from ...estimate import size_of
from ...fields import members
from ...openai_format.messages import text_size, tool_definitions
from ...parts import as_list, text, tool_call
from ...spec import Delta
from .parameters import image, input_message, read_parameters
from .wire import State, read_end, said_by, state_of

__all__ = ["CHAT", "GENERATE"]


class _Generate:
    def __init__(self, operation: str) -> None:
        self.operation = operation

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = read_parameters(kwargs)
        if request.stream:
            request.input_chars = sum(
                text_size(kwargs.get(name)) for name in ("messages", "prompt", "suffix", "system")
            )
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        if self.operation == semconv.CHAT:
            request.messages = [input_message(one) for one in as_list(kwargs.get("messages"))]
        else:
            pieces = [one for name in ("prompt", "suffix") if isinstance(one := kwargs.get(name), str) and one]
            parts = [*map(text, pieces), *map(image, as_list(kwargs.get("images")))]
            request.messages = [{"role": "user", "parts": parts}] if parts else None
        if isinstance(system := kwargs.get("system"), str) and system:
            request.system = [text(system)]
        if tools := as_list(kwargs.get("tools")):
            request.tools = tool_definitions(tools)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        self.fold_chunk(reading, body, captures)
        self.finish(reading, captures)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = said_by(reading, chunk)
        if said.get("done"):
            reading.unfinished = False
            read_end(reading, said)
            if isinstance(own := said.get("done_reason"), str) and own:
                reading.own_finish_reasons, reading.finish_reasons = [own], [own]
        elif reading.model is None:
            reading.unfinished = True
            read_end(reading, said)
        state = state_of(reading)
        if self.operation == semconv.CHAT:
            message = members(said.get("message"))
            found = _fold_texts(reading, state, message.get("thinking"), message.get("content"), captures)
            if calls := message.get("tool_calls"):
                found = max(found, _fold_calls(reading, state, calls, captures))
            return found
        drawn = said.get("image")
        if isinstance(drawn, str) and drawn:
            reading.attributes[semconv.OUTPUT_TYPE] = "image"
            if captures:
                state.images.append(blob("image/png", "image", drawn))
        found = _fold_texts(reading, state, said.get("thinking"), said.get("response"), captures)
        return 2 if drawn else found

    def finish(self, reading: Reading, captures: bool) -> None:
        state: State | None = reading.partial
        reading.partial = None
        if state is None or not captures:
            return
        parts: list[Part] = []
        if state.thoughts:
            parts.append({"type": "reasoning", "content": "".join(state.thoughts)})
        if state.texts:
            parts.append(text("".join(state.texts)))
        parts += state.images + state.calls
        if parts:
            message: Message = {"role": "assistant", "parts": parts}
            reading.messages.append(message)

    def answer(self, request: Request, text: str) -> bytes | None:
        if request.attributes.get(semconv.OUTPUT_TYPE) not in {None, "text"}:
            return None  # an app that waits for JSON or a picture can do nothing with a text
        said: dict[str, Any] = {"response": text}
        if self.operation == semconv.CHAT:
            said = {"message": {"role": "assistant", "content": text}}
        head = {"model": request.model or "", "created_at": "1970-01-01T00:00:00Z"}
        return orjson.dumps({**head, **said, "done": True, "done_reason": "stop"})


def _fold_texts(reading: Reading, state: State, thought: Any, content: Any, captures: bool) -> Delta:
    found: Delta = 0
    if isinstance(thought, str) and thought:
        found = 1
        reading.output_chars += size_of(thought)
        if captures:
            state.thoughts.append(thought)
    if isinstance(content, str) and content:
        found = 2
        reading.output_chars += size_of(content)
        if captures:
            state.texts.append(content)
    return found


def _fold_calls(reading: Reading, state: State, calls: Any, captures: bool) -> Delta:
    """Calls come whole, and several chunks may each bring some."""
    found: Delta = 0
    for call in as_list(calls):
        found = 1
        function = members(members(call).get("function"))
        arguments = function.get("arguments")
        reading.output_chars += len(orjson.dumps(arguments, default=str))
        if captures:
            state.calls.append(tool_call(members(call).get("id"), function.get("name"), arguments))
    return found


CHAT = _Generate(semconv.CHAT)
GENERATE = _Generate(semconv.TEXT_COMPLETION)
