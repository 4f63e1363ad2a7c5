"""Everything about one span, put together from its row, its messages, its sender and its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ...normalise.genai import COLUMNS
from ..spec import Record
from .conditions import ALL, Condition, own_contents, own_scores, with_condition

if TYPE_CHECKING:
    import duckdb

    from ...questions import SpanFilter

__all__ = ["read_span"]

_NO_MESSAGE = 0
"""Keeps the place of a choice that another record brings."""


def read_span(own: duckdb.DuckDBPyConnection, trace_id: str, span_id: str, spans: SpanFilter) -> Record | None:
    """One span with its content, None where unknown, or of another project than `spans` is of."""
    traces = _rows(own, "read/trace", {"trace_id": trace_id})
    if not traces:
        return None
    place: dict[str, object] = {
        "trace_id": trace_id,
        "span_id": int(span_id, 16),
        "start": min(trace["start_ns"] for trace in traces),
        "end": max(trace["end_ns"] for trace in traces),
    }
    found = _rows(own, "read/span", place)
    if not found:
        return None
    row = found[0]
    if spans.resources is not None and row["resource_id"] not in spans.resources:
        return None
    record: Record = _rows(own, "read/light_span", place)[0]
    record |= {
        "status_message": row["status_message"],
        "attributes": _attributes(row),
        "resource": _resource(own, row["resource_id"]),
        "scope": _scope(own, row["scope_id"]),
        "events": orjson.loads(row["events"]) if row["events"] else [],
        "links": orjson.loads(row["links"]) if row["links"] else [],
        "trace_state": row["trace_state"],
        "vocabulary": row["vocabulary"],
        "flags": row["flags"],
        "tool_arguments": _structure(row["tool_arguments"]),
        "tool_result": _structure(row["tool_result"]),
        "retrieval_query": row["retrieval_query"],
        "retrieval_documents": _structure(row["retrieval_documents"]),
    }
    key = {"trace_id": trace_id, "span_id": int(span_id, 16)}
    record |= _content(own, row, _rows(own, "read/span_content", key, own_contents(spans)))
    of_answer = {**key, "response_id": row["response_id"]}
    record["scores"] = _rows(own, "read/span_scores", of_answer, own_scores(spans))
    return record


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    """All that is not content: what has no column, what foreign names mean, and the columns under their attributes'
    names. What came under a name stays there.
    """
    attributes: dict[str, Any] = orjson.loads(row["attributes"])
    if row["made"]:
        attributes = {**orjson.loads(row["made"])["attributes"], **attributes}
    for attribute, (column, _) in COLUMNS.items():
        if row[column] is not None:
            attributes.setdefault(attribute, row[column])
    return attributes


def _content(own: duckdb.DuckDBPyConnection, row: dict[str, Any], beside: list[dict[str, Any]]) -> Record:
    """Messages of the span itself, or of the log records beside it where the span has none."""
    ids = {
        column: row[column] or next((other[column] for other in beside if other[column]), None)
        for column in ("system_instructions", "tool_definitions")
    }
    for column, joined in (("input_messages", _in_turn), ("output_messages", _by_index)):
        ids[column] = row[column] or joined([other[column] for other in beside if other[column]]) or row[column]
    wanted = {*(ids["input_messages"] or ()), *(ids["output_messages"] or ())}
    wanted |= {ids[column] for column in ("system_instructions", "tool_definitions") if ids[column]}
    bodies = {}
    if wanted:
        found = _rows(own, "read/bodies", {"ids": sorted(wanted)})
        bodies = {body["message_id"]: orjson.loads(body["body"]) for body in found}
    return {
        "input_messages": _messages(ids["input_messages"], bodies, "user"),
        "output_messages": _messages(ids["output_messages"], bodies, "assistant"),
        "system_instructions": _parts(bodies.get(ids["system_instructions"])),
        "tool_definitions": _listed(bodies.get(ids["tool_definitions"])),
    }


def _in_turn(lists: list[list[int]]) -> list[int]:
    """Each record's messages after the earlier ones'. The same list again is the same request, sent a second time."""
    return [key for number, keys in enumerate(lists) if not number or keys != lists[number - 1] for key in keys]


def _by_index(lists: list[list[int]]) -> list[int]:
    """Each record's choices at their indices; what finds its place taken by another comes last."""
    places: list[int] = []
    late: list[int] = []
    for keys in lists:
        places += [_NO_MESSAGE] * (len(keys) - len(places))
        for index, key in enumerate(keys):
            if places[index] == _NO_MESSAGE:
                places[index] = key
            elif key not in {_NO_MESSAGE, places[index]}:
                late.append(key)
    return [*places, *dict.fromkeys(late)]


def _messages(ids: list[int] | None, bodies: dict[int, Any], role: str) -> list[Any] | None:
    """Messages in the conventions' shape; text that is none becomes the one part of a message."""
    if ids is None:
        return None
    found = [bodies[key] for key in ids if key in bodies]
    return [body if isinstance(body, dict) else {"role": role, "parts": _parts(body)} for body in found]


def _parts(body: Any) -> list[Any] | None:
    if body is None:
        return None
    items = body if isinstance(body, list) else [body]
    return [item if isinstance(item, dict) else {"type": "text", "content": item} for item in items]


def _listed(body: Any) -> list[Any] | None:
    return body if body is None or isinstance(body, list) else [body]


def _structure(text: str | None) -> Any:
    """JSON where it is JSON, else the text."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _resource(own: duckdb.DuckDBPyConnection, resource_id: int) -> Any:
    found = _rows(own, "read/resource", {"resource_id": resource_id})
    return orjson.loads(found[0]["attributes"]) if found else {}


def _scope(own: duckdb.DuckDBPyConnection, scope_id: int) -> Any:
    found = _rows(own, "read/scope", {"scope_id": scope_id})
    if not found:
        return {"name": "", "version": "", "attributes": {}}
    return {**found[0], "attributes": orjson.loads(found[0]["attributes"])}


def _rows(
    own: duckdb.DuckDBPyConnection, name: str, values: dict[str, Any], condition: Condition = ALL
) -> list[dict[str, Any]]:
    result = own.execute(with_condition(name, condition), values | condition.values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
