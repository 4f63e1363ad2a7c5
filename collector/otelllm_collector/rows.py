"""The columns of each table, in one place: what decoding makes and a store keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from otelllm import semconv

if TYPE_CHECKING:
    from .span_row import SpanRow

__all__ = [
    "NO_MESSAGE",
    "Batch",
    "ContentRow",
    "LogRow",
    "MessageRow",
    "MetricRow",
    "ResourceRow",
    "ScopeRow",
    "ScoreRow",
    "SpanColumns",
    "TooMany",
    "TraceRow",
    "UnnamedCall",
]

Hash = bytes
"""16 bytes of SHA-256 over a message's JSON text: what the store can make of it again."""

NO_MESSAGE: Hash = bytes(16)
"""Keeps a place in a list of messages: for a choice that another record brings, or for one that is gone."""


RECORDS_LIMIT = 100_000
"""Records of one request. A million empty spans fit into 48 MB and took 2.6 GB as rows; exporters send 512 to 8,192."""


class TooMany(Exception):  # noqa: N818  says what happened, as the library's own do
    """One request brings more records than a batch may hold; nothing of it is kept."""


@dataclass(slots=True)
class ResourceRow:
    """Who sent: the attributes of an OTLP resource, once however many spans name it."""

    resource_id: int
    service_name: str | None
    attributes: str
    schema_url: str | None = None
    rest: str | None = None
    """What else it says, which is hardly ever anything: protobuf in base64."""

    @property
    def project(self) -> str | None:
        """Whose it is, where a key or the sender said so."""
        if semconv.PROJECT not in self.attributes:
            return None
        found = orjson.loads(self.attributes).get(semconv.PROJECT)
        return found if isinstance(found, str) else None


@dataclass(slots=True)
class ScopeRow:
    """Which instrumentation wrote: an OTLP instrumentation scope."""

    scope_id: int
    name: str
    version: str
    attributes: str
    schema_url: str | None = None
    rest: str | None = None


@dataclass(slots=True)
class MessageRow:
    """One message, list of instructions or list of tool definitions, addressed by its hash."""

    hash: Hash
    kind: str
    """message, system or tools."""
    role: str | None
    body: str
    first_seen_ns: int


@dataclass(slots=True)
class TraceRow:
    """What a list of traces shows, kept up to date as spans come in, in any order."""

    trace_id: bytes
    start_ns: int
    end_ns: int
    root_span_id: int | None
    root_start_ns: int | None
    name: str
    """The root's name; the earliest span's where the root is missing."""
    service_name: str | None
    spans: int
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int
    ttft_s: float | None
    ttft_start_ns: int | None
    """When the call that `ttft_s` is from began: the first one counts."""
    models: list[str]
    users: list[str]
    sessions: list[str]
    features: list[str]


@dataclass(slots=True)
class UnnamedCall:
    """Of a call whose sender named no session what tells its conversation."""

    row: int
    """Its place among the rows of its batch."""
    trace_id: bytes
    span_id: int
    start_ns: int
    operation: str | None
    service_name: str | None
    user_id: str | None
    counted: bool
    input_hashes: list[Hash] | None
    output_hashes: list[Hash] | None
    session_id: str | None = None
    conversation_id: str | None = None
    inferred_session: str | None = None
    prefix: int | None = None


@dataclass(slots=True)
class SpanColumns:
    """A batch's spans as columns, each once (see packed.py)."""

    arrays: dict[str, Any]
    """Of Arrow, by column; without those in which nothing is."""
    columns: dict[str, str]
    """Their names and DuckDB's types, in order."""
    rows: int
    came: int
    """How many spans there were: some may have come twice."""
    traces: dict[bytes, TraceRow]
    """A summary for each trace."""
    text: int
    """Characters in the longest of the columns: about what they take in memory."""
    hours: list[int]
    """A time in each hour in which one of them began."""
    unnamed: list[UnnamedCall]
    """Those of the spans that are calls of no named session."""


@dataclass(slots=True)
class ContentRow:
    """Prompts and answers that came as a log record beside the span, not on it."""

    trace_id: bytes
    span_id: int
    time_ns: int
    input_hashes: list[Hash] | None = None
    output_hashes: list[Hash] | None = None
    system_hash: Hash | None = None
    tools_hash: Hash | None = None


@dataclass(slots=True)
class ScoreRow:
    """One judgement of a span: feedback or an evaluation's result."""

    trace_id: bytes | None
    span_id: int | None
    response_id: str | None
    name: str | None
    value: float | None
    label: str | None
    explanation: str | None
    time_ns: int
    attributes: str
    feedback_id: str | None = None
    """Of what came by /v1/feedback: its sender's id for it, empty where there is none. What is sent again is kept once
    (see stores/duckdb/scores.py)."""


@dataclass(slots=True)
class LogRow:
    """One log record or event."""

    time_ns: int
    observed_ns: int
    trace_id: bytes | None
    span_id: int | None
    severity_number: int
    severity: str | None
    event_name: str | None
    body: str | None
    """JSON text."""
    attributes: str
    service_name: str | None
    resource_id: int
    scope_id: int
    flags: int
    dropped_attributes: int
    content_dropped: bool | None = None
    """Whether retention has dropped the texts of an event."""
    unsaid: str | None = None
    """What the record itself did not say, and the columns got otherwise: time, observed, event_name, with a comma."""


@dataclass(slots=True)
class MetricRow:
    """One data point of a metric."""

    name: str
    unit: str
    description: str
    kind: str
    """gauge, sum, histogram, exponential_histogram or summary."""
    temporality: str
    is_monotonic: bool
    attributes: str
    start_ns: int
    time_ns: int
    service_name: str | None
    resource_id: int
    scope_id: int
    flags: int
    value: float | None = None
    value_int: int | None = None
    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    bounds: list[float] | None = None
    bucket_counts: list[int] | None = None
    detail: str | None = None
    """JSON text of what only some kinds have: exponential buckets, quantiles."""
    exemplars: str | None = None
    metadata: str | None = None
    """JSON text of the metric's own attributes, which hardly any has."""
    unsaid: str | None = None
    """"time" where the point had none."""


@dataclass(slots=True)
class Batch:
    """All that one request brought, decoded; what was refused is counted by its reason."""

    resources: dict[int, ResourceRow] = field(default_factory=dict)
    scopes: dict[int, ScopeRow] = field(default_factory=dict)
    messages: dict[Hash, MessageRow] = field(default_factory=dict)
    spans: list[SpanRow] = field(default_factory=list)
    columns: SpanColumns | None = None
    """The spans, where they are no rows any more."""
    contents: list[ContentRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    metrics: list[MetricRow] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    project: str | None = None
    """Of the key that it came with."""
    _expected: int = 0

    def expect(self, records: int) -> None:
        """Room for so many more records; raises `TooMany` where one request brings more than a batch may hold."""
        self._expected += records
        if self._expected > RECORDS_LIMIT:
            raise TooMany(f"the request brings more than {RECORDS_LIMIT:,} records; send smaller batches")

    def refuse(self, reason: str) -> None:
        """Count one record that is not kept."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    @property
    def size(self) -> int:
        """How many records are kept."""
        return self.span_count + len(self.logs) + len(self.metrics)

    @property
    def span_count(self) -> int:
        """How many of them are spans."""
        return len(self.spans) if self.columns is None else self.columns.came
