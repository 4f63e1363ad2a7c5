"""A call that two instrumentations wrote down counts once, whichever of them knows what was used."""

from __future__ import annotations

from typing import Any

from otelllm_collector.repeats import repeated
from otelllm_collector.span_row import SpanRow

S = 10**9


def _span(span_id: int, parent: int | None, start: int, end: int, **more: Any) -> SpanRow:
    given = {"name": "x", "operation": "chat", "request_model": "gpt-4o", "input_tokens": 100, **more}
    return SpanRow(
        trace_id=bytes(16), span_id=span_id, parent_span_id=parent, kind="client", start_ns=start * S,
        end_ns=end * S, resource_id=1, scope_id=1, received_ns=0, **given,
    )  # fmt: skip


def test_a_frameworks_span_over_the_sdks_is_the_same_call() -> None:
    outer, step, inner = _span(1, None, 0, 9), _span(2, 1, 1, 8, operation="task"), _span(3, 2, 2, 7)
    assert repeated([inner, step, outer]) == {1}


def test_by_the_answers_id_whatever_the_models_are_called() -> None:
    outer = _span(1, None, 0, 9, request_model="my-router", response_id="r1")
    assert repeated([outer, _span(2, 1, 1, 8, response_id="r1")]) == {1}
    assert repeated([outer, _span(2, 1, 1, 8, response_id="r2")]) == set()


def test_a_gateways_prefix_is_no_other_model() -> None:
    assert repeated([_span(1, None, 0, 9, request_model="openai/gpt-4o"), _span(2, 1, 1, 8)]) == {1}
    assert repeated([_span(1, None, 0, 9, request_model="claude"), _span(2, 1, 1, 8)]) == set()


def test_one_that_makes_several_calls_is_none_of_them() -> None:
    """Unless the answer's id says which one it is."""
    outer, first, second = _span(1, None, 0, 9), _span(2, 1, 1, 4), _span(3, 1, 5, 8)
    assert repeated([outer, first, second]) == set()
    outer.response_id, first.response_id, second.response_id = "b", "a", "b"
    assert repeated([outer, first, second]) == {1}


def test_what_is_not_within_it_in_time_is_another_call() -> None:
    assert repeated([_span(1, None, 0, 5), _span(2, 1, 4, 8)]) == set()


def test_where_only_the_outer_one_knows_what_was_used_it_counts() -> None:
    outer, inner = _span(1, None, 0, 9), _span(2, 1, 1, 8, input_tokens=None)
    assert repeated([outer, inner]) == {2}
    outer.input_tokens = None
    assert repeated([outer, inner]) == {1}


def test_three_in_one() -> None:
    """A framework over a gateway's client over the SDK: the innermost counts."""
    assert repeated([_span(1, None, 0, 9), _span(2, 1, 1, 8), _span(3, 2, 2, 7)]) == {1, 2}


REQUEST = "Message with {request_data[model]!r}"
LOG = "streaming response from {request_data[model]!r} took {duration:.2f}s"


def _stream(parent: int | None, start: int, **more: Any) -> list[SpanRow]:
    """Logfire's request, the SDK's own span below it, and Logfire's log beside it."""
    first = 10 * start
    request = _span(first + 1, parent, start, start, name=REQUEST, operation="task", input_tokens=None)
    inner = _span(first + 2, request.span_id, start, start + 5, first_chunk_s=0.1, **more)
    log = _span(first + 3, parent, start + 5, start + 5, name=LOG)
    return [request, inner, log]


def test_logfires_log_of_a_stream_is_the_sdks_call_again() -> None:
    assert repeated([*_stream(99, 10), *_stream(99, 12)]) == {103, 123}
    assert repeated(_stream(99, 10, input_tokens=None)) == {102}, "only the log knows what was used"
    assert repeated(_stream(99, 10, input_tokens=7)) == set(), "another call"


def test_where_the_log_is_a_trace_of_its_own_it_alone_counts() -> None:
    request, inner, log = _stream(None, 10)
    assert repeated([request, inner]) == {102}
    assert repeated([log]) == set()


def test_a_log_without_the_sdks_span_counts() -> None:
    request, inner, log = _stream(99, 10)
    assert repeated([request, log]) == set()
    inner.end_ns += 60 * S
    assert repeated([request, inner, log]) == set(), "it ended long after"


def test_agents_and_loops_are_let_alone() -> None:
    assert repeated([_span(1, None, 0, 9, operation="invoke_agent"), _span(2, 1, 1, 8)]) == set()
    assert repeated([_span(1, 2, 0, 9), _span(2, 1, 0, 9)]) <= {1, 2}
    assert repeated([_span(1, 1, 0, 9)]) == set()
