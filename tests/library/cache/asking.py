"""The calls of the tables here: of which SDK, by which method, answered by which wire file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anthropic
import library.anthropic.app as anthropic_app
import library.openai.app as openai_app
import openai
from pydantic import BaseModel
from wire import files
from wire.server import sse, whole

if TYPE_CHECKING:
    from wire.server import Provider

__all__ = ["ANTHROPIC", "APPS", "ASKED", "OPENAI", "UNFIT", "Case", "comparable"]

MESSAGES = [{"role": "user", "content": "When was the one at Skagen lit?"}]
ASKED: dict[str, dict[str, Any]] = {
    "openai": {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0},
    "responses": {"model": "gpt-4o-mini", "input": "When?", "temperature": 0},
    "completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "When?", "temperature": 0},
    "embeddings": {"model": "text-embedding-3-small", "input": ["Skagen", "lighthouse"]},
    "moderation": {"model": "omni-moderation-latest", "input": "Skagen"},
    "anthropic": {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": MESSAGES,
        "extra_body": {"temperature": 0},
    },
}
APPS: dict[str, tuple[Any, Any]] = {
    "openai": (openai_app.SyncApp, openai_app.AsyncApp),
    "anthropic": (anthropic_app.SyncApp, anthropic_app.AsyncApp),
}


class Lighthouse(BaseModel):
    """What an app asks for."""

    place: str
    year: int


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One way of asking, and the wire file that answers."""

    sdk: str
    method: str
    """The way to the method from the client: "chat.completions.create"."""
    file: str
    asked: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    edit: tuple[bytes, bytes] = (b"\0", b"")
    """What is put into the file in place of what."""
    read: Callable[[Any, Any], list[Any]] | None = None
    """From (app, what the method gave) to what the app sees; the chunks, or the answer itself, where left out."""

    @property
    def is_stream(self) -> bool:
        return self.file.endswith(".sse")

    @property
    def error(self) -> type[Exception]:
        """What the SDK raises where the provider refuses."""
        return {"openai": openai.APIStatusError, "anthropic": anthropic.APIStatusError}[self.sdk]

    @property
    def arguments(self) -> dict[str, Any]:
        streams = {"stream": True} if self.is_stream and not self.method.endswith(".stream") else {}
        return {**ASKED[self.asked or self.sdk], **streams, **self.more}

    def __str__(self) -> str:
        return f"{self.method}-{self.file.partition('/')[2]}"

    def answer(self, provider: Provider) -> None:
        """Let the provider answer the next request."""
        provider.reply(
            sse(files.events(self.file), x_request_id="req_wire", request_id="req_wire")
            if self.is_stream
            else whole(files.body(self.file).replace(*self.edit), x_request_id="req_wire", request_id="req_wire")
        )

    def ask(self, app: Any, **more: Any) -> list[Any]:
        """What the app sees of one call."""
        method = app.client
        for name in self.method.split("."):
            method = getattr(method, name)
        if self.method.endswith(".stream"):
            return [app.within(method(**{**self.arguments, **more}), lambda stream: _events(app, stream))]
        given = app.call(method, **{**self.arguments, **more})
        if self.read is not None:
            return self.read(app, given)
        return [type(given), *app.read(given)] if self.is_stream else [given]


def _events(app: Any, stream: Any) -> Any:
    if app.kind == "sync":
        return [*stream, stream.get_final_message() if hasattr(stream, "get_final_message") else None]

    async def read() -> Any:
        return [event async for event in stream]

    return read()


def _parsed(app: Any, view: Any) -> list[Any]:
    """A raw view: its class, its bytes, its number, and what it parses to."""
    parsed = view.parse()
    parsed = app.call(lambda: parsed) if hasattr(parsed, "__await__") else parsed
    return [type(view), view.status_code, view.headers.get("content-type"), parsed]


def _chunks(app: Any, view: Any) -> list[Any]:
    parsed = view.parse()
    parsed = app.call(lambda: parsed) if hasattr(parsed, "__await__") else parsed
    return [type(view), type(parsed), *app.read(parsed)]


def comparable(things: list[Any]) -> list[Any]:
    """Types and contents, what was set and what only has a default, and the ids that the SDK adds."""
    told: list[Any] = []
    for thing in things:
        if isinstance(thing, list):
            told.append(comparable(thing))
        elif hasattr(thing, "model_dump"):
            told.append(
                (type(thing), thing.model_dump(warnings=False), thing.to_json(warnings=False),
                 thing.to_dict(warnings=False), getattr(thing, "_request_id", "none"))
            )  # fmt: skip
        else:
            told.append(thing)
    return told


_CHAT, _RESPONSES = "chat.completions.create", "responses.create"
OPENAI = [
    *(Case("openai", _CHAT, f"openai/{name}") for name in (
        "chat.json", "chat_custom_tool.json", "chat_flex.json", "chat_function_call.json", "chat_logprobs.json",
        "chat_no_details.json", "chat_no_usage.json", "chat_reasoning.json", "chat_tools.json",
        "chat_stream.sse", "chat_stream_cumulative.sse", "chat_stream_custom_tool.sse", "chat_stream_flex.sse",
        "chat_stream_logprobs.sse", "chat_stream_no_usage.sse", "chat_stream_reasoning.sse", "chat_stream_tools.sse",
        "chat_stream_tools_interleaved.sse", "chat_stream_tools_no_index.sse",
    )),
    Case("openai", _CHAT, "openai/chat_two.json", edit=(b'"length"', b'"stop"')),
    *(Case("openai", _RESPONSES, f"openai/{name}", "responses") for name in (
        "responses.json", "responses_stream.sse", "responses_stream_unknown.sse",
    )),
    Case("openai", "completions.create", "openai/completions.json", "completions", edit=(b'"length"', b'"stop"')),
    Case("openai", "embeddings.create", "openai/embeddings.json", "embeddings"),
    Case("openai", "embeddings.create", "openai/embeddings_float.json", "embeddings", {"encoding_format": "float"}),
    Case("openai", "chat.completions.parse", "openai/chat_parse.json", more={"response_format": Lighthouse}),
    Case("openai", "chat.completions.parse", "openai/chat.json"),
    Case("openai", "responses.parse", "openai/responses_parse.json", "responses", {"text_format": Lighthouse}),
    Case("openai", "chat.completions.with_raw_response.create", "openai/chat.json", read=_parsed),
    Case("openai", "chat.completions.with_raw_response.create", "openai/chat_stream.sse", read=_chunks),
    Case("openai", "chat.completions.stream", "openai/chat_stream.sse"),
]  # fmt: skip
ANTHROPIC = [
    *(Case("anthropic", method, f"anthropic/{name}") for method in ("messages.create", "beta.messages.create")
      for name in (
        "message.json", "message_fast.json", "message_plain.json", "message_thinking.json",
        "message_tools.json", "message_zeros.json", "message_stream.sse",
        "message_stream_late_zero.sse", "message_stream_thinking.sse", "message_stream_tools.sse",
        "message_stream_tools_interleaved.sse", "message_stream_unknown.sse",
    )),
    Case("anthropic", "messages.parse", "anthropic/message_parse.json", more={"output_format": Lighthouse}),
    Case("anthropic", "messages.with_raw_response.create", "anthropic/message.json", read=_parsed),
    Case("anthropic", "messages.with_raw_response.create", "anthropic/message_stream.sse", read=_chunks),
    Case("anthropic", "messages.stream", "anthropic/message_stream.sse"),
    Case("anthropic", "messages.stream", "anthropic/message_stream_tools.sse"),
]  # fmt: skip
UNFIT = {
    "chat_filtered.json": "openai", "chat_refusal.json": "openai", "chat_parse_cut.json": "openai",
    "chat_error_in_200.json": "openai", "chat_stream_refusal.sse": "openai", "chat_stream_two.sse": "openai",
    "responses_incomplete.json": "responses", "responses_queued.json": "responses",
    "responses_failed.json": "responses", "responses_refusal.json": "responses", "responses_tools.json": "responses",
    "responses_stream_failed.sse": "responses", "responses_stream_incomplete.sse": "responses",
    "completions.json": "completions", "message_cut.json": "anthropic", "message_refusal.json": "anthropic",
    "message_search.json": "anthropic", "message_cached.json": "anthropic", "message_stream_search.sse": "anthropic",
    "message_stream_cached.sse": "anthropic",
}  # fmt: skip
"""Wire files of answers that are not to be given again: truncated, refused, filtered, failed, or of tools that ran."""
