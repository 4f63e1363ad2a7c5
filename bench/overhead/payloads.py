"""The prompts that are sent and the answers that come back: 1 kB of chat, three tool calls, 100 kB, 300 chunks."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALLS", "CHUNKS", "STREAM", "Server", "in_answer", "in_prompt"]

CHUNKS = 300
HEAD = {
    "id": "chatcmpl-1", "created": 1764000000, "model": "gpt-4o-mini-2024-07-18", "service_tier": "default",
    "system_fingerprint": "fp",
}  # fmt: skip
USAGE = {
    "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 83, "audio_tokens": 0},
}  # fmt: skip


def _filled(size: int, word: str) -> str:
    unit = f"{word} lorem ipsum dolor sit amet, consectetur adipiscing elit — "
    return (unit * (size // len(unit) + 1))[:size]


in_prompt, in_answer = "asked-for", "answered-with"
_SMALL = [{"role": "system", "content": _filled(200, "system")}, {"role": "user", "content": _filled(824, in_prompt)}]
_LARGE = [
    {"role": ("user", "assistant")[number % 2], "content": _filled(5120, f"turn-{number}")} for number in range(20)
]
_NAMES = ("alpha", "beta", "gamma")
_PARAMETERS = {
    "type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}, "required": ["city"],
}  # fmt: skip
_TOOLS = [
    {"type": "function", "function": {"name": f"tool_{name}", "description": f"does {name}", "parameters": _PARAMETERS}}
    for name in _NAMES
]
_TOOL_CALLS = [
    {
        "id": f"call_{name}", "type": "function",
        "function": {"name": f"tool_{name}", "arguments": json.dumps({"city": f"Town {name}", "n": number})},
    }
    for number, name in enumerate(_NAMES)
]  # fmt: skip
_ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": _SMALL, "temperature": 0.5, "max_tokens": 600}

CALLS: dict[str, dict[str, Any]] = {
    "chat": _ASKED,
    "3 tool calls": {**_ASKED, "tools": _TOOLS},
    "100 kB prompt": {**_ASKED, "messages": [*_LARGE, _SMALL[1]]},
}
STREAM: dict[str, Any] = {**_ASKED, "stream": True, "stream_options": {"include_usage": True}}


def _whole(message: dict[str, Any], finish: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "refusal": None, **message}, "finish_reason": finish}
    return json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


_TEXT = _whole({"content": _filled(1024, in_answer), "annotations": []}, "stop")
_CALLED = _whole({"content": None, "tool_calls": _TOOL_CALLS}, "tool_calls")


def _event(delta: dict[str, Any] | None, finish: str | None = None, usage: Any = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    body = {**HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


class Server(httpx2.SyncByteStream):
    """Answers in this process, a stream event by event as it is read; `sent` counts the events."""

    def __init__(self) -> None:
        self.chunks = CHUNKS
        self.sent = 0
        words = [f"{number:03x}." for number in range(4096)]
        self._words = [_event({"content": word}) for word in [f"{in_answer} ", *words]]

    def __iter__(self) -> Iterator[bytes]:
        self.sent = 1
        yield _event({"role": "assistant", "content": ""})
        for number in count():
            if number == self.chunks - 3:
                break
            self.sent += 1
            yield self._words[number % len(self._words)]
        self.sent += 2
        yield _event({}, "stop")
        yield _event(None, usage=USAGE)
        yield b"data: [DONE]\n\n"

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """The handler of a mock transport."""
        body, headers = request.content, {"x-request-id": "req_1"}
        if b'"stream":true' in body:
            return httpx2.Response(200, headers={**headers, "content-type": "text/event-stream"}, stream=self)
        headers["content-type"] = "application/json"
        return httpx2.Response(200, headers=headers, content=_CALLED if b'"tools"' in body else _TEXT)
