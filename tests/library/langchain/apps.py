"""Models, tools and graphs of these tests, and ways to run them: sync, async, in streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry

__all__ = [
    "Local", "Streaming", "attributes", "calls", "clients", "content", "loop", "named", "run", "tree", "usage",
]  # fmt: skip


def usage(into: int = 7, out: int = 3, **details: Any) -> dict[str, Any]:
    """Counts in LangChain's standard shape."""
    return {"input_tokens": into, "output_tokens": out, "total_tokens": into + out, **details}


class Local(BaseChatModel):
    """A model in this process: no SDK below. Says what it was given to say, one after another."""

    said: list[Any] = []  # noqa: RUF012  pydantic copies it
    model: str = "local-1"
    temperature: float | None = None
    hook: Callable[[], None] | None = None
    ahook: Callable[[], Awaitable[None]] | None = None
    chunks: list[Any] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature}

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _next(self) -> ChatResult:
        message = self.said.pop(0) if self.said else AIMessage("hello", usage_metadata=usage())  # type: ignore[arg-type]
        if isinstance(message, BaseException):
            raise message
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        if self.hook is not None:
            self.hook()
        return self._next()

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        if self.hook is not None:
            self.hook()
        if self.ahook is not None:
            await self.ahook()
        return self._next()


class Streaming(Local):
    """The same, in chunks."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        for chunk in self.chunks:
            if self.hook is not None:
                self.hook()
            if isinstance(chunk, BaseException):
                raise chunk
            yield ChatGenerationChunk(message=chunk.model_copy())

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        for chunk in self.chunks:
            if self.hook is not None:
                self.hook()
            if self.ahook is not None:
                await self.ahook()
            if isinstance(chunk, BaseException):
                raise chunk
            yield ChatGenerationChunk(message=chunk.model_copy())


def run(way: str, thing: Any, *args: Any, **kwargs: Any) -> Any:
    """`thing` invoked, in the way that the test is for."""
    if way == "sync":
        return thing.invoke(*args, **kwargs)
    if way == "stream":
        return list(thing.stream(*args, **kwargs))

    async def go() -> Any:
        if way == "async":
            return await thing.ainvoke(*args, **kwargs)
        return [one async for one in thing.astream(*args, **kwargs)]

    return loop(go())


def loop(work: Coroutine[Any, Any, Any]) -> Any:
    """What `work` gives, on a loop of its own, on which the models' clients are closed."""

    async def go() -> Any:
        try:
            return await work
        finally:
            for client in clients:
                await client().close()

    with asyncio.Runner() as runner:
        return runner.run(go(), context=copy_context())


clients: list[Callable[[], Any]] = []
"""Gives the async SDK client of each model that a fixture made."""


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def content(span: ReadableSpan, name: str) -> Any:
    """A content attribute, parsed."""
    return json.loads(str(attributes(span)[name]))


def named(otel: Telemetry, name: str) -> ReadableSpan:
    """The one span of that name."""
    (found,) = [it for it in otel.all_spans if it.name == name]
    return found


def calls(otel: Telemetry) -> list[ReadableSpan]:
    """The spans of model calls."""
    return [it for it in otel.spans if attributes(it)["gen_ai.operation.name"] in {"chat", "text_completion"}]


def tree(otel: Telemetry) -> list[str]:
    """All spans by their start, indented by their depth."""
    spans = sorted(otel.all_spans, key=lambda it: it.start_time or 0)
    by_id = {it.context.span_id: it for it in spans}

    def depth(span: ReadableSpan) -> int:
        above = by_id.get(span.parent.span_id) if span.parent else None
        return 0 if above is None else 1 + depth(above)

    return ["  " * depth(span) + span.name for span in spans]
