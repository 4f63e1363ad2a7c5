"""Chat completions, of models and of agents, and code completions (FIM), which are of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Reading, Request
from ...fields import fields, plain
from ...openai_format.chat import Chat
from ...openai_format.messages import chat_message, text_size, tool_definitions
from ...parts import as_list, text
from ...speakeasy import as_sent, given
from ...spec import Delta
from .usage import read_counts

__all__ = ["CHAT", "CHAT_STREAM", "FIM", "FIM_STREAM", "STATIC_ID"]

STATIC_ID = "otelllm"
"""Of a static answer: its types want counts, but nothing was used."""
_NOTHING_USED = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class _Chat(Chat):
    def __init__(self, operation: str = semconv.CHAT, *, streamed: bool) -> None:
        super().__init__(api_type=None)
        self.operation = operation
        self.streamed = streamed

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        said: dict[str, Any] = {name: value for name, value in kwargs.items() if given(value)}
        said["stream"] = self.streamed  # by the method; the parameter of this name is none
        said["response_format"] = as_sent(said.get("response_format"))
        request = super().read_request(said)
        found = request.attributes
        found.pop(semconv.OPENAI_REQUEST_SERVICE_TIER, None)
        if agent := plain(said.get("agent_id")):
            found[semconv.AGENT_ID] = agent
        if mode := plain(said.get("prompt_mode")):
            found.setdefault(semconv.REQUEST_REASONING_LEVEL, mode)
        if request.stream:
            request.input_chars = _size(said.get("messages"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        request.messages = [chat_message(as_sent(one)) for one in as_list(kwargs.get("messages"))]
        if tools := as_list(kwargs.get("tools")):
            request.tools = tool_definitions(as_sent(tools))

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        for choice in said.get("choices") or ():
            for message in (choice.get("message"), *(choice.get("messages") or ())):
                _tidy_calls(message)
        super().read_response(reading, fields(said), captures)
        _count(reading, said.get("usage"))
        if captures:
            for choice in said.get("choices") or ():
                if not choice.get("message"):  # of an agent that ran tools by itself: each of its messages
                    reading.messages += [chat_message(one) for one in choice.get("messages") or ()]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = as_sent(chunk.data)
        for choice in said.get("choices") or ():
            # Several messages of one choice are told apart by an index of their own.
            message = choice.get("delta") or {}
            choice["index"] = (choice.get("index") or 0, message.get("index") or 0)
            _tidy_calls(message)
        delta = super().fold_chunk(reading, fields(said), captures)
        if counts := said.get("usage"):
            _count(reading, counts)
        return delta

    def answer(self, request: Request, text: str) -> bytes | None:
        body = super().answer(request, text)
        if body is None or request.stream:
            return body
        return orjson.dumps({**orjson.loads(body), "usage": _NOTHING_USED})


class _Fim(_Chat):
    def __init__(self, *, streamed: bool) -> None:
        super().__init__(semconv.TEXT_COMPLETION, streamed=streamed)

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        if request.stream:
            request.input_chars = text_size(kwargs.get("prompt")) + text_size(kwargs.get("suffix"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        said = [plain(kwargs.get("prompt")), plain(kwargs.get("suffix"))]
        message: Message = {"role": "user", "parts": [text(one) for one in said if one]}
        request.messages = [message]


def _tidy_calls(message: Any) -> None:
    """Tool calls as OpenAI has them: no id is no id, and arguments are a text."""
    for call in (message or {}).get("tool_calls") or ():
        if call.get("id") == "null":  # some answers say it so
            del call["id"]
        function = call.get("function") or {}
        if isinstance(function.get("arguments"), Mapping):
            function["arguments"] = orjson.dumps(function["arguments"]).decode()


def _count(reading: Reading, counts: Any) -> None:
    if reading.id == STATIC_ID:
        reading.usage = None
    else:
        read_counts(reading, counts)


def _size(messages: Any) -> int:
    return text_size([one if isinstance(one, Mapping) else as_sent(one) for one in as_list(messages)])


CHAT, CHAT_STREAM = _Chat(streamed=False), _Chat(streamed=True)
FIM, FIM_STREAM = _Fim(streamed=False), _Fim(streamed=True)
