"""One span as it is decoded, and what sums need of it.

These are no dataclasses: their attributes must be a compiled class's own, filled one by one where a span is read, and
what `dataclass` writes for 68 of them is never compiled. Made in 0.25 µs, and read by sums without looking a name up.
"""

from __future__ import annotations

from typing import Any

__all__ = ["NAMES", "Light", "SpanRow"]


class Light:
    """What tells a span's version, its call, and its part in its trace's sums.

    What has no value by itself MUST be given before it is read.
    """

    trace_id: bytes
    span_id: int
    parent_span_id: int | None
    name: str
    start_ns: int
    end_ns: int
    parts: int = 0
    """Attributes, events and links that came in: of two versions of one span the one with more is the fuller."""
    service_name: str | None = None
    status: str = "unset"
    operation: str | None = None
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cost_usd: float | None = None
    cost_status: str | None = None
    ttft_s: float | None = None
    first_chunk_s: float | None = None
    user_id: str | None = None
    session_id: str | None = None
    inferred_session: str | None = None
    """Of a call whose sender named no session: the conversation that it goes on with (see conversations.py)."""
    feature: str | None = None
    counted: bool = True
    """False where another span of the trace is the same call, and counts (see repeats.py)."""
    place: int = 0
    """Which of the parts that are written together has it."""

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def session(self) -> str | None:
        """Whoever named it."""
        return self.session_id or self.inferred_session


class SpanRow(Light):
    """One span. What has a column is not repeated in `attributes`; together they are all that came in."""

    kind: str
    resource_id: int
    scope_id: int
    received_ns: int
    status_message: str | None = None
    error_type: str | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    conversation_id: str | None = None
    priority: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    agent_name: str | None = None
    tool_name: str | None = None
    workflow_name: str | None = None
    cache_outcome: str | None = None
    verdict: str | None = None
    finish_reasons: list[str] | None = None
    stream_end: str | None = None
    retrieval_count: int | None = None
    rerank_in: int | None = None
    rerank_out: int | None = None
    input_hashes: list[bytes] | None = None
    output_hashes: list[bytes] | None = None
    system_hash: bytes | None = None
    tools_hash: bytes | None = None
    tool_arguments: str | None = None
    tool_result: str | None = None
    retrieval_query: str | None = None
    retrieval_documents: str | None = None
    attributes: str = "{}"
    events: str | None = None
    links: str | None = None
    trace_state: str | None = None
    flags: int = 0
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    vocabulary: str | None = None
    """Of a span that foreign names tell: which; several with a comma."""
    made: str | None = None
    """Of such a span: JSON text of what they mean in the conventions and has no column ("attributes"), and the columns
    that hold what they mean ("columns"). Everything else is as it came."""
    content_forms: str | None = None
    """How what has moved into columns of content was written, where that was not in the commonest form: JSON text,
    column -> form (see content_forms.py), "status" -> absent where there was none, "span" -> made where a log record
    tells of it, "content" -> dropped after retention took it."""
    prefix: int | None = None
    """Of such a call: all that was said up to and with its answer, as one number."""

    def values(self) -> tuple[Any, ...]:
        """All that it says, in the order of `NAMES`."""
        return (
            self.trace_id, self.span_id, self.parent_span_id, self.name, self.start_ns, self.end_ns, self.parts,
            self.service_name, self.status, self.operation, self.provider, self.request_model, self.response_model,
            self.response_id, self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cost_usd,
            self.cost_status, self.ttft_s, self.first_chunk_s, self.user_id, self.session_id, self.inferred_session,
            self.feature, self.counted, self.kind, self.resource_id, self.scope_id, self.received_ns,
            self.status_message, self.error_type, self.cache_write_tokens, self.reasoning_tokens, self.conversation_id,
            self.priority, self.prompt_name, self.prompt_version, self.agent_name, self.tool_name, self.workflow_name,
            self.cache_outcome, self.verdict, self.finish_reasons, self.stream_end, self.retrieval_count,
            self.rerank_in, self.rerank_out, self.input_hashes, self.output_hashes, self.system_hash, self.tools_hash,
            self.tool_arguments, self.tool_result, self.retrieval_query, self.retrieval_documents, self.attributes,
            self.events, self.links, self.trace_state, self.flags, self.dropped_attributes, self.dropped_events,
            self.dropped_links, self.vocabulary, self.made, self.content_forms, self.prefix,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpanRow) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash((self.trace_id, self.span_id))

    def __repr__(self) -> str:
        said = (f"{name}={value!r}" for name, value in zip(NAMES, self.values(), strict=True) if value is not None)
        return f"SpanRow({', '.join(said)})"


NAMES = (
    "trace_id", "span_id", "parent_span_id", "name", "start_ns", "end_ns", "parts", "service_name", "status",
    "operation", "provider", "request_model", "response_model", "response_id", "input_tokens", "output_tokens",
    "cache_read_tokens", "cost_usd", "cost_status", "ttft_s", "first_chunk_s", "user_id", "session_id",
    "inferred_session", "feature", "counted", "kind", "resource_id", "scope_id", "received_ns", "status_message",
    "error_type", "cache_write_tokens", "reasoning_tokens", "conversation_id", "priority", "prompt_name",
    "prompt_version", "agent_name", "tool_name", "workflow_name", "cache_outcome", "verdict", "finish_reasons",
    "stream_end", "retrieval_count", "rerank_in", "rerank_out", "input_hashes", "output_hashes", "system_hash",
    "tools_hash", "tool_arguments", "tool_result", "retrieval_query", "retrieval_documents", "attributes", "events",
    "links", "trace_state", "flags", "dropped_attributes", "dropped_events", "dropped_links", "vocabulary", "made",
    "content_forms", "prefix",
)  # fmt: skip
"""What a row says, in the order of its `values`."""
