"""The least that an instrumentation of openai's chat can do and still be useful: what ours is measured against.

One SDK span with about 15 attributes, messages by orjson where content is kept, two histograms, and for streams the
time to the first chunk, the joined text and the usage. No policy, no price, no raw views, no care for odd input.
"""

from __future__ import annotations

from time import perf_counter_ns as now
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["Floor"]


class Floor:
    """Wraps `Completions.create`."""

    def __init__(self, tracer_provider: TracerProvider, meter_provider: MeterProvider, *, content: bool) -> None:
        self._tracer = tracer_provider.get_tracer("floor")
        meter = meter_provider.get_meter("floor")
        self._duration = meter.create_histogram("floor.duration")
        self._tokens = meter.create_histogram("floor.tokens")
        self._content = content

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The method that stands in for `original`."""

        def create(resource: Any, **kwargs: Any) -> Any:
            span, began = self._start(kwargs), now()
            try:
                result = original(resource, **kwargs)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
                span.end()
                raise
            if kwargs.get("stream"):
                result._iterator = self._tap(result._iterator, span, began)
                return result
            message = result.choices[0].message
            self._finish(span, began, result, result.usage, message.content, [result.choices[0].finish_reason])
            return result

        return create

    def _start(self, kwargs: dict[str, Any]) -> Span:
        found: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": kwargs["model"],
            "server.address": "mock.local",
            "server.port": 80,
            "gen_ai.request.temperature": kwargs.get("temperature", 1.0),
            "gen_ai.request.max_tokens": kwargs.get("max_tokens", 0),
        }
        if self._content:
            found["gen_ai.input.messages"] = orjson.dumps(kwargs["messages"]).decode()
        return self._tracer.start_span(f"chat {kwargs['model']}", kind=SpanKind.CLIENT, attributes=found)

    def _tap(self, source: Iterator[Any], span: Span, began: int) -> Iterator[Any]:
        first: int | None = None
        texts: list[str] = []
        usage = last = finish = None
        try:
            for chunk in source:
                if first is None:
                    first = now()
                    span.set_attribute("gen_ai.response.time_to_first_chunk", (first - began) / 1e9)
                last = chunk
                if chunk.choices:
                    choice = chunk.choices[0]
                    if self._content and choice.delta.content:
                        texts.append(choice.delta.content)
                    finish = choice.finish_reason or finish
                usage = chunk.usage or usage
                yield chunk
        finally:
            self._finish(span, began, last, usage, "".join(texts), [finish or ""])

    def _finish(self, span: Span, began: int, answer: Any, usage: Any, text: str | None, finish: list[str]) -> None:
        found: dict[str, Any] = {"gen_ai.response.finish_reasons": finish}
        if answer is not None:
            found["gen_ai.response.id"] = answer.id
            found["gen_ai.response.model"] = answer.model
        if usage is not None:
            found["gen_ai.usage.input_tokens"] = usage.prompt_tokens
            found["gen_ai.usage.output_tokens"] = usage.completion_tokens
            found["gen_ai.usage.cache_read.input_tokens"] = usage.prompt_tokens_details.cached_tokens
            found["gen_ai.usage.reasoning.output_tokens"] = usage.completion_tokens_details.reasoning_tokens
            self._tokens.record(usage.prompt_tokens, {"gen_ai.token.type": "input"})
            self._tokens.record(usage.completion_tokens, {"gen_ai.token.type": "output"})
        if self._content:
            found["gen_ai.output.messages"] = orjson.dumps([{"role": "assistant", "content": text}]).decode()
        span.set_attributes(found)
        span.end()
        self._duration.record((now() - began) / 1e9, {"gen_ai.operation.name": "chat"})
