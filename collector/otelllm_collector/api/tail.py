"""Spans as they come: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..live import Event, Live, Seen, Skipped
from ..matching import matching
from ..operations import FILTERS, Answer, Argument, Operation, project_of, wanted_spans, whole
from ..questions import BadQuestion
from ..span_row import SpanRow

__all__ = ["routes"]

HEARTBEAT = whole("heartbeat", "Seconds without a span after which a comment is sent.", 15, least=1, most=300)

RECONNECT_MS = 1000

SAME = (
    "kind", "start_ns", "end_ns", "operation", "provider", "request_model", "response_model", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd", "cost_status",
    "user_id", "feature", "agent_name", "tool_name", "workflow_name", "stream_end", "retrieval_count",
    "rerank_in", "rerank_out", "verdict", "status", "error_type",
)  # fmt: skip
"""Columns that a light span has under the same names."""


def routes(live: Live) -> list[Route]:
    """Routes of this group."""

    def read_position(request: Request) -> int | None:
        """After which span to go on; None: with the next one. Of an earlier life of the process: with the first."""
        text = request.headers.get("last-event-id")
        if not text:
            return None
        match = re.fullmatch(r"([0-9a-f]{1,16})-([0-9]{1,18})", text)
        if match is None:
            raise BadQuestion(f"Last-Event-ID {text!r} is none of ours; leave it out to see what comes from now on")
        return int(match[2]) if match[1] == live.life else 0

    last_event = Argument(
        "Last-Event-ID", "The id of the last event that was read: goes on after it.", {"type": "string"},
        read_position, "header",
    )  # fmt: skip

    async def tail(request: Request) -> Response:
        matches = matching(wanted_spans(request))
        events = live.watch(matches, last_event.read(request), HEARTBEAT.read(request), project_of(request))
        first = await anext(events)  # before the answer begins: too many readers are told by its status

        async def lines() -> AsyncIterator[bytes]:
            yield f"retry: {RECONNECT_MS}\n".encode() + _written(first, live.life)
            async with aclosing(events):
                async for some in events:
                    yield _written(some, live.life)

        return StreamingResponse(
            lines(), media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )

    about = (
        "Spans as they are committed, without their content. Event `span`: data as in /api/spans. Event `skipped`: "
        'data {"spans": N}; so many that came were not looked at, for this reader was too slow or away too long. '
        "Each has an id to go on from."
    )
    return [
        Operation(
            "/api/tail", tail, tag="spans", about=about, arguments=(*FILTERS, HEARTBEAT, last_event),
            answers={200: Answer("Events, without end.", {"text/event-stream": {"type": "string"}})},
        )
    ]  # fmt: skip


def _written(events: list[Event], life: str) -> bytes:
    return b"".join(_event(event, f"id: {life}-{event.number}\n".encode()) for event in events)


def _event(event: Event, number: bytes) -> bytes:
    if isinstance(event, Seen):
        return b"event: span\n" + number + b"data: " + orjson.dumps(_light(event.span)) + b"\n\n"
    if isinstance(event, Skipped):
        return b"event: skipped\n" + number + b"data: " + orjson.dumps({"spans": event.spans}) + b"\n\n"
    return b": nothing new\n" + number + b"\n"


def _light(span: SpanRow) -> dict[str, object]:
    """A span as `read/light_span_columns.sql` gives it."""
    ttft_s = span.first_chunk_s if span.ttft_s is None else span.ttft_s
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": f"{span.span_id:016x}",
        "parent_span_id": None if span.parent_span_id is None else f"{span.parent_span_id:016x}",
        "name": span.name,
        "service": span.service_name,
        "duration_ms": (span.end_ns - span.start_ns) / 1e6,
        "ttft_ms": None if ttft_s is None else ttft_s * 1e3,
        "finish_reasons": span.finish_reasons or [],
        "session_id": span.session,
        "session_inferred": span.session_id is None and span.inferred_session is not None,
        **{column: getattr(span, column) for column in SAME},
    }
