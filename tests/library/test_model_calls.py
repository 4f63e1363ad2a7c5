"""Steps and model calls that frameworks tell of: one call, one span, whoever sees it."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry.trace import SpanKind, StatusCode

import otelllm
from otelllm import semconv
from otelllm.call import Call, Request, Usage
from otelllm.model_calls import ModelCall
from otelllm.runs import Run, Runs

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

FACTS = {semconv.CONVERSATION_ID: "thread-7"}


def _ask(provider: Provider) -> Any:
    with openai.OpenAI(api_key="sk-test", base_url=provider.url, max_retries=0) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])


def _read(call: Call) -> None:
    call.reading.model = "local-1"
    call.reading.usage = Usage(input=7, output=3)


def test_what_an_sdk_sends_below_has_the_span_and_what_the_framework_knows(
    otel: Telemetry, answering: Provider
) -> None:
    model_call = ModelCall("openai", semconv.CHAT, Request(model="gpt-4o-mini"), attributes=FACTS)
    with model_call.around():
        _ask(answering)
    model_call.end(_read)
    assert otel.attributes[semconv.CONVERSATION_ID] == "thread-7"
    assert otel.attributes[semconv.RESPONSE_MODEL] != "local-1"


def test_a_call_that_no_sdk_made_has_a_span_of_the_time_that_it_took(otel: Telemetry) -> None:
    before = time.time_ns()
    model_call = ModelCall("m", semconv.CHAT, Request(model="local"), attributes=FACTS)
    with model_call.around():
        pass
    model_call.end(_read)
    span = otel.span
    assert (span.name, span.kind) == ("chat local", SpanKind.CLIENT)
    assert span.start_time is not None
    assert before <= span.start_time <= (span.end_time or 0)
    assert otel.attributes[semconv.USAGE_INPUT] == 7
    assert otel.attributes[semconv.CONVERSATION_ID] == "thread-7"
    assert semconv.REQUEST_STREAM not in otel.attributes
    assert otel.metrics()[semconv.METRIC_TOKENS]


def test_it_is_counted_across_threads_that_carry_the_context(otel: Telemetry, answering: Provider) -> None:
    model_call = ModelCall("openai", semconv.CHAT, Request())
    with model_call.around():
        context = copy_context()
    thread = threading.Thread(target=lambda: context.run(_ask, answering))
    thread.start()
    thread.join()
    assert model_call.is_seen_below
    model_call.end(_read)
    assert len(otel.spans) == 1


def test_frameworks_above_frameworks_make_one_span(otel: Telemetry) -> None:
    outer = ModelCall("m", semconv.CHAT, Request(model="outer"))
    outer.enter()
    inner = ModelCall("m", semconv.CHAT, Request(model="inner"))
    inner.enter()
    inner.end(_read)
    inner.leave()
    outer.leave()
    outer.end(_read)
    assert otel.span.name == "chat inner"


def test_embeddings_below_a_chat_are_another_call(otel: Telemetry) -> None:
    chat = ModelCall("m", semconv.CHAT, Request(model="chat"))
    with chat.around():
        ModelCall("m", semconv.EMBEDDINGS, Request(model="vectors")).end(_read)
    chat.end(_read)
    assert [span.name for span in otel.spans] == ["embeddings vectors", "chat chat"]


def test_a_streamed_one_tells_its_times(otel: Telemetry) -> None:
    model_call = ModelCall("m", semconv.CHAT, Request(model="local"))
    for delta in (0, 1, 2, 2):
        model_call.chunk(delta)  # type: ignore[arg-type]
    model_call.end(_read, ending="closed")
    found = otel.attributes
    assert found[semconv.STREAM_CHUNKS] == 4
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] <= found[semconv.TTFT] <= found[semconv.TTFT_CONTENT]
    assert found[semconv.STREAM_END] == "closed"


def test_runs_nest_by_the_context_that_they_give(otel: Telemetry) -> None:
    with otelllm.context(session="s-9"):
        outer = Run(semconv.INVOKE_AGENT, "helper")
    inner = Run(semconv.EXECUTE_TOOL, "look_up", parent=outer.context)
    model_call = ModelCall("m", semconv.CHAT, Request(model="local"), parent=inner.context)
    model_call.end(_read)
    inner.end(ValueError("lost"))
    outer.end()
    chat, tool, agent = otel.spans
    assert chat.parent
    assert tool.parent
    assert agent.parent is None
    assert chat.parent.span_id == tool.context.span_id
    assert tool.parent.span_id == agent.context.span_id
    assert tool.status.status_code is StatusCode.ERROR
    assert (agent.attributes or {})[semconv.TOTAL_INPUT] == 7
    assert (chat.attributes or {})[semconv.AGENT_NAME] == "helper"
    assert (chat.attributes or {})[semconv.SESSION_ID] == "s-9"


def test_what_no_call_below_said_is_no_sum(otel: Telemetry) -> None:
    agent = Run(semconv.INVOKE_AGENT, "helper")
    ModelCall("m", semconv.CHAT, Request(model="local"), parent=agent.context).end()
    agent.end()
    found = otel.spans[-1].attributes or {}
    assert [name for name in found if name.startswith("otelllm.total")] == []


def test_runs_whose_end_never_comes_are_ended_and_counted_out(otel: Telemetry) -> None:
    runs: Runs[int] = Runs(most=3)
    for number in range(5):
        runs.open(number, Run(semconv.EXECUTE_TOOL, f"t{number}"))
    assert len(runs) == 3
    assert [span.name for span in otel.spans] == ["execute_tool t0", "execute_tool t1"]
    assert all((span.attributes or {})[semconv.ERROR_TYPE] == "abandoned" for span in otel.spans)
    assert runs.take(0) is None
    run = runs.take(4)
    assert run is not None
    run.end()
    runs.end_all()
    assert len(otel.spans) == 5


def test_nothing_is_done_where_otelllm_is_off() -> None:
    run = Run(semconv.INVOKE_WORKFLOW, "w")
    with run.current():
        assert not run.is_open
    run.end()
    ModelCall("m", semconv.CHAT, Request()).end(_read)


@pytest.mark.parametrize("ended", [None, 5])
def test_times_that_are_past_are_kept(otel: Telemetry, ended: int | None) -> None:
    start = time.time_ns() - 10 * 10**9
    end = start + ended * 10**9 if ended else None
    run = Run(semconv.INVOKE_WORKFLOW, "w", started_ns=start)
    run.end(ended_ns=end)
    (point,) = otel.metrics()[semconv.METRIC_WORKFLOW_DURATION]
    assert otel.span.start_time == start
    assert point.sum == pytest.approx(ended or 10, abs=1)
