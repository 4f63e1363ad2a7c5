"""Which spans a filter means, asked of rows instead of the store; `stores/duckdb/conditions.py` says the same in SQL.

A difference that stays: content that comes in log records after its span is not searched.
"""

from __future__ import annotations

from typing import Any

import orjson

from .live import Matches, Messages
from .questions import SpanFilter
from .span_row import SpanRow

__all__ = ["matching"]

COLUMNS = {
    "service": "service_name", "provider": "provider", "operation": "operation", "user": "user_id",
    "session": "session", "feature": "feature", "name": "name",
}  # fmt: skip
SHAPE = ("type", "role", "modality", "mime_type", "finish_reason")
"""Keys of a message whose values nobody said."""


def matching(spans: SpanFilter) -> Matches:
    """Whether a span is meant; only what the filter names is looked at."""
    wanted = {column: frozenset(values) for name, column in COLUMNS.items() if (values := getattr(spans, name))}
    traces = frozenset(map(bytes.fromhex, spans.trace_id))
    models = frozenset(spans.model)
    text = (spans.q or "").lower()
    text_in_json = orjson.dumps(text).decode()[1:-1]

    def matches(span: SpanRow, messages: Messages) -> bool:
        return (
            (not traces or span.trace_id in traces)
            and (spans.error is None or (span.status == "error") == spans.error)
            and all(getattr(span, column) in values for column, values in wanted.items())
            and (not models or span.request_model in models or span.response_model in models)
            and _is_within(span, spans)
            and (not text or _says(span, messages, text, text_in_json))
        )

    return matches


def _is_within(span: SpanRow, spans: SpanFilter) -> bool:
    lasted_ms = (span.end_ns - span.start_ns) / 1e6
    return (
        (spans.start is None or span.start_ns >= spans.start)
        and (spans.end is None or span.start_ns < spans.end)
        and (spans.min_ms is None or lasted_ms >= spans.min_ms)
        and (spans.max_ms is None or lasted_ms <= spans.max_ms)
    )


def _says(span: SpanRow, messages: Messages, text: str, text_in_json: str) -> bool:
    hashes = [*(span.input_hashes or ()), *(span.output_hashes or ())]
    if span.system_hash is not None:
        hashes.append(span.system_hash)
    for key in hashes:
        message = messages.get(key)
        if message is not None and text_in_json in message.body.lower() and _holds(orjson.loads(message.body), text):
            return True
    return False


def _holds(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return text in value.lower()
    if isinstance(value, list):
        return any(_holds(item, text) for item in value)
    if isinstance(value, dict):
        return any(_holds(item, text) for key, item in value.items() if key not in SHAPE)
    return value is not None and text in orjson.dumps(value).decode()
