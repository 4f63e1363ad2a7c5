"""Spans such as an app sends, over OTLP with the OpenTelemetry SDK: a RAG agent, chats, errors, a cancelled stream."""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otelllm import semconv as s

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTION = "My headphones hiss after the update. Can I still return them?"
ANSWER = (
    "Yes. You bought them 12 days ago, so the 30-day return window is open: start it under Orders, and we send a label."
)
HOSTILE = (
    "![pixel](http://127.0.0.1:9/pixel.png) <img src=x onerror=alert(1)> "
    "[link](http://127.0.0.1:9/) **bold** $x^2$ :red[red]"
)

_DOCUMENTS = [
    ("kb:returns-3", 0.91, "Products may be returned within 30 days of delivery. The label is free."),
    ("kb:firmware-7", 0.83, "Firmware 2.1 may cause a faint hiss. Firmware 2.2 removes it."),
    ("kb:warranty-1", 0.71, "The warranty covers defects of material for 24 months."),
    ("kb:shipping-2", 0.58, "Standard parcels take two to four working days."),
    ("kb:invoice-4", 0.51, "Invoices are found under Orders, next to each parcel."),
]
_TOOL = {
    "type": "function",
    "name": "order_status",
    "description": "Where a customer's order is",
    "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
}


@dataclass
class Seeds:
    """What was sown: ids to look for."""

    agent: str = ""
    failed: str = ""
    hostile: str = ""
    uncaptured: str = ""
    cancelled: str = ""
    ids: dict[str, str] = field(default_factory=dict)


class Sower:
    """Sends spans with times of their own choosing to one collector, as one service."""

    def __init__(self, url: str, *, service: str = "support-bot") -> None:
        self._provider = TracerProvider(resource=Resource({"service.name": service, "service.version": "1.4.2"}))
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=20_000))
        self._tracer = self._provider.get_tracer("otelllm", "0.1.0")

    def span(
        self,
        name: str,
        start_ns: int,
        ms: tuple[float, float],
        attributes: Mapping[str, Any],
        parent: Span | None = None,
        error: str | None = None,
        events: tuple[Event, ...] = (),
        links: tuple[Link, ...] = (),
    ) -> Span:
        """One ended span from `ms[0]` to `ms[1]` after `start_ns`."""
        context = trace.set_span_in_context(parent) if parent else None
        kind = SpanKind.CLIENT if attributes.get(s.PROVIDER) else SpanKind.INTERNAL
        span = self._tracer.start_span(
            name, context=context, kind=kind, start_time=start_ns + int(ms[0] * 1e6),
            attributes=dict(attributes), links=links,
        )  # fmt: skip
        for event in events:
            span.add_event(event.name, event.attributes, event.timestamp)
        if error:
            span.set_attribute(s.ERROR_TYPE, error)
            span.set_status(Status(StatusCode.ERROR, f"the provider said {error}"))
        span.end(start_ns + int(ms[1] * 1e6))
        return span

    def chat(
        self, start_ns: int, ms: tuple[float, float], *, model: str, provider: str, tokens: tuple[int, int],
        parent: Span | None = None, error: str | None = None, events: tuple[Event, ...] = (), **extra: Any,
    ) -> Span:  # fmt: skip
        """A chat call; `extra` is more attributes, by their names with dots as double underscores."""
        attributes: dict[str, Any] = {
            s.OPERATION: s.CHAT, s.PROVIDER: provider, s.REQUEST_MODEL: model, s.SERVER_ADDRESS: f"api.{provider}.com",
            s.REQUEST_TEMPERATURE: 0.2,
        }  # fmt: skip
        if not error:
            attributes |= {s.RESPONSE_MODEL: f"{model}-2026-08", s.USAGE_INPUT: tokens[0], s.USAGE_OUTPUT: tokens[1]}
            attributes |= {s.RESPONSE_FINISH_REASONS: ["stop"], s.RESPONSE_ID: f"resp-{start_ns % 10**9}"}
        attributes |= {name.replace("__", "."): value for name, value in extra.items()}
        return self.span(f"chat {model}", start_ns, ms, attributes, parent, error, events)

    def close(self) -> None:
        """Send what is left."""
        assert self._provider.force_flush(20_000)
        self._provider.shutdown()


def text(role: str, content: str) -> dict[str, Any]:
    """A message of one text part."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def trace_id(span: Span) -> str:
    """The id as the API writes it."""
    return f"{span.get_span_context().trace_id:032x}"


def span_id(span: Span) -> str:
    """The id as the API writes it."""
    return f"{span.get_span_context().span_id:016x}"


def agent_trace(sower: Sower, start_ns: int, seeds: Seeds) -> None:
    """The whole agent: embed, search, rerank, a tool call, a streamed answer, an output check."""
    who = {s.USER_ID: "ada", s.SESSION_ID: "session-ada-1", s.FEATURE: "support"}
    workflow = {s.OPERATION: s.INVOKE_WORKFLOW, s.WORKFLOW_NAME: "support", **who}
    root = sower.span("invoke_workflow support", start_ns, (0, 3420), workflow)
    seeds.agent = trace_id(root)
    search = {
        s.OPERATION: s.RETRIEVAL,
        s.DATA_SOURCE_ID: "help-centre",
        s.RETRIEVAL_COUNT: 3,
        s.RETRIEVAL_QUERY: QUESTION,
    }
    retrieval = sower.span("retrieval help-centre", start_ns, (12, 610), {**search, **who}, root)
    embed = {
        s.OPERATION: s.EMBEDDINGS,
        s.PROVIDER: "openai",
        s.REQUEST_MODEL: "text-embedding-3-small",
        s.USAGE_INPUT: 14,
    }
    embed |= {s.COST: 0.00000028, s.COST_STATUS: "exact", s.EMBEDDINGS_DIMENSIONS: 1536}
    sower.span("embeddings text-embedding-3-small", start_ns, (20, 180), {**embed, **who}, retrieval)
    documents = json.dumps([{"id": name, "score": score, "content": body} for name, score, body in _DOCUMENTS])
    vector = {**search, s.RETRIEVAL_COUNT: 5, s.RETRIEVAL_DOCUMENTS: documents, s.RETRIEVAL_TOP_K: 5}
    seeds.ids["search"] = span_id(sower.span("retrieval search", start_ns, (190, 260), {**vector, **who}, retrieval))
    order = {
        s.OPERATION: s.RERANK,
        s.PROVIDER: "cohere",
        s.REQUEST_MODEL: "rerank-v3.5",
        s.RERANK_IN: 5,
        s.RERANK_OUT: 3,
    }
    sower.span(
        "rerank rerank-v3.5", start_ns, (270, 600), {**order, s.COST: 0.002, s.COST_STATUS: "exact", **who}, retrieval
    )
    agent = {s.OPERATION: s.INVOKE_AGENT, s.AGENT_NAME: "generation", s.TOTAL_INPUT: 1530, s.TOTAL_OUTPUT: 118, **who}
    generation = sower.span("invoke_agent generation", start_ns, (620, 3010), agent, root)
    _calls(sower, start_ns, generation, who, seeds)
    check = sower.span("output check", start_ns, (3020, 3410), {s.OPERATION: s.TASK, **who}, root)
    asked = [text("user", f"Question: {QUESTION}\nAnswer: {ANSWER}\nDoes the answer fit?")]
    sower.chat(
        start_ns, (3030, 3400), model="gpt-5-nano", provider="openai", tokens=(212, 6), parent=check,
        **{s.COST: 0.000013, s.COST_STATUS: "exact", s.OUTPUT_TYPE: "json", **who},
        **{s.INPUT_MESSAGES: json.dumps(asked)},
        **{s.OUTPUT_MESSAGES: json.dumps([text("assistant", '{"verdict": "fits"}')])},
    )  # fmt: skip


def _calls(sower: Sower, start_ns: int, agent: Span, who: dict[str, str], seeds: Seeds) -> None:
    """The model asks for a tool, the tool runs, the answer is streamed."""
    notes = "\n".join(body for _, _, body in _DOCUMENTS[:3])
    system = [
        {"type": "text", "content": f"You are the shop's support agent. Answer from these notes only.\n\n{notes}"}
    ]
    call = {"type": "tool_call", "id": "call_7Q", "name": "order_status", "arguments": {"order": "A-1001"}}
    asked = {"role": "assistant", "parts": [{"type": "reasoning", "content": "The order's date decides."}, call]}
    common = {
        s.SYSTEM_INSTRUCTIONS: json.dumps(system),
        s.TOOL_DEFINITIONS: json.dumps([_TOOL]),
        s.AGENT_NAME: "generation",
        **who,
    }
    first = sower.chat(
        start_ns, (630, 1490), model="gpt-5-mini", provider="openai", tokens=(642, 31), parent=agent,
        **{s.COST: 0.000223, s.COST_STATUS: "exact", s.USAGE_REASONING: 12, s.USAGE_CACHE_READ: 512, **common},
        **{s.INPUT_MESSAGES: json.dumps([text("user", QUESTION)]), s.OUTPUT_MESSAGES: json.dumps([asked])},
        **{s.RESPONSE_FINISH_REASONS: ["tool_call"]},
    )  # fmt: skip
    tool = {
        s.OPERATION: s.EXECUTE_TOOL,
        s.TOOL_NAME: "order_status",
        s.TOOL_TYPE: "function",
        s.TOOL_CALL_ID: "call_7Q",
    }
    tool |= {s.TOOL_CALL_ARGUMENTS: json.dumps({"order": "A-1001"})}
    tool |= {s.TOOL_CALL_RESULT: json.dumps({"order": "A-1001", "delivered": "2026-11-12", "returnable": True})}
    seeds.ids["tool"] = span_id(sower.span("execute_tool order_status", start_ns, (1500, 1720), {**tool, **who}, agent))
    answered = {
        "type": "tool_call_response",
        "id": "call_7Q",
        "response": {"delivered": "2026-11-12", "returnable": True},
    }
    picture = {"type": "blob", "mime_type": "image/jpeg", "modality": "image", "sha256": "9f2c" * 16, "size": 48_213}
    talk = [text("user", QUESTION), asked, {"role": "tool", "parts": [answered]}]
    talk[0]["parts"].append(picture)
    final = sower.chat(
        start_ns, (1730, 3000), model="gpt-5-mini", provider="openai", tokens=(888, 87), parent=agent,
        **{s.COST: 0.000396, s.COST_STATUS: "exact", s.TTFT: 0.312, s.USAGE_CACHE_READ: 640, **common},
        **{s.STREAM_END: "complete", s.REQUEST_STREAM: True, s.INPUT_MESSAGES: json.dumps(talk)},
        **{s.OUTPUT_MESSAGES: json.dumps([text("assistant", ANSWER)])},
    )  # fmt: skip
    seeds.ids["tool-asking"], seeds.ids["answer"] = span_id(first), span_id(final)


def failed_trace(sower: Sower, start_ns: int, seeds: Seeds) -> None:
    """A chat refused with 429 under an agent, an exception event, a link to another trace."""
    who = {s.USER_ID: "grace", s.SESSION_ID: "session-grace-1", s.FEATURE: "drafts"}
    linked = SpanContext(
        int(seeds.agent or "1", 16), int(seeds.ids.get("answer", "1"), 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    root = sower.span(
        "invoke_agent writer", start_ns, (0, 940), {s.OPERATION: s.INVOKE_AGENT, s.AGENT_NAME: "writer", **who},
        error="429", links=(Link(linked, {"why": "follows up"}),),
    )  # fmt: skip
    raised = Event(s.EVENT_EXCEPTION, {s.EXCEPTION_TYPE: "openai.RateLimitError"}, start_ns + 900_000_000)
    attributes = {s.OPERATION: s.CHAT, s.PROVIDER: "anthropic", s.REQUEST_MODEL: "claude-haiku-4-5", **who}
    failed = sower.span(
        "chat claude-haiku-4-5", start_ns, (15, 930), attributes, root, "429", (*enforced(start_ns), raised)
    )
    seeds.failed, seeds.ids["failed"] = trace_id(root), span_id(failed)


def enforced(start_ns: int) -> tuple[Event, ...]:
    """A call that waited for its limit and was tried twice."""
    queued = {
        "stage": "limits", "rule": "team rpm", "mode": "enforce", "outcome": "queued", "scope": "user=grace",
        "reason": "requests_per_minute 60 of 60", "reserved": 1200.0, "settled": 0.0, "waited": 0.25,
    }  # fmt: skip
    hostile = {
        "stage": "routes",
        "rule": HOSTILE,
        "mode": "shadow",
        "outcome": "routed",
        "scope": "",
        "reason": HOSTILE,
    }
    tried = {"provider": "anthropic", "model": "claude-haiku-4-5", "status": 429, s.ERROR_TYPE: "rate_limit_error"}
    return (
        Event(s.EVENT_DECISION, queued, start_ns), Event(s.EVENT_DECISION, hostile, start_ns),
        Event(s.EVENT_ATTEMPT, {"number": 1, "duration": 0.2, **tried}, start_ns),
        Event(s.EVENT_ATTEMPT, {"number": 2, "duration": 0.3, "waited": 0.4, **tried}, start_ns),
    )  # fmt: skip


def odd_traces(sower: Sower, now_ns: int, seeds: Seeds) -> None:
    """A stream that was cancelled, a call without content, and one whose every text is an attack."""
    minute = 60_000_000_000
    cut = sower.chat(
        now_ns - 5 * minute, (0, 760), model="gpt-5-mini", provider="openai", tokens=(96, 18),
        **{s.TTFT: 0.21, s.STREAM_END: "cancelled", s.USER_ID: "alan", s.FEATURE: "drafts"},
        **{s.COST: 0.0001, s.COST_STATUS: "estimated"},
        **{s.INPUT_MESSAGES: json.dumps([text("user", "Write a long poem.")])},
        **{s.OUTPUT_MESSAGES: json.dumps([text("assistant", "In the morning, when the")])},
    )  # fmt: skip
    bare = sower.chat(
        now_ns - 6 * minute, (0, 410), model="llama-local", provider="ollama", tokens=(50, 12),
        **{s.COST_STATUS: "unknown_model", s.USER_ID: "alan", s.FEATURE: "tags"},
        **{s.CACHE_SAVED_USD: 0.0021, s.CACHE_SAVED_SECONDS: 1.5},
    )  # fmt: skip
    messages = json.dumps([text("user", HOSTILE)])
    attack = sower.chat(
        now_ns - 7 * minute, (0, 300), model=HOSTILE, provider="openai", tokens=(9, 9),
        **{s.USER_ID: HOSTILE, s.FEATURE: "tags", s.INPUT_MESSAGES: messages, s.OUTPUT_MESSAGES: messages},
        note=HOSTILE,
    )  # fmt: skip
    seeds.cancelled, seeds.uncaptured, seeds.hostile = trace_id(cut), trace_id(bare), trace_id(attack)


def crowd(sower: Sower, now_ns: int, *, calls: int = 160) -> None:
    """Many chats over the last day, of several users, models and features."""
    dice = random.Random(7)
    kinds = [
        ("gpt-5-mini", "openai", 0.25, 2.0), ("gpt-5-nano", "openai", 0.05, 0.4),
        ("claude-haiku-4-5", "anthropic", 1.0, 5.0), ("gemini-2.5-flash", "gcp.gemini", 0.3, 2.5),
    ]  # fmt: skip
    users = {"ada": "support", "grace": "drafts", "alan": "tags", "edsger": "search", "barbara": "support"}
    for number in range(calls):
        model, provider, price_in, price_out = dice.choices(kinds, [5, 3, 2, 2])[0]
        user = dice.choice(list(users))
        ago_s = dice.triangular(0.01, 23.9, 3) * 3600
        tokens = int(dice.lognormvariate(6.2, 0.7)), int(dice.lognormvariate(4.6, 0.6))
        length = 180 + tokens[1] * dice.uniform(4, 11)
        extra: dict[str, Any] = {
            s.USER_ID: user,
            s.SESSION_ID: f"session-{user}-{number // 40}",
            s.FEATURE: users[user],
        }
        error = dice.choices([None, "429", "timeout", "500"], [94, 3, 2, 1])[0]
        if not error:
            extra |= {s.USAGE_CACHE_READ: int(tokens[0] * dice.choice([0, 0, 0.4, 0.8]))}
            extra |= {s.COST: (tokens[0] * price_in + tokens[1] * price_out) / 1e6, s.COST_STATUS: "exact"}
            if dice.random() < 0.6:
                extra |= {s.TTFT: dice.uniform(0.09, 0.5), s.REQUEST_STREAM: True, s.STREAM_END: "complete"}
        sower.chat(
            now_ns - int(ago_s * 1e9), (0, length), model=model, provider=provider, tokens=tokens, error=error, **extra
        )


def large_trace(sower: Sower, start_ns: int, *, spans: int) -> str:
    """A workflow with so many tool calls in twenty agents; its trace id."""
    root = sower.span("invoke_workflow crawl", start_ns, (0, spans), {s.OPERATION: s.INVOKE_WORKFLOW})
    agent = root
    for number in range(spans - 1):
        if number % (spans // 20) == 0:
            name = f"invoke_agent {number}"
            agent = sower.span(name, start_ns, (number, number + spans / 20), {s.OPERATION: s.INVOKE_AGENT}, root)
        else:
            attributes = {s.OPERATION: s.EXECUTE_TOOL, s.TOOL_NAME: "fetch"}
            sower.span(f"execute_tool fetch {number}", start_ns, (number, number + 3), attributes, agent)
    return trace_id(root)


def sow(url: str, *, now_ns: int | None = None) -> Seeds:
    """Everything, into the collector at this address."""
    now_ns = now_ns or time.time_ns()
    seeds = Seeds()
    sower = Sower(url)
    try:
        agent_trace(sower, now_ns - 60_000_000_000, seeds)
        failed_trace(sower, now_ns - 120_000_000_000, seeds)
        odd_traces(sower, now_ns, seeds)
        crowd(sower, now_ns)
    finally:
        sower.close()
    return seeds


if __name__ == "__main__":
    print(sow(sys.argv[1]))  # noqa: T201  # to fill a collector by hand
