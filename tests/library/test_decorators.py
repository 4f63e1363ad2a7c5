"""Spans of the app's own steps: every kind of function, what is recorded of each operation, and sums at the top."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry import trace

import otelllm

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider


def _current() -> str:
    return trace.get_current_span().get_span_context().span_id.to_bytes(8, "big").hex()


@otelllm.task
def plain(text: str) -> str:
    return _current()


@otelllm.task
async def waiting(text: str) -> str:
    await asyncio.sleep(0)
    return _current()


@otelllm.task
def generating(text: str) -> Iterator[str]:
    for _ in range(3):
        yield _current()


@otelllm.task
async def agenerating(text: str) -> AsyncIterator[str]:
    for _ in range(3):
        await asyncio.sleep(0)
        yield _current()


async def _listed(stream: AsyncIterator[str]) -> list[str]:
    return [item async for item in stream]


RUNS: dict[str, Callable[[], Any]] = {
    "sync": lambda: plain("x"),
    "async": lambda: asyncio.run(waiting("x")),
    "generator": lambda: list(generating("x"))[-1],
    "async generator": lambda: asyncio.run(_listed(agenerating("x")))[-1],
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_every_kind_of_function_has_its_span_as_the_current_one(otel: Telemetry, run: Callable[[], str]) -> None:
    """Inside the function its span is current; outside nothing is; it ended once, without an error."""
    inside = run()
    span = otel.span
    assert inside == f"{span.context.span_id:016x}"
    assert span.status.is_unset
    assert not trace.get_current_span().get_span_context().is_valid


def test_kinds_and_signatures_stay(otel: Telemetry) -> None:
    """A decorated function is what it was, to `inspect` and to readers."""
    assert inspect.iscoroutinefunction(waiting)
    assert inspect.isgeneratorfunction(generating)
    assert inspect.isasyncgenfunction(agenerating)
    assert list(inspect.signature(plain).parameters) == ["text"]
    assert plain.__name__ == "plain"


def test_without_instrument_a_decorated_function_only_runs() -> None:
    """No span, no error, nothing slowed by a provider that isn't there."""
    assert plain("x") == "0" * 16
    assert list(generating("x")) == ["0" * 16] * 3


def test_a_generator_left_early_is_no_error(otel: Telemetry) -> None:
    """The reader took what it wanted."""
    items = generating("x")
    next(items)
    items.close()
    assert otel.span.status.is_unset


def test_a_generator_hears_what_its_reader_sends_and_throws(otel: Telemetry) -> None:
    """`send` and `throw` reach the function; its return value reaches `yield from`."""

    @otelllm.task
    def echo() -> Iterator[Any]:
        heard = yield "ready"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "done"

    items = echo()
    assert next(items) == "ready"
    assert items.send("hello") == "hello"  # type: ignore[attr-defined]
    assert items.throw(KeyError("x")) == "caught"  # type: ignore[attr-defined]
    with pytest.raises(StopIteration) as stop:
        next(items)
    assert stop.value.value == "done"
    assert otel.span.status.is_unset


def test_an_error_is_on_the_span_without_its_text(otel: Telemetry) -> None:
    """With capture off the type is kept, the message is not; the app gets the same exception object."""
    error = ValueError("the customer's secret")

    @otelllm.tool
    def fails() -> None:
        raise error

    with pytest.raises(ValueError, match="secret") as raised:
        fails()
    assert raised.value is error
    span = otel.span
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert span.status.status_code.name == "ERROR"
    assert "secret" not in span.to_json()


def test_a_cancelled_function_is_cancelled_on_the_span(otel: Telemetry) -> None:
    """asyncio's cancellation ends the span, and goes on."""

    @otelllm.agent(name="sleeper")
    async def sleeps() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        job = asyncio.create_task(sleeps())
        await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    asyncio.run(main())
    assert otel.attributes["error.type"] == "cancelled"


def test_retrieval_says_how_many_came_back(otel: Telemetry) -> None:
    """The count is no content, so it is always there; query and documents are."""

    @otelllm.retrieval(data_source="handbook")
    def search(query: str, top_k: int = 5) -> list[dict[str, Any]]:
        return [{"id": f"d{n}", "score": 0.5, "content": f"text {n}"} for n in range(top_k)]

    search("refunds", top_k=3)
    assert otel.span.name == "retrieval search"
    assert otel.attributes["otelllm.retrieval.count"] == 3
    assert otel.attributes["gen_ai.retrieval.top_k"] == 3
    assert otel.attributes["gen_ai.data_source.id"] == "handbook"
    assert "gen_ai.retrieval.query.text" not in otel.attributes


def test_retrieval_keeps_query_and_documents_where_content_is_captured(otel: Telemetry) -> None:
    """In the conventions' shape."""
    otel.instrument(capture="full")

    @otelllm.retrieval
    def search(query: str) -> list[Any]:
        return [{"id": "d1", "score": 0.5, "text": "one"}, ("two", 0.25), "three"]

    search("refunds")
    assert otel.attributes["gen_ai.retrieval.query.text"] == "refunds"
    assert otel.messages("gen_ai.retrieval.documents") == [
        {"id": "d1", "score": 0.5, "content": "one"}, {"content": "two", "score": 0.25}, {"content": "three"},
    ]  # fmt: skip


def test_rerank_says_how_many_went_in_and_were_kept(otel: Telemetry) -> None:
    """5 -> 3."""

    @otelllm.rerank
    def best(query: str, documents: list[str]) -> list[str]:
        return documents[:3]

    best("q", ["a", "b", "c", "d", "e"])
    assert (otel.attributes["otelllm.rerank.in"], otel.attributes["otelllm.rerank.out"]) == (5, 3)


def test_a_tool_keeps_arguments_and_result_as_content(otel: Telemetry) -> None:
    """Name, type and description always; what went through it only where content is captured."""
    otel.instrument(capture="full")

    class Desk:
        @otelllm.tool(name="order_status")
        def look_up(self, order: str, *, verbose: bool = False) -> dict[str, str]:
            """Look up an order."""
            return {"state": "shipped"}

    Desk().look_up("A-1", verbose=True)
    found = otel.attributes
    assert otel.span.name == "execute_tool order_status"
    assert (found["gen_ai.tool.name"], found["gen_ai.tool.type"]) == ("order_status", "function")
    assert found["gen_ai.tool.description"] == "Look up an order."
    assert otel.messages("gen_ai.tool.call.arguments") == {"order": "A-1", "verbose": True}
    assert otel.messages("gen_ai.tool.call.result") == {"state": "shipped"}


def test_tokens_and_cost_are_summed_at_the_top_and_nowhere_else(otel: Telemetry, answering: Provider) -> None:
    """Workflow and agent carry totals of the calls below them under names of their own, so no sum counts twice."""
    client = openai.OpenAI(api_key="k", base_url=answering.url, max_retries=0)

    @otelllm.agent(name="helper")
    def agent() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])

    @otelllm.workflow
    def job() -> None:
        agent()
        agent()

    job()
    client.close()
    by_name = {span.name: dict(span.attributes or {}) for span in otel.spans}
    call, top = by_name["chat gpt-4o-mini"], by_name["invoke_workflow job"]
    assert call["gen_ai.agent.name"] == "helper"
    assert call["gen_ai.workflow.name"] == "job"
    assert top["otelllm.total.input_tokens"] == 2 * call["gen_ai.usage.input_tokens"]
    assert top["otelllm.total.cost.usd"] == pytest.approx(2 * call["otelllm.cost.usd"])
    assert not any(name.startswith("gen_ai.usage") for name in top)
    assert by_name["invoke_agent helper"]["otelllm.total.input_tokens"] == call["gen_ai.usage.input_tokens"]


def test_durations_of_tools_agents_and_workflows_are_metrics(otel: Telemetry) -> None:
    """The conventions' histograms, with the name as attribute."""

    @otelllm.tool(name="t")
    def tool() -> None: ...

    @otelllm.workflow(name="w")
    def workflow() -> None:
        tool()

    workflow()
    metrics = otel.metrics()
    assert metrics["gen_ai.execute_tool.duration"][0].attributes["gen_ai.tool.name"] == "t"
    assert metrics["gen_ai.invoke_workflow.duration"][0].attributes["gen_ai.workflow.name"] == "w"


def test_scope_is_on_calls_and_steps(otel: Telemetry, answering: Provider) -> None:
    """User, session, feature, prompt, tags; nested contexts add to one another; variables only as content."""
    client = openai.OpenAI(api_key="k", base_url=answering.url, max_retries=0)

    @otelllm.task
    def step() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])

    with (
        otelllm.context(user="u-17", session="s-9", tags={"tenant": "acme"}),
        otelllm.context(feature="support", prompt=("greeting", "v3"), variables={"name": "Ada"}, tags={"tier": "pro"}),
    ):
        step()
    client.close()
    call = dict(next(span.attributes or {} for span in otel.spans if span.name.startswith("chat")))
    wanted = {
        "user.id": "u-17", "session.id": "s-9", "gen_ai.conversation.id": "s-9", "otelllm.feature": "support",
        "gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "v3",
        "otelllm.tag.tenant": "acme", "otelllm.tag.tier": "pro",
    }  # fmt: skip
    assert wanted.items() <= call.items()
    assert "Ada" not in json.dumps(call, default=str)
    task = dict(next(span.attributes or {} for span in otel.spans if span.name == "step"))
    assert (task["user.id"], task["otelllm.feature"]) == ("u-17", "support")


def test_feedback_is_an_evaluation_event_on_the_span(otel: Telemetry) -> None:
    """On the current span, or on one that is named as the explorer shows it."""

    @otelllm.task
    def step() -> None:
        otelllm.feedback(score=True, name="thumbs", comment="good")

    step()
    span = otel.span
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    otelllm.feedback(score=0.25, label="poor", trace_id=trace_id, span_id=span_id)
    first, second = otel.logs
    assert first.event_name == second.event_name == "gen_ai.evaluation.result"
    assert {first.span_id, second.span_id} == {span.context.span_id}
    assert first.attributes["gen_ai.evaluation.score.value"] == 1.0
    assert second.attributes["gen_ai.evaluation.score.label"] == "poor"


def test_feedback_on_ids_that_are_none_is_refused(otel: Telemetry) -> None:
    """Both ids, in hex."""
    with pytest.raises(otelllm.BadConfig, match="trace_id 'abc' and span_id None are not 32 and 16 hex digits"):
        otelllm.feedback(score=1, trace_id="abc")
