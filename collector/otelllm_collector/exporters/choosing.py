"""What of a body goes to one backend: which spans, of which traces, and with how much of their content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelllm import semconv
from otelllm.redaction import redact_known

from ..decode.values import plain_attributes
from ..normalise import normalise
from ..normalise.genai import CONTENT, TEXT_CONTENT
from ..normalise.spec import Foreign
from .settings import Destination, Keep, Redact, Sample

__all__ = ["Summaries", "Summary", "choose", "needs_choice"]


class Summary(NamedTuple):
    """What a trace has come to so far, as the store sums it up."""

    errors: int
    duration_s: float
    cost_usd: float | None
    lowest_score: float | None


Summaries = Callable[[Iterable[str]], Mapping[str, Summary]]
"""Hexadecimal trace ids -> what is known of them."""

_CONTENT_PREFIXES = (
    "llm.input_messages", "llm.output_messages", "llm.prompts", "llm.choices", "input.value", "output.value",
    "gen_ai.prompt", "gen_ai.completion", "ai.prompt", "ai.response.text", "ai.response.toolCalls",
    "ai.response.object", "ai.response.reasoning", "ai.toolCall.args", "ai.toolCall.result", "ai.value",
    "traceloop.entity.input", "traceloop.entity.output", "langfuse.observation.input", "langfuse.observation.output",
    "langfuse.trace.input", "langfuse.trace.output", "mlflow.spanInputs", "mlflow.spanOutputs",
    "mlflow.chat.messages", "request_data", "response_data", "pydantic_ai.all_messages", "all_messages_events",
    "events", "final_result", "tool_arguments", "tool_response", "gcp.vertex.agent.llm_request",
    "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_", "retrieval.documents", "reranker.",
    "embedding.embeddings", "exception.message", "exception.stacktrace", "user_prompt", "response.model_output",
    "tool_input",
)  # fmt: skip
"""Where vocabularies other than the conventions' keep what people and models said."""
_CONTENT = frozenset({*CONTENT, *TEXT_CONTENT})


def needs_choice(to: Destination) -> bool:
    """Whether bodies have to be opened at all; else they go as they came."""
    return to.keep != Keep() or to.sample is not None or to.redact.is_any


def choose(to: Destination, signal: str, body: bytes, summaries: Summaries) -> tuple[bytes, int]:
    """What of the body goes, and how many records that are; empty where nothing does."""
    if signal == "traces":
        return _choose_spans(to, ExportTraceServiceRequest.FromString(body), summaries)
    if signal == "logs" and to.redact.is_any:
        return _redact_logs(to.redact, ExportLogsServiceRequest.FromString(body))
    return body, 0


def _choose_spans(to: Destination, request: ExportTraceServiceRequest, summaries: Summaries) -> tuple[bytes, int]:
    chosen = None if to.sample is None else _sampled(to.sample, request, summaries)
    kept = 0
    for of_resource in request.resource_spans:
        service = plain_attributes(of_resource.resource.attributes).get(semconv.SERVICE_NAME)
        for of_scope in of_resource.scope_spans:
            spans = [
                span
                for span in of_scope.spans
                if (chosen is None or span.trace_id in chosen)
                and _is_wanted(to.keep, service, of_scope.scope.name, span)
            ]
            if len(spans) < len(of_scope.spans):
                copies = [type(span).FromString(span.SerializeToString()) for span in spans]
                del of_scope.spans[:]
                of_scope.spans.extend(copies)
            for span in of_scope.spans:
                _redact_span(to.redact, span)
            kept += len(of_scope.spans)
    return (request.SerializeToString(), kept) if kept else (b"", 0)


def _sampled(sample: Sample, request: ExportTraceServiceRequest, summaries: Summaries) -> set[bytes]:
    """The traces that go. A part of the ids' own bits decides the share: every exporter picks the same traces."""
    ids = {span.trace_id for one in request.resource_spans for of in one.scope_spans for span in of.spans}
    chosen = {id_ for id_ in ids if int.from_bytes(id_[-7:]) < sample.rate * 2**56}
    rest = ids - chosen
    if rest and (sample.errors or (sample.slower_than_s, sample.dearer_than_usd, sample.score_below) != (None,) * 3):
        known = summaries(id_.hex() for id_ in rest)
        chosen |= {id_ for id_ in rest if (found := known.get(id_.hex())) is not None and _stands_out(sample, found)}
    return chosen


def _stands_out(sample: Sample, trace: Summary) -> bool:
    return (
        (sample.errors and trace.errors > 0)
        or (sample.slower_than_s is not None and trace.duration_s > sample.slower_than_s)
        or (sample.dearer_than_usd is not None and (trace.cost_usd or 0.0) > sample.dearer_than_usd)
        or (
            sample.score_below is not None
            and (trace.lowest_score is not None)
            and trace.lowest_score < sample.score_below
        )
    )


def _is_wanted(keep: Keep, service: Any, scope: str, span: Any) -> bool:
    if keep.service and service not in keep.service:
        return False
    if not (keep.operation or keep.provider or keep.model or keep.only_genai):
        return True
    attributes = plain_attributes(span.attributes)
    foreign = Foreign(span.name, scope, attributes, (), 0, 0, not span.parent_span_id, span.status.code == 2)
    made = normalise(foreign)
    said = {**attributes, **(made.attributes if made else {})}
    if keep.only_genai and said.get(semconv.OPERATION) is None:
        return False
    models = {said.get(semconv.REQUEST_MODEL), said.get(semconv.RESPONSE_MODEL)}
    return (
        (not keep.operation or said.get(semconv.OPERATION) in keep.operation)
        and (not keep.provider or said.get(semconv.PROVIDER) in keep.provider)
        and (not keep.model or bool(models.intersection(keep.model)))
    )


def _redact_span(redact: Redact, span: Any) -> None:
    if not redact.is_any:
        return
    _redact_attributes(redact, span.attributes)
    for event in span.events:
        _redact_attributes(redact, event.attributes)
    if redact.content:
        span.status.message = ""
    elif redact.secrets:
        span.status.message = redact_known(span.status.message)[0]


def _redact_logs(redact: Redact, request: ExportLogsServiceRequest) -> tuple[bytes, int]:
    count = 0
    for of_resource in request.resource_logs:
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                count += 1
                _redact_attributes(redact, record.attributes)
                if redact.content:
                    record.ClearField("body")
                elif redact.secrets:
                    _redact_value(record.body)
    return request.SerializeToString(), count


def _redact_attributes(redact: Redact, attributes: Any) -> None:
    kept = [pair for pair in attributes if not _is_dropped(redact, pair.key)]
    if len(kept) < len(attributes):
        copies = [type(pair).FromString(pair.SerializeToString()) for pair in kept]
        del attributes[:]
        attributes.extend(copies)
    if redact.secrets:
        for pair in attributes:
            _redact_value(pair.value)


def _is_dropped(redact: Redact, key: str) -> bool:
    if redact.content and (key in _CONTENT or key.startswith((*_CONTENT_PREFIXES, semconv.PROMPT_VARIABLE))):
        return True
    return any(key.startswith(one[:-1]) if one.endswith("*") else key == one for one in redact.attributes)


def _redact_value(value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        text, found = redact_known(value.string_value)
        if found:
            value.string_value = text
    elif kind == "array_value":
        for one in value.array_value.values:
            _redact_value(one)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            _redact_value(pair.value)
