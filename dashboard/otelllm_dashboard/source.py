"""What the pages ask the collector, kept for a few seconds: a click redraws the script, not the question."""

from __future__ import annotations

import streamlit as st

from otelllm_dashboard.client import (
    Aggregate,
    Client,
    Decisions,
    Facet,
    Filters,
    SpanDetail,
    SqlAnswer,
    TraceAnswer,
    TracePage,
    configured_url,
)  # fmt: skip

# Long enough for one page's reruns, short enough that new traces are seen.
_FRESH_S = 4


@st.cache_resource(show_spinner=False)
def _client(url: str) -> Client:
    return Client(url)


def client() -> Client:
    """The one client of this process, for all its readers."""
    return _client(configured_url())


# The address is an argument everywhere: an answer of one collector must not be shown as another's.
@st.cache_data(ttl=_FRESH_S, max_entries=200, show_spinner=False)
def _traces(url: str, filters: Filters, limit: int, cursor: str | None) -> TracePage:
    return _client(url).traces(filters, limit=limit, cursor=cursor)


@st.cache_data(ttl=_FRESH_S, max_entries=50, show_spinner=False)
def _trace(url: str, trace_id: str) -> TraceAnswer:
    return _client(url).trace(trace_id)


@st.cache_data(ttl=_FRESH_S, max_entries=100, show_spinner=False)
def _span(url: str, trace_id: str, span_id: str) -> SpanDetail:
    return _client(url).span(trace_id, span_id)


@st.cache_data(ttl=_FRESH_S, max_entries=200, show_spinner=False)
def _aggregates(url: str, by: str, bucket: str, filters: Filters, limit: int) -> list[Aggregate]:
    return _client(url).aggregates(by, bucket, filters, limit=limit)


@st.cache_data(ttl=_FRESH_S, max_entries=50, show_spinner=False)
def _decisions(url: str, filters: Filters) -> list[Decisions]:
    return _client(url).decisions(filters)


@st.cache_data(ttl=15, max_entries=200, show_spinner=False)
def _facets(url: str, field: str, filters: Filters) -> list[Facet]:
    return _client(url).facets(field, filters)


def traces(filters: Filters, *, limit: int = 50, cursor: str | None = None) -> TracePage:
    """A page of traces, newest first."""
    return _traces(configured_url(), filters, limit, cursor)


def trace(trace_id: str) -> TraceAnswer:
    """One trace with its spans."""
    return _trace(configured_url(), trace_id)


def span(trace_id: str, span_id: str) -> SpanDetail:
    """One span with its content."""
    return _span(configured_url(), trace_id, span_id)


def aggregates(by: str, bucket: str, filters: Filters, *, limit: int = 200) -> list[Aggregate]:
    """Sums over model calls."""
    return _aggregates(configured_url(), by, bucket, filters, limit)


def decisions(filters: Filters) -> list[Decisions]:
    """What the rules of policies decided."""
    return _decisions(configured_url(), filters)


def facets(field: str, filters: Filters) -> list[Facet]:
    """The values of a field within a range of time."""
    return _facets(configured_url(), field, filters)


def sql(statement: str, *, limit: int) -> SqlAnswer:
    """The answer to a statement, asked each time."""
    return client().sql(statement, limit=limit)
