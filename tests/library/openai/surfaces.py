"""The instrumented surfaces of the openai SDK, what each is called with and answers: the rows of the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wire import files

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CHAT", "COMPLETIONS", "EMBEDDINGS", "RESPONSES", "STREAMING", "SURFACES", "Surface"]

MESSAGES = [
    {"role": "system", "content": "You are a guide to lighthouses."},
    {"role": "user", "content": "When was the one at Skagen lit?"},
]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One method family of the SDK."""

    name: str
    operation: str
    model: str
    answer: str
    """The wire file of a whole answer."""
    method: Callable[[Any], Callable[..., Any]] = field(repr=False)
    arguments: dict[str, Any] = field(repr=False)
    stream: str = ""
    """The wire file of a stream; empty where the surface has none."""
    stream_arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    tokens: tuple[int, int | None] = (0, None)
    """Input and output tokens of both files."""
    head: int = 0
    """How many events of the stream it takes to hold three pieces of text, `started` in all."""
    started: str = ""
    request_path: str = ""
    error_in_200: str = "openai/chat_error_in_200.json"

    @property
    def span_name(self) -> str:
        """The name that the conventions give the span."""
        return f"{self.operation} {self.model}"

    @property
    def body(self) -> bytes:
        """The whole answer."""
        return files.body(self.answer)

    @property
    def events(self) -> list[bytes]:
        """The events of the stream."""
        return files.events(self.stream)

    @property
    def streaming(self) -> dict[str, Any]:
        """The arguments of a streamed call."""
        return {**self.arguments, "stream": True, **self.stream_arguments}


CHAT = Surface(
    name="chat",
    operation="chat",
    model="gpt-4o-mini",
    answer="openai/chat.json",
    stream="openai/chat_stream.sse",
    method=lambda client: client.chat.completions.create,
    arguments={"model": "gpt-4o-mini", "messages": MESSAGES},
    stream_arguments={"stream_options": {"include_usage": True}},
    tokens=(1200, 50),
    head=4,
    started="The lighthouse ",
    request_path="/v1/chat/completions",
)
RESPONSES = Surface(
    name="responses",
    operation="chat",
    model="gpt-4o-mini",
    answer="openai/responses.json",
    stream="openai/responses_stream.sse",
    method=lambda client: client.responses.create,
    arguments={"model": "gpt-4o-mini", "instructions": MESSAGES[0]["content"], "input": MESSAGES[1]["content"]},
    tokens=(1200, 50),
    head=7,
    started="The lighthouse ",
    request_path="/v1/responses",
    error_in_200="openai/responses_error_in_200.json",
)
COMPLETIONS = Surface(
    name="completions",
    operation="text_completion",
    model="gpt-3.5-turbo-instruct",
    answer="openai/completions.json",
    stream="openai/completions_stream.sse",
    method=lambda client: client.completions.create,
    arguments={"model": "gpt-3.5-turbo-instruct", "prompt": MESSAGES[1]["content"]},
    stream_arguments={"stream_options": {"include_usage": True}},
    tokens=(7, 12),
    head=3,
    started="\n\nSkagen",
    request_path="/v1/completions",
)
EMBEDDINGS = Surface(
    name="embeddings",
    operation="embeddings",
    model="text-embedding-3-small",
    answer="openai/embeddings.json",
    method=lambda client: client.embeddings.create,
    arguments={"model": "text-embedding-3-small", "input": ["Skagen", "lighthouse"]},
    tokens=(9, None),
    request_path="/v1/embeddings",
)

SURFACES = (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS)
STREAMING = (CHAT, RESPONSES, COMPLETIONS)
