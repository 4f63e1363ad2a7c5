"""The apps that a policy is tried on: OpenAI's and Anthropic's clients, sync and async, whole and streamed, as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from library.anthropic import app as anthropic_app
from library.openai import app as openai_app
from wire import files
from wire.server import Provider, Reply, Request, sse, whole

__all__ = ["WAYS", "Asking", "Way", "answer_all"]


@dataclass(frozen=True)
class Way:
    """One way of asking; its name is the test's id."""

    sdk: str
    kind: str
    is_streamed: bool

    def __str__(self) -> str:
        return f"{self.sdk}-{self.kind}-{'streamed' if self.is_streamed else 'whole'}"


WAYS = [
    Way(sdk, kind, is_streamed)
    for sdk in ("openai", "anthropic")
    for kind in ("sync", "async")
    for is_streamed in (False, True)
]

_MODULES: dict[str, Any] = {"openai": openai_app, "anthropic": anthropic_app}
_WIRE = {
    "openai": ("openai/chat.json", "openai/chat_stream.sse"),
    "anthropic": ("anthropic/message.json", "anthropic/message_stream.sse"),
}


class Asking:
    """An app that asks in one way. Stop it when the test is over."""

    def __init__(self, way: Way, url: str, **options: Any) -> None:
        self.way = way
        module = _MODULES[way.sdk]
        self.app = (module.SyncApp if way.kind == "sync" else module.AsyncApp)(url, **options)

    @property
    def method(self) -> Any:
        """The SDK's own method."""
        client = self.app.client
        return client.chat.completions.create if self.way.sdk == "openai" else client.messages.create

    def arguments(self, text: str = "hello", **more: Any) -> dict[str, Any]:
        """What it is called with; `more` of it, None to leave one out."""
        asked: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
        if self.way.sdk == "anthropic":
            asked |= {"model": "claude-sonnet-4-6", "max_tokens": 100}
        if self.way.is_streamed:
            asked["stream"] = True
        return {name: value for name, value in {**asked, **more}.items() if value is not None}

    def start(self, text: str = "hello", **more: Any) -> Any:
        """What the method gives: an answer, or a stream that nobody has read yet."""
        return self.app.call(self.method, **self.arguments(text, **more))

    def ask(self, text: str = "hello", **more: Any) -> str:
        """The answer's text; a stream is read to its end."""
        result = self.start(text, **more)
        return self.text_of(self.app.read(result) if self.way.is_streamed else result)

    def text_of(self, result: Any) -> str:
        """The text of an answer, or of a list of chunks."""
        if not self.way.is_streamed:
            if self.way.sdk == "openai":
                return str(result.choices[0].message.content)
            return "".join(block.text for block in result.content if block.type == "text")
        if self.way.sdk == "openai":
            return "".join(chunk.choices[0].delta.content or "" for chunk in result if chunk.choices)
        return "".join(
            chunk.delta.text
            for chunk in result
            if chunk.type == "content_block_delta" and chunk.delta.type == "text_delta"
        )


def answer_of(way: Way) -> Reply:
    """A good answer, in the way's form."""
    answer, stream = _WIRE[way.sdk]
    return sse(files.events(stream)) if way.is_streamed else whole(files.body(answer))


def answer_all(provider: Provider, way: Way) -> Provider:
    """Let `provider` answer whatever it is asked."""

    def reply(request: Request) -> Reply:
        return answer_of(Way(way.sdk, way.kind, bool(request.json.get("stream"))))

    provider.always = reply
    return provider
