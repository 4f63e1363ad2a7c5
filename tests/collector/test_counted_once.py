"""Two spans of one call cost once in every sum, in whatever order and in however many requests they come."""

from __future__ import annotations

import time
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, request, span
from collector.vocabularies.spans import fixture, request_of

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


def _stream() -> tuple[bytes, list[Span]]:
    """What Logfire and the Anthropic SDK sent of one stream, in a workflow."""
    trace_id, root_id = ids()
    found = request_of([{**one, "parent": None} for one in fixture("logfire-anthropic")["spans"][2:5]])
    asked, sdk, log = (one for scope in found.resource_spans[0].scope_spans for one in scope.spans)
    sdk.parent_span_id = asked.span_id
    root = span({"gen_ai.operation.name": "invoke_workflow"}, span_id=root_id,
                start_time_unix_nano=NOW, end_time_unix_nano=NOW + 9 * S)  # fmt: skip
    for one in (root, asked, sdk, log):
        one.trace_id = trace_id
    asked.parent_span_id = log.parent_span_id = root_id
    asked.start_time_unix_nano = sdk.start_time_unix_nano = NOW + S
    asked.end_time_unix_nano, sdk.end_time_unix_nano = NOW + 2 * S, NOW + 4 * S
    log.start_time_unix_nano = log.end_time_unix_nano = NOW + 4 * S + 1000
    return trace_id, [root, asked, sdk, log]


def _write(store: Store, *spans: Span) -> None:
    sent = request()
    for one in spans:
        sent.resource_spans[0].scope_spans.add(scope={"name": _scope(one)}).spans.append(one)
    store.write([decode("traces", sent.SerializeToString(), is_json=False, now_ns=NOW)])


def _scope(one: Span) -> str:
    if one.name.startswith("anthropic."):
        return "com.anthropic.sdk.python"
    return "logfire.anthropic" if "request_data" in one.name else "tests"


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


@pytest.mark.slow  # 24 orders of four commits each
def test_a_stream_that_logfire_and_the_sdk_tell_of(store: Store) -> None:
    for order in permutations(range(4)):
        trace_id, spans = _stream()
        for number in order:
            _write(store, spans[number])
        assert _sums(store, trace_id)[:3] == [1, 125, 30], order
    whole_id, whole = _stream()
    _write(store, *whole)
    assert _sums(store, whole_id)[:3] == [1, 125, 30]


def test_the_same_stream_with_nothing_above_it(store: Store) -> None:
    """Logfire's log is a trace of its own then."""
    for order in permutations(range(3)):
        trace_id, (_, asked, sdk, log) = _stream()
        asked.ClearField("parent_span_id")
        log.ClearField("parent_span_id")
        log.trace_id = ids()[0]
        for number in order:
            _write(store, (asked, sdk, log)[number])
        (sums,) = store.aggregates("none", "none", SpanFilter(trace_id=(trace_id.hex(), log.trace_id.hex())), 5)
        assert (sums["calls"], sums["input_tokens"], sums["output_tokens"]) == (1, 125, 30), order


def test_a_step_between_two_spans_of_a_call_that_comes_last(store: Store) -> None:
    trace_id, (root, outer, inner) = _trace()
    step = span({"gen_ai.operation.name": "task"}, trace_id=trace_id, parent_span_id=outer.span_id,
                start_time_unix_nano=NOW + S, end_time_unix_nano=NOW + 8 * S)  # fmt: skip
    inner.parent_span_id = step.span_id
    for one in (root, outer, inner, step):
        _write(store, one)
    assert _sums(store, trace_id) == [1, 100, 30, 0.5]


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
