"""Shapes of answers, as the OpenAPI document names them. Tests compare them with what the store really gives."""

from __future__ import annotations

from ..operations import Schema

__all__ = ["SCHEMAS", "listed", "ref"]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
WHOLE: Schema = {"type": "integer"}
WHOLE_OR_NULL: Schema = {"type": ["integer", "null"]}
NUMBER: Schema = {"type": "number"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
ANY: Schema = {}
OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": OBJECT}
LIST_OR_NULL: Schema = {"type": ["array", "null"]}


def ref(name: str) -> Schema:
    """A shape by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str, item: Schema, following: Schema | None = None) -> Schema:
    """An object that holds a list under its name, and the next page's cursor where there are pages."""
    more = {} if following is None else {"next": following}
    return _record({name: {"type": "array", "items": item}, **more})


def _record(properties: Schema, *, is_closed: bool = True) -> Schema:
    shape = {"type": "object", "properties": properties, "required": list(properties)}
    return shape | {"additionalProperties": False} if is_closed else shape


_SPAN: Schema = {
    "trace_id": TEXT, "span_id": TEXT, "parent_span_id": TEXT_OR_NULL, "name": TEXT, "kind": TEXT,
    "service": TEXT_OR_NULL, "start_ns": WHOLE, "end_ns": WHOLE, "duration_ms": NUMBER, "operation": TEXT_OR_NULL,
    "provider": TEXT_OR_NULL, "request_model": TEXT_OR_NULL, "response_model": TEXT_OR_NULL,
    "input_tokens": WHOLE_OR_NULL, "output_tokens": WHOLE_OR_NULL, "cache_read_tokens": WHOLE_OR_NULL,
    "cache_write_tokens": WHOLE_OR_NULL, "reasoning_tokens": WHOLE_OR_NULL, "cost_usd": NUMBER_OR_NULL,
    "cost_status": TEXT_OR_NULL, "ttft_ms": NUMBER_OR_NULL, "user_id": TEXT_OR_NULL, "session_id": TEXT_OR_NULL,
    "session_inferred": {"type": "boolean"}, "feature": TEXT_OR_NULL,
    "agent_name": TEXT_OR_NULL, "tool_name": TEXT_OR_NULL, "workflow_name": TEXT_OR_NULL,
    "finish_reasons": TEXTS, "stream_end": TEXT_OR_NULL, "retrieval_count": WHOLE_OR_NULL, "rerank_in": WHOLE_OR_NULL,
    "rerank_out": WHOLE_OR_NULL, "verdict": TEXT_OR_NULL, "status": {"enum": ["ok", "error", "unset"]},
    "error_type": TEXT_OR_NULL,
}  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Error": _record({"error": {"type": "string", "description": "Names the value and the way out."}}, is_closed=False),
    "Span": _record(_SPAN),
    "WholeSpan": _record(
        _SPAN
        | {
            "status_message": TEXT_OR_NULL, "attributes": OBJECT, "resource": OBJECT, "scope": OBJECT,
            "events": OBJECTS, "links": OBJECTS, "trace_state": TEXT_OR_NULL, "vocabulary": TEXT_OR_NULL,
            "flags": WHOLE, "tool_arguments": ANY, "tool_result": ANY, "retrieval_query": TEXT_OR_NULL,
            "retrieval_documents": ANY, "input_messages": LIST_OR_NULL, "output_messages": LIST_OR_NULL,
            "system_instructions": LIST_OR_NULL, "tool_definitions": LIST_OR_NULL,
            "scores": {"type": "array", "items": _record({
                "name": TEXT_OR_NULL, "value": NUMBER_OR_NULL, "label": TEXT_OR_NULL, "explanation": TEXT_OR_NULL,
                "time_ns": WHOLE,
            })},
        },
        is_closed=False,
    ),
    "Trace": _record({
        "trace_id": TEXT, "name": TEXT, "root_span_id": TEXT_OR_NULL, "service": TEXT_OR_NULL, "start_ns": WHOLE,
        "duration_ms": NUMBER, "spans": WHOLE, "calls": WHOLE, "errors": WHOLE, "input_tokens": WHOLE_OR_NULL,
        "output_tokens": WHOLE_OR_NULL, "cache_read_tokens": WHOLE_OR_NULL, "cost_usd": NUMBER_OR_NULL,
        "unpriced_calls": WHOLE, "ttft_ms": NUMBER_OR_NULL, "models": TEXTS, "users": TEXTS, "sessions": TEXTS,
        "features": TEXTS, "status": {"enum": ["ok", "error"]},
    }),
    "Sums": _record({
        "key": TEXT_OR_NULL, "bucket_ns": WHOLE_OR_NULL, "calls": WHOLE, "errors": WHOLE, "input_tokens": WHOLE,
        "output_tokens": WHOLE, "cache_read_tokens": WHOLE, "reasoning_tokens": WHOLE, "cost_usd": NUMBER_OR_NULL,
        "unpriced_calls": WHOLE, "ttft_p50_ms": NUMBER_OR_NULL, "ttft_p95_ms": NUMBER_OR_NULL,
        "duration_p50_ms": NUMBER_OR_NULL, "duration_p95_ms": NUMBER_OR_NULL, "duration_p99_ms": NUMBER_OR_NULL,
    }),
    "Decisions": _record({
        "stage": TEXT_OR_NULL, "rule": TEXT_OR_NULL, "mode": TEXT_OR_NULL, "outcome": TEXT_OR_NULL, "count": WHOLE,
        "waited_s": NUMBER,
    }),
    "Value": _record({"value": TEXT, "count": WHOLE}),
    "Log": _record({"time_ns": WHOLE, "attributes": OBJECT, "body": ANY}, is_closed=False),
    "MetricName": _record({"name": TEXT}, is_closed=False),
    "MetricPoint": _record({"time_ns": WHOLE, "attributes": OBJECT}, is_closed=False),
    "SqlAnswer": _record({
        "columns": {"type": "array", "items": _record({"name": TEXT, "type": TEXT})},
        "rows": {"type": "array", "items": {"type": "array"}}, "truncated": {"type": "boolean"}, "elapsed_ms": NUMBER,
    }),
}  # fmt: skip
