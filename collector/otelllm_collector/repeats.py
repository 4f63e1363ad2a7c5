"""One call that two instrumentations wrote down: a framework's span over the SDK's, a gateway's over its client's.

Both say what was used; summed, every such call would cost twice. The inner one counts, for it is next to the provider,
unless only the outer one knows what was used.

Logfire writes a stream as two spans beside each other: the request, which is no call and has ended before the first
chunk, and when the stream is over a log of no length with all that was used, as the request's sibling. The SDK's own
span of the same call is the request's child. Where the request is a root, its log is a trace of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from otelllm import semconv

from .questions import MODEL_CALLS
from .span_row import Light

__all__ = ["has_request_above", "is_request_of_stream", "mark", "may_repeat", "repeated"]

_FAR = 32
"""How many spans up a call is looked for that this one could be."""

_REQUEST_ENDS, _LOG_BEGINS = "!r}", "streaming response from "
"""Names of Logfire's are the templates of its texts: "Message with {request_data[model]!r}"."""
_LOG_WITHIN_NS = 2_000_000_000
"""From the end of the SDK's span to the log of the same stream: they end together."""


def may_repeat(span: Light) -> bool:
    """Whether `span` could be one of two: a call of a model."""
    return span.operation in MODEL_CALLS


def is_request_of_stream(span: Light) -> bool:
    """Whether it is Logfire's request of a stream, of which a log tells what was used."""
    return span.operation == semconv.TASK and span.name.endswith(_REQUEST_ENDS)


def has_request_above(span: Light) -> bool:
    """Whether `span` is a streamed call that stands below another span, which may be such a request."""
    has_streamed = span.ttft_s is not None or span.first_chunk_s is not None
    return has_streamed and span.parent_span_id is not None and may_repeat(span)


def mark(spans: Iterable[Light]) -> list[Light]:
    """Note in spans of any traces which calls are to be counted; those in which that changed."""
    traces: dict[bytes, list[Light]] = {}
    calls: dict[bytes, int] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
        if may_repeat(span):
            calls[span.trace_id] = calls.get(span.trace_id, 0) + 1
    changed: list[Light] = []
    for trace_id, number in calls.items():
        trace = traces[trace_id]
        if number < 2 and not any(map(is_request_of_stream, trace)):
            continue
        outdone = repeated(trace)
        for span in trace:
            if may_repeat(span) and span.counted == (span.span_id in outdone):
                span.counted = not span.counted
                changed.append(span)
    return changed


def repeated(trace: Iterable[Light]) -> set[int]:
    """Of one trace's spans those (by span id) that are calls of a model and not to be counted."""
    spans = {span.span_id: span for span in trace}
    inside: dict[int, list[Light]] = {}
    for span in spans.values():
        if may_repeat(span) and (outer := _call_above(span, spans)) is not None:
            inside.setdefault(outer.span_id, []).append(span)
    found: set[int] = set()
    for span_id, inner in inside.items():
        outer = spans[span_id]
        same = [span for span in inner if _is_same(outer, span, is_alone=len(inner) == 1)]
        if not same:
            continue
        if any(_knows_usage(span) for span in same) or not _knows_usage(outer):
            found.add(span_id)
        else:
            found.update(span.span_id for span in same)
    return found | _logged(spans)


def _logged(spans: Mapping[int, Light]) -> set[int]:
    """Of streams that a log tells of once more either that or the SDK's own span."""
    requests = {span.span_id: span for span in spans.values() if is_request_of_stream(span)}
    streams = [span for span in spans.values() if span.parent_span_id in requests and has_request_above(span)]
    found: set[int] = set()
    beside: list[tuple[int, Light, Light]] = []
    for stream in streams:
        request = requests[stream.parent_span_id or 0]
        if request.parent_span_id is None:
            found.add(stream.span_id)
            continue
        for log in spans.values():
            if log.parent_span_id == request.parent_span_id and log.name.startswith(_LOG_BEGINS) and may_repeat(log):
                apart_ns = abs(log.start_ns - stream.end_ns)
                if apart_ns <= _LOG_WITHIN_NS and _says_the_same(stream, log):
                    beside.append((apart_ns, stream, log))
    taken: set[int] = set()
    for _, stream, log in sorted(beside, key=lambda one: (one[0], one[1].span_id, one[2].span_id)):
        if taken.isdisjoint((stream.span_id, log.span_id)):
            taken.update((stream.span_id, log.span_id))
            found.add(log.span_id if _knows_usage(stream) or not _knows_usage(log) else stream.span_id)
    return found


def _says_the_same(one: Light, other: Light) -> bool:
    used = [(span.input_tokens, span.output_tokens) for span in (one, other) if _knows_usage(span)]
    return len(set(used)) < 2 and bool(_models(one) & _models(other))


def _call_above(span: Light, spans: Mapping[int, Light]) -> Light | None:
    one: Light | None = span
    for _ in range(_FAR):
        one = spans.get(one.parent_span_id or 0) if one is not None else None
        if one is None or one is span:
            return None
        if may_repeat(one):
            return one
    return None


def _is_same(outer: Light, inner: Light, *, is_alone: bool) -> bool:
    if outer.response_id and inner.response_id:
        return outer.response_id == inner.response_id
    return (
        is_alone
        and outer.start_ns <= inner.start_ns
        and inner.end_ns <= outer.end_ns
        and bool(_models(outer) & _models(inner) or not (_models(outer) and _models(inner)))
    )


def _models(span: Light) -> set[str]:
    """Its models' names without what gateways put before them ("openai/gpt-4o", "models/gemini-3")."""
    return {name.rpartition("/")[2] for name in (span.request_model, span.response_model) if name}


def _knows_usage(span: Light) -> bool:
    return span.input_tokens is not None or span.output_tokens is not None
