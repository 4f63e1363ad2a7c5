"""The same app, its spans sent to another OTLP backend."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from end_to_end.app import ROOT, Program, model_server
from end_to_end.backend import Backend

from otelllm import semconv

if TYPE_CHECKING:
    from end_to_end.conftest import Api

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def backend() -> Backend:
    """A backend that `examples/other_backend.py` has sent its spans to."""
    backend = Backend()
    program = Program(sys.executable, str(ROOT / "examples" / "other_backend.py"), backend.url)
    code = program.wait()
    backend.close()
    assert code == 0, program.output
    assert program.left() == []
    return backend


def test_another_backend_gets_the_same_spans(backend: Backend, api: Api) -> None:
    names = {span.span_id: span.name for span in backend.spans}
    there = Counter((span.name, names.get(span.parent_span_id)) for span in backend.spans)
    ours: Counter[tuple[str, str | None]] = Counter()
    for trace in api.traces(limit=200):
        spans = api.spans(trace["trace_id"])
        own = {span["span_id"]: span["name"] for span in spans}
        ours.update((span["name"], own.get(span["parent_span_id"])) for span in spans)
    assert there == ours
    assert backend.services == {"lamp-shop"}


def test_they_carry_tokens_cost_and_time_to_first_token(backend: Backend) -> None:
    streamed = [
        {one.key: one.value for one in span.attributes}
        for span in backend.spans
        if any(one.key == semconv.REQUEST_STREAM for one in span.attributes) and span.name == "chat gemma-3-270m"
    ]
    whole = [call for call in streamed if call[semconv.STREAM_END].string_value == "complete"]
    assert len(whole) == 5
    for call in whole:
        assert call[semconv.USAGE_INPUT].int_value > 0
        assert call[semconv.USAGE_OUTPUT].int_value > 0
        assert call[semconv.TTFT].double_value > 0
        assert call[semconv.COST].double_value > 0


def test_metrics_come_too_and_nothing_else_was_sent(backend: Backend) -> None:
    assert {semconv.METRIC_DURATION, semconv.METRIC_TOKENS} <= backend.metrics
    assert backend.refused == []


def test_the_quickstart_makes_one_span_of_one_call() -> None:
    backend = Backend()
    with model_server() as url:
        program = Program(
            sys.executable, str(ROOT / "examples" / "quickstart.py"),
            OPENAI_BASE_URL=url, OPENAI_API_KEY="none needed", OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
        )  # fmt: skip
        code = program.wait()
    backend.close()
    assert code == 0, program.output
    assert program.output.strip()
    assert [span.name for span in backend.spans] == ["chat gpt-4o-mini"]
    assert backend.services == {"quickstart"}
