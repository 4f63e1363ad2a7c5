"""One budget of attempts for a call tree: loops of the SDK, of a framework and of the app around one question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tenacity

import otelllm
from otelllm import semconv
from otelllm.runs import Run

from .apps import Asking, Way, answer_of
from .test_retries import ERRORS, RETRIES, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry
    from wire.server import Provider


@pytest.fixture
def patient(way: Way, provider: Provider) -> Iterator[Asking]:
    """An app whose SDK would try three times."""
    it = Asking(way, provider.url, max_retries=2)
    yield it
    it.app.stop()


def insisting(ask: Callable[[], Any], way: Way) -> Any:
    """A framework's retry loop (three times), and the app's own around it (three times): 27 requests with the SDK's."""
    framework = tenacity.retry(
        stop=tenacity.stop_after_attempt(3), reraise=True,
        retry=tenacity.retry_if_exception_type(ERRORS[way.sdk].APIError),
    )(ask)  # fmt: skip
    for last in (False, False, True):
        try:
            return framework()
        except ERRORS[way.sdk].APIError:
            if last:
                raise
    return None


@pytest.mark.parametrize("is_traced", [False, True], ids=["untraced", "traced"])
def test_three_nested_layers_share_one_budget(
    otel: Telemetry, provider: Provider, patient: Asking, way: Way, is_traced: bool
) -> None:
    """Four requests, and the SDK's own exception in the end, as if it had been the provider's all the time."""
    otel.instrument(policy={"retries": RETRIES})
    provider.always = refusal(429, "rate_limit_error", "slow down")

    def run() -> None:
        with pytest.raises(ERRORS[way.sdk].RateLimitError, match="slow down") as caught:
            insisting(patient.ask, way)
        assert caught.value.status_code == 429
        assert caught.value.response.status_code == 429

    # The app's loop runs in one task: driving from outside would give each asking a context of its own.
    if is_traced:
        with otel.tracer.start_as_current_span("answer"):
            run()
    elif way.kind == "sync":
        run()
    else:
        patient.app.runner.run(_insisting_within(patient, way))
    assert len(provider.requests) == 4


def test_runs_of_a_framework_one_after_the_other_share_it_and_those_of_the_apps_own_steps_do_not(
    otel: Telemetry, provider: Provider, patient: Asking, way: Way
) -> None:
    """Nobody's span encloses them: each is a trace of its own. What the app calls one step is one tree."""
    if way.kind == "async":
        pytest.skip("the driver gives each asking a context of its own; see langchain/test_layers.py")
    otel.instrument(policy={"retries": RETRIES})
    provider.always = refusal(429, "rate_limit_error", "slow down")

    def run() -> None:
        with pytest.raises(ERRORS[way.sdk].RateLimitError):
            patient.ask()

    for _ in range(3):
        framework = Run("chain", "answer")
        with framework.current():
            run()
        framework.end()
    assert len(provider.requests) == 4
    for _ in range(2):
        otelllm.workflow(run)()
    assert len(provider.requests) == 3 * 4


async def _insisting_within(asking: Asking, way: Way) -> None:
    """The same loops, within one task."""
    for _ in range(9):
        with pytest.raises(ERRORS[way.sdk].RateLimitError):
            await _ask(asking)


async def _ask(asking: Asking) -> None:
    result = await asking.method(**asking.arguments())
    if asking.way.is_streamed:
        async for _ in result:
            pass


def test_another_question_has_a_budget_of_its_own(
    otel: Telemetry, provider: Provider, patient: Asking, way: Way
) -> None:
    """Below the same span of an agent."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 2}})
    provider.always = refusal(500)
    with otel.tracer.start_as_current_span("agent"):
        for question in ("one", "two", "one"):
            with pytest.raises(ERRORS[way.sdk].InternalServerError):
                patient.ask(question)
    asked = [request.json["messages"][0]["content"] for request in provider.requests]
    assert asked == ["one", "one", "two", "two"]


def test_another_trace_has_a_budget_of_its_own(otel: Telemetry, provider: Provider, patient: Asking, way: Way) -> None:
    """A user who asks again is no retry loop."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 2}})
    provider.always = refusal(500)
    for _ in range(2):
        with otel.tracer.start_as_current_span("request"), pytest.raises(ERRORS[way.sdk].InternalServerError):
            patient.ask()
    assert len(provider.requests) == 4


def test_a_question_that_was_answered_is_a_new_one(
    otel: Telemetry, provider: Provider, patient: Asking, way: Way
) -> None:
    """The outer layer's second try gets what is left, and an answer makes it all forgotten."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 3}})
    with otel.tracer.start_as_current_span("agent"):
        provider.reply(refusal(400))
        with pytest.raises(ERRORS[way.sdk].BadRequestError):
            patient.ask()
        provider.reply(refusal(500), answer_of(way))
        assert patient.ask()
        provider.reply(refusal(500), refusal(500), answer_of(way))
        assert patient.ask()
    assert len(provider.requests) == 6


def test_the_span_of_a_call_that_was_not_sent_says_why(
    otel: Telemetry, provider: Provider, patient: Asking, way: Way
) -> None:
    """No attempt, an error, and the decision."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 1}})
    provider.reply(refusal(500))
    with otel.tracer.start_as_current_span("agent"):
        for _ in range(2):
            with pytest.raises(ERRORS[way.sdk].InternalServerError):
                patient.ask()
    second = otel.spans[1]
    (decision,) = [dict(one.attributes or {}) for one in second.events if one.name == semconv.EVENT_DECISION]
    assert decision["outcome"] == "exhausted"
    assert semconv.ATTEMPTS not in (second.attributes or {})
