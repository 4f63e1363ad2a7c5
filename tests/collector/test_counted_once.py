"""Two spans of one call cost once in every sum, in whatever order and in however many requests they come."""

from __future__ import annotations

import time
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, request, span

from otelllm_collector.decode import decode
from otelllm_collector.questions import Page, SpanFilter

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.spec import Store

S = 10**9
NOW = time.time_ns() - 3600 * S


def _trace() -> tuple[bytes, list[Span]]:
    """A workflow; in it LangChain's span of a call, and in that the SDK's of the same."""
    trace_id, root_id = ids()
    used = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 30, "otelllm.cost.usd": 0.5}  # fmt: skip
    root = span({"gen_ai.operation.name": "invoke_workflow"}, trace_id=trace_id, span_id=root_id,
                start_time_unix_nano=NOW, end_time_unix_nano=NOW + 9 * S)  # fmt: skip
    outer = span(used, trace_id=trace_id, parent_span_id=root_id, start_time_unix_nano=NOW + S)
    outer.end_time_unix_nano = NOW + 8 * S
    inner = span(used, trace_id=trace_id, parent_span_id=outer.span_id, start_time_unix_nano=NOW + 2 * S)
    inner.end_time_unix_nano = NOW + 7 * S
    return trace_id, [root, outer, inner]


def _write(store: Store, *spans: Span) -> None:
    store.write([decode("traces", request(*spans).SerializeToString(), is_json=False, now_ns=NOW)])


def _sums(store: Store, trace_id: bytes) -> list[Any]:
    wanted = SpanFilter(trace_id=(trace_id.hex(),))
    (trace,) = store.traces(wanted, Page(5))
    (sums,) = store.aggregates("none", "none", wanted, 5)
    told = [(one["calls"], one["input_tokens"], one["output_tokens"], one["cost_usd"]) for one in (trace, sums)]
    assert told[0] == told[1]
    return list(told[0])


def test_in_one_request(store: Store) -> None:
    trace_id, spans = _trace()
    _write(store, *spans)
    assert _sums(store, trace_id) == [1, 100, 30, 0.5]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_in_requests_of_their_own(store: Store, order: tuple[int, ...]) -> None:
    trace_id, spans = _trace()
    for number in order:
        _write(store, spans[number])
    assert _sums(store, trace_id) == [1, 100, 30, 0.5]
    _write(store, *spans)
    assert _sums(store, trace_id) == [1, 100, 30, 0.5], "sent again"


def test_a_fuller_version_of_one_that_does_not_count(store: Store) -> None:
    trace_id, spans = _trace()
    _write(store, *spans)
    spans[1].attributes.add(key="more").value.string_value = "x"
    _write(store, spans[1])
    assert _sums(store, trace_id) == [1, 100, 30, 0.5]


def test_two_calls_are_two(store: Store) -> None:
    trace_id, spans = _trace()
    spans[2].parent_span_id = spans[0].span_id
    _write(store, *spans)
    assert _sums(store, trace_id) == [2, 200, 60, 1.0]
