"""The same app, its spans sent to another OTLP backend."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from end_to_end.app import ROOT, Program, model_server
from receiver import Receiver, attributes

from otelllm import semconv

if TYPE_CHECKING:
    from end_to_end.conftest import Api

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def backend() -> Receiver:
    """A backend that `examples/other_backend.py` has sent its spans to."""
    backend = Receiver()
    program = Program(sys.executable, str(ROOT / "examples" / "other_backend.py"), backend.endpoint)
    code = program.wait()
    backend.close()
    assert code == 0, program.output
    assert program.left() == []
    return backend


def test_another_backend_gets_the_same_spans(backend: Receiver, api: Api) -> None:
    names = {span.span_id: span.name for span in backend.spans}
    there = Counter((span.name, names.get(span.parent_span_id)) for span in backend.spans)
    ours: Counter[tuple[str, str | None]] = Counter()
    for trace in api.traces(limit=200):
        spans = api.spans(trace["trace_id"])
        own = {span["span_id"]: span["name"] for span in spans}
        ours.update((span["name"], own.get(span["parent_span_id"])) for span in spans)
    assert there == ours
    assert {resource["service.name"] for resource in backend.resources} == {"lamp-shop"}


def test_they_carry_tokens_cost_and_time_to_first_token(backend: Receiver) -> None:
    calls = [attributes(span) for span in backend.spans if span.name == "chat gemma-3-270m"]
    streams = [call for call in calls if call.get(semconv.STREAM_END) == "complete"]
    assert len(streams) == 5
    for call in streams:
        assert call[semconv.USAGE_INPUT] > 0
        assert call[semconv.USAGE_OUTPUT] > 0
        assert call[semconv.TTFT] > 0
        assert call[semconv.COST] > 0


def test_metrics_come_too(backend: Receiver) -> None:
    assert {semconv.METRIC_DURATION, semconv.METRIC_TOKENS} <= {metric.name for metric in backend.metrics}


def test_the_quickstart_makes_one_span_of_one_call() -> None:
    backend = Receiver()
    with model_server() as url:
        program = Program(
            sys.executable, str(ROOT / "examples" / "quickstart.py"),
            OPENAI_BASE_URL=url, OPENAI_API_KEY="none needed", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint,
        )  # fmt: skip
        code = program.wait()
    backend.close()
    assert code == 0, program.output
    assert program.output.strip()
    assert [span.name for span in backend.spans] == ["chat gpt-4o-mini"]
    assert backend.resources[0]["service.name"] == "quickstart"
