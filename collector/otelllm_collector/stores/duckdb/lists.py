"""Lists, the newest first: traces and spans; the values of a field of spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...questions import Page, SpanFilter
from ..spec import Record
from .conditions import KEYS, Condition, after, span_condition, trace_condition, with_condition
from .records import records
from .text_search import TextSearch, search_everything

if TYPE_CHECKING:
    import duckdb

__all__ = ["list_decisions", "list_facets", "list_spans", "list_traces"]


def list_traces(own: duckdb.DuckDBPyConnection, spans: SpanFilter, page: Page) -> list[Record]:
    """Summaries of traces, and one more than the page's limit where others follow."""

    def ask(chosen: SpanFilter) -> list[Record]:
        return _page(own, "read/traces", trace_condition(chosen) & after(page.after, "t"), page)

    return TextSearch(own, spans.q).newest(spans, page, ask) if spans.q else ask(spans)


def list_spans(own: duckdb.DuckDBPyConnection, spans: SpanFilter, page: Page) -> list[Record]:
    """Spans without their content, and one more than the page's limit where others follow."""

    def ask(chosen: SpanFilter) -> list[Record]:
        return _page(own, "read/light_spans", span_condition(chosen) & after(page.after, "s"), page)

    return TextSearch(own, spans.q).newest(spans, page, ask) if spans.q else ask(spans)


def list_facets(own: duckdb.DuckDBPyConnection, field: str, spans: SpanFilter, limit: int) -> list[Record]:
    """The values of a field, the commonest first."""
    condition = span_condition(search_everything(own, spans))
    query = with_condition("read/facets", condition).replace("/*key*/ null", KEYS[field])
    return records(own, query, condition.values | {"limit": limit})


def list_decisions(own: duckdb.DuckDBPyConnection, spans: SpanFilter, limit: int) -> list[Record]:
    """How often each rule decided what, the commonest first."""
    condition = span_condition(search_everything(own, spans))
    return records(own, with_condition("read/decisions", condition), condition.values | {"limit": limit})


def _page(own: duckdb.DuckDBPyConnection, name: str, condition: Condition, page: Page) -> list[Record]:
    return records(own, with_condition(name, condition), condition.values | {"limit": page.limit + 1})
