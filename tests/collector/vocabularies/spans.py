"""Spans that real libraries sent (`fixtures/`, a file a library), as an export request and as the rows made of it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from collector.exports import any_value, ids
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelllm_collector.decode import decode
from otelllm_collector.span_row import SpanRow

__all__ = ["Stored", "fixture", "request_of", "says", "stored", "stored_span", "text", "usage"]

FIXTURES = Path(__file__).parent / "fixtures"
START_NS = 1_795_000_000_000_000_000
STATUSES = {"UNSET": 0, "OK": 1, "ERROR": 2}
KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


class Stored(NamedTuple):
    """One span as it is kept: its row, and its content put together again."""

    row: SpanRow
    input: list[Any] | None
    output: list[Any] | None
    system: Any
    tools: Any
    made: dict[str, Any]
    """What foreign names mean and has no column."""
    attributes: dict[str, Any]
    """As they came, but for those that moved into columns."""


def text(said: str) -> dict[str, Any]:
    """A part of a message in the conventions' form."""
    return {"type": "text", "content": said}


def says(role: str, *said: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message in the conventions' form, of texts and parts."""
    return {"role": role, "parts": [text(one) if isinstance(one, str) else one for one in said], **more}


def usage(one: Stored) -> tuple[int | None, ...]:
    """Tokens in, out, read from the cache, written into it, of reasoning."""
    row = one.row
    return row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens


@cache
def fixture(name: str) -> dict[str, Any]:
    """A fixture's own JSON: {note, spans}."""
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _plain(value: dict[str, Any]) -> Any:
    kind, inner = next(iter(value.items()))
    return [_plain(one) for one in inner] if kind == "arrayValue" else inner


def request_of(spans: list[dict[str, Any]], scope: str | None = None) -> ExportTraceServiceRequest:
    """An export request of spans in the fixtures' form: one trace, each span 10 ms after the other and 1 s long."""
    made = ExportTraceServiceRequest()
    of_resource = made.resource_spans.add()
    trace_id, _ = ids()
    span_ids = [ids()[1] for _ in spans]
    for index, given in enumerate(spans):
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name = scope or (given.get("scope") or {}).get("name") or ""
        of_scope.scope.version = (given.get("scope") or {}).get("version") or ""
        start = START_NS + index * 10_000_000
        span = Span(
            trace_id=trace_id, span_id=span_ids[index], name=given["name"], kind=KINDS[given.get("kind", "INTERNAL")],
            start_time_unix_nano=start, end_time_unix_nano=start + 10**9,
        )  # fmt: skip
        if given.get("parent") is not None:
            span.parent_span_id = span_ids[given["parent"]]
        status = given.get("status") or {}
        span.status.code = STATUSES.get(status.get("code", 0), status.get("code", 0))
        span.status.message = status.get("message") or ""
        for key, value in given["attributes"].items():
            span.attributes.add(key=key, value=any_value(_plain(value) if isinstance(value, dict) else value))
        for event in given.get("events", ()):
            added = span.events.add(name=event["name"], time_unix_nano=start + int(event.get("offset_ms", 0) * 1e6))
            for key, value in event["attributes"].items():
                added.attributes.add(key=key, value=any_value(_plain(value) if isinstance(value, dict) else value))
        of_scope.spans.append(span)
    return made


def stored(name: str) -> list[Stored]:
    """A fixture's spans as they are kept, in its order."""
    return _kept(request_of(fixture(name)["spans"]))


def stored_span(attributes: dict[str, Any], *, scope: str = "", name: str = "span", **more: Any) -> Stored:
    """One span of these plain attributes as it is kept; `more`: events, kind, status as the fixtures have them."""
    return _kept(request_of([{"name": name, "attributes": attributes, **more}], scope))[0]


def _kept(request: ExportTraceServiceRequest) -> list[Stored]:
    batch = decode("traces", request.SerializeToString(), is_json=False, now_ns=START_NS)
    assert not batch.refused
    bodies = {key: orjson.loads(message.body) for key, message in batch.messages.items()}

    def content(hashes: list[bytes] | None) -> list[Any] | None:
        return None if hashes is None else [bodies[key] for key in hashes]

    return [
        Stored(
            row,
            content(row.input_hashes),
            content(row.output_hashes),
            None if row.system_hash is None else bodies[row.system_hash],
            None if row.tools_hash is None else bodies[row.tools_hash],
            orjson.loads(row.made)["attributes"] if row.made else {},
            orjson.loads(row.attributes),
        )
        for row in batch.spans
    ]
