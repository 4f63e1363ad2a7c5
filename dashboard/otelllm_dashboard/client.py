"""The collector's HTTP API, and the shapes that it answers with."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any, Literal, TypedDict, cast
from urllib.parse import quote, urlsplit

import httpx

DEFAULT_URL = "http://127.0.0.1:4318"

# A question may take as long as the collector's own statement timeout; an address that does not answer shows at once.
_TIMEOUT = httpx.Timeout(35.0, connect=2.0)

Filters = dict[str, str | int | float | list[str]]
Json = Any  # what a stranger put in a span: a string, a number, a list or an object


class TraceSummary(TypedDict):
    """One row of the trace list."""

    trace_id: str
    name: str
    root_span_id: str | None
    service: str
    start_ns: int
    duration_ms: float
    spans: int
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int
    ttft_ms: float | None
    models: list[str]
    users: list[str]
    sessions: list[str]
    features: list[str]
    status: Literal["ok", "error"]


class Span(TypedDict):
    """A span without its content."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    duration_ms: float
    operation: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    cost_status: str | None
    ttft_ms: float | None
    user_id: str | None
    session_id: str | None
    session_inferred: bool
    feature: str | None
    agent_name: str | None
    tool_name: str | None
    workflow_name: str | None
    finish_reasons: list[str]
    stream_end: str | None
    retrieval_count: int | None
    rerank_in: int | None
    rerank_out: int | None
    verdict: str | None
    status: Literal["ok", "error", "unset"]
    error_type: str | None


class SpanDetail(Span):
    """A span with everything that came with it."""

    status_message: str | None
    attributes: dict[str, Json]
    resource: dict[str, Json]
    scope: dict[str, Json]
    events: list[dict[str, Json]]
    links: list[dict[str, Json]]
    input_messages: list[Json] | None
    output_messages: list[Json] | None
    system_instructions: list[Json] | None
    tool_definitions: list[Json] | None
    tool_arguments: Json
    tool_result: Json
    retrieval_query: str | None
    retrieval_documents: list[Json] | None
    scores: list[dict[str, Json]]


class TraceAnswer(TypedDict):
    """One trace and its spans in start order."""

    trace: TraceSummary
    spans: list[Span]


class TracePage(TypedDict):
    """A page of traces, newest first."""

    traces: list[TraceSummary]
    next: str | None


class Aggregate(TypedDict):
    """Sums and percentiles over the model calls of one key and one bucket of time."""

    key: str | None
    bucket_ns: int | None
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced_calls: int
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_p99_ms: float | None


class Decisions(TypedDict):
    """How often a rule of a policy decided one thing."""

    stage: str | None
    rule: str | None
    mode: str | None
    outcome: str | None
    count: int
    waited_s: float


class Facet(TypedDict):
    """One value that a column has, and how often."""

    value: str
    count: int


class SqlAnswer(TypedDict):
    """The table that a statement gave."""

    columns: list[dict[str, str]]
    rows: list[list[Json]]
    truncated: bool
    elapsed_ms: float


class Pushed(TypedDict):
    """One policy that was pushed: who did it and when."""

    number: int
    version: str
    pushed_ns: int
    by: str
    key: str | None
    address: str | None


class PolicyWords(Pushed):
    """The policy in force in words, or what is wrong with it."""

    words: list[str]
    problem: str | None


class PolicyChange(Pushed):
    """One policy, and what it changed in the one before."""

    text: str
    diff: str


class Switch(TypedDict):
    """A kill switch that is on."""

    what: str
    by: str
    answer: str | None


class Switches(TypedDict):
    """Those that are on, and whether whoever asked may change them."""

    switches: list[Switch]
    may_change: bool
    version: str | None


class CollectorAway(Exception):  # noqa: N818  # as the library's own: Blocked, RateLimited
    """Nothing that speaks this API answers at the address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no collector answers at {url!r} ({reason}); start one with `otelllm collector`")
        self.url = url
        self.reason = reason


class Refused(Exception):  # noqa: N818  # as above
    """The collector answered, with a reason why not."""


class NotFound(Refused):
    """The collector does not have it."""


class Client:
    """One connection pool to one collector."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ValueError(f"collector address {url!r} is not an address; try {DEFAULT_URL!r}")
        # A collector that has keys wants one of scope read; the commands take theirs from the same variable.
        key = os.environ.get("OTELLLM_KEY")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # A proxy of the environment cannot reach this machine's own loopback.
        self._http = httpx.Client(
            base_url=self.url, timeout=_TIMEOUT, trust_env=not _is_loopback(self.url), headers=headers
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def traces(self, filters: Filters, *, limit: int = 50, cursor: str | None = None) -> TracePage:
        """Traces with any span that matches, newest first."""
        return cast(TracePage, self._get("/api/traces", {**filters, "limit": limit, "cursor": cursor}))

    def trace(self, trace_id: str) -> TraceAnswer:
        """One trace with its spans, without their content."""
        return cast(TraceAnswer, self._get(f"/api/traces/{quote(trace_id, safe='')}"))

    def span(self, trace_id: str, span_id: str) -> SpanDetail:
        """One span with everything that came with it."""
        return cast(SpanDetail, self._get(f"/api/traces/{quote(trace_id, safe='')}/spans/{quote(span_id, safe='')}"))

    def aggregates(self, by: str, bucket: str, filters: Filters, *, limit: int = 200) -> list[Aggregate]:
        """Sums over model calls by a dimension and a bucket of time."""
        answer = self._get("/api/aggregates", {**filters, "by": by, "bucket": bucket, "limit": limit})
        return cast(list[Aggregate], answer["rows"])

    def facets(self, field: str, filters: Filters, *, limit: int = 200) -> list[Facet]:
        """The values that a field has, the most frequent first."""
        return cast(list[Facet], self._get("/api/facets", {**filters, "field": field, "limit": limit})["values"])

    def decisions(self, filters: Filters, *, limit: int = 100) -> list[Decisions]:
        """What the rules of policies decided, the commonest first."""
        return cast(list[Decisions], self._get("/api/decisions", {**filters, "limit": limit})["rows"])

    def policy(self) -> PolicyWords | None:
        """The policy in force, in words."""
        try:
            return cast(PolicyWords, self._get("/v1/policy/words"))
        except NotFound:
            return None

    def policy_history(self) -> list[Pushed]:
        """Who pushed which policy and when, newest first."""
        return cast(list[Pushed], self._get("/v1/policy/history")["policies"])

    def policy_change(self, number: int) -> PolicyChange:
        """One push in full."""
        return cast(PolicyChange, self._get(f"/v1/policy/history/{number}"))

    def switches(self, key: str | None = None) -> Switches:
        """The kill switches that are on, and whether this key may change them."""
        return cast(Switches, self._ask("GET", "/v1/kill", headers=_authorized(key)))

    # Without If-Match: a switch goes in or out of whatever is in force, and in a fire nobody wants to be asked twice.
    def turn_on(self, what: str, *, by: str, answer: str | None = None, key: str | None = None) -> None:
        """Refuse such calls from now on."""
        said = {"what": what, "by": by, "answer": answer}
        self._ask("POST", "/v1/kill", json=said, headers=_authorized(key))

    def turn_off(self, what: str, *, by: str, key: str | None = None) -> None:
        """Let such calls pass again."""
        self._ask("DELETE", "/v1/kill", params={"what": what, "by": by}, headers=_authorized(key))

    def sql(self, statement: str, *, limit: int = 10_000) -> SqlAnswer:
        """The answer to one read-only SELECT."""
        return cast(SqlAnswer, self._ask("POST", "/api/sql", json={"sql": statement, "limit": limit}))

    def _get(self, path: str, params: dict[str, Json] | None = None) -> Json:
        return self._ask(
            "GET", path, params={name: value for name, value in (params or {}).items() if value is not None}
        )

    def _ask(self, method: str, path: str, **request: Json) -> Json:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise CollectorAway(self.url, str(error) or type(error).__name__) from error
        try:
            body = response.json()
        except ValueError as error:
            raise CollectorAway(self.url, f"HTTP {response.status_code} that is not JSON: not a collector") from error
        if response.is_success:
            return body
        reason = body.get("error") if isinstance(body, dict) else None
        failure = NotFound if response.status_code == 404 else Refused
        raise failure(str(reason or f"the collector answered HTTP {response.status_code} to {path}"))


def configured_url() -> str:
    """The collector's address as the launcher or the environment says it."""
    return os.environ.get("OTELLLM_URL") or DEFAULT_URL


def _authorized(key: str | None) -> dict[str, str]:
    """A reader's own key, in place of the explorer's."""
    return {"authorization": f"Bearer {key}"} if key else {}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
