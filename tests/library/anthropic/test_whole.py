"""Every way in which a whole call can end, plain and beta, sync and async."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, STALL, Reply, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import ARGUMENTS, BETA, MODEL, PLAIN, WHOLE, Surface, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp


@pytest.mark.parametrize("surface", WHOLE, ids=lambda surface: surface.name)
def test_a_good_answer(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Name, kind, every attribute and its type by the conventions; nothing that is only true of streams."""
    provider.reply(whole(files.body("anthropic/message.json"), request_id="req_anthropic"))
    message = app.call(surface.method(app.client), **ARGUMENTS)
    span, found = otel.span, dict(otel.attributes)
    assert (span.name, span.kind) == (f"chat {MODEL}", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    assert list(span.events) == []
    expected: dict[str, Any] = {
        semconv.OPERATION: "chat",
        semconv.PROVIDER: "anthropic",
        semconv.REQUEST_MODEL: MODEL,
        semconv.REQUEST_MAX_TOKENS: 100,
        semconv.RESPONSE_MODEL: message.model,
        semconv.RESPONSE_ID: "msg_wire1",
        semconv.PROVIDER_REQUEST_ID: "req_anthropic",
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: provider.port,
        semconv.USAGE_INPUT: 1200,
        semconv.USAGE_OUTPUT: 50,
        semconv.STREAM_END: None,
        semconv.REQUEST_STREAM: None,
        semconv.TTFT: None,
        semconv.ERROR_TYPE: None,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert message._request_id == "req_anthropic"
    for name, value in found.items():
        assert value not in ("", None, "unknown"), name
        assert type(value) is int or not name.endswith("_tokens"), name


def _error(status: int, file: str, **headers: str) -> Reply:
    return whole(files.body(f"anthropic/{file}.json"), status=status, **headers)


@dataclass(frozen=True, slots=True)
class Fault:
    """A reply that fails the call: what the app is raised, and what the span says."""

    name: str
    reply: Callable[[], Reply]
    raised: type[BaseException]
    error: str
    options: tuple[tuple[str, Any], ...] = ()


FAULTS = [
    Fault("unauthorised", lambda: _error(401, "error_401"), anthropic.AuthenticationError, "authentication_error"),
    Fault("rate limit", lambda: _error(429, "error_429"), anthropic.RateLimitError, "rate_limit_error"),
    Fault("overloaded", lambda: _error(529, "error_529"), anthropic.APIStatusError, "overloaded_error"),
    Fault("bad request", lambda: _error(400, "error_400"), anthropic.BadRequestError, "invalid_request_error"),
    Fault("server error", lambda: _error(500, "error_500"), anthropic.InternalServerError, "api_error"),
    Fault("no JSON", lambda: whole("<html>Bad gateway</html>", status=502), anthropic.InternalServerError, "502"),
    Fault("cut", lambda: Reply(steps=(b'{"id": "msg', CUT)), anthropic.APIConnectionError,
          "anthropic.APIConnectionError"),
    Fault("silent", lambda: sse(STALL), anthropic.APITimeoutError, "timeout", (("timeout", 0.1),)),
]  # fmt: skip


@pytest.mark.parametrize("surface", [PLAIN, pytest.param(BETA, marks=pytest.mark.slow)], ids=lambda one: one.name)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failed_call(otel: Telemetry, app: App, provider: Provider, surface: Surface, fault: Fault) -> None:
    """The app gets the SDK's own exception, and the span its kind and nothing of its text."""
    provider.reply(fault.reply())
    with pytest.raises(fault.raised):
        app.call(surface.method(app.client), **ARGUMENTS, **dict(fault.options))
    span, found = otel.span, otel.attributes
    assert (span.name, span.status.status_code) == (f"chat {MODEL}", StatusCode.ERROR)
    assert span.status.description is None
    assert found[semconv.ERROR_TYPE] == fault.error
    for name in (semconv.USAGE_INPUT, semconv.COST, semconv.RESPONSE_ID, semconv.STREAM_END):
        assert name not in found
    (point,) = otel.metrics()[semconv.METRIC_DURATION]
    assert point.attributes[semconv.ERROR_TYPE] == fault.error
    assert "sk-ant-canary-key" not in otel.everything()


def test_an_error_inside_an_answer_of_success(otel: Telemetry, app: App, provider: Provider) -> None:
    """A gateway answers 200 with an error: the app gets its object, the span the error."""
    answer(app, provider, "error_in_200.json")
    assert otel.span.status.status_code is StatusCode.ERROR
    assert otel.attributes[semconv.ERROR_TYPE] == "overloaded_error"
    assert semconv.COST not in otel.attributes


def test_a_cancelled_call(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The app's task is cancelled while the provider is silent."""
    provider.reply(sse(STALL))

    async def go() -> None:
        task = asyncio.create_task(async_app.client.messages.create(**ARGUMENTS))
        while not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    assert otel.attributes[semconv.ERROR_TYPE] == "cancelled"
    assert semconv.STREAM_END not in otel.attributes


def test_a_coroutine_that_nobody_awaits_leaves_no_span(
    otel: Telemetry, async_app: AsyncApp, provider: Provider
) -> None:
    """Calling an async method does nothing until it is awaited."""
    async_app.client.messages.create(**ARGUMENTS).close()
    assert (otel.spans, provider.requests) == ([], [])


def test_a_blocked_call_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill switch refuses before the request."""
    monkeypatch.setenv("OTELLLM_KILL", "model:claude-*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(PLAIN.method(app.client), **ARGUMENTS)
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"
    assert semconv.COST not in otel.attributes


def test_the_sdks_retries_stay_inside_one_span(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """The SDK asks three times; the app made one call."""
    app = make_app(max_retries=2)
    busy = {"retry_after_ms": "1"}
    provider.reply(_error(429, "error_429", **busy), _error(529, "error_529", **busy))
    answer(app, provider, "message.json")
    assert len(provider.requests) == 3
    assert otel.span.status.status_code is StatusCode.UNSET


def test_counting_tokens_is_no_inference(otel: Telemetry, app: App, provider: Provider) -> None:
    """Nothing is generated and nothing billed: no span, no tokens in the metrics."""
    provider.reply(whole({"input_tokens": 14}))
    counted = app.call(app.client.messages.count_tokens, model=MODEL, messages=ARGUMENTS["messages"])
    assert counted.input_tokens == 14
    assert otel.spans == []
    assert semconv.METRIC_TOKENS not in otel.metrics()


@pytest.mark.parametrize("verb", ["create", "retrieve"])
@pytest.mark.parametrize("is_beta", [False, True], ids=["plain", "beta"])
def test_a_batch_is_begun_and_looked_after(
    otel: Telemetry, app: App, provider: Provider, verb: str, is_beta: bool
) -> None:
    """A span each, of no tokens; its results may be read any number of times, and nobody counts them."""
    batches = (app.client.beta if is_beta else app.client).messages.batches
    given: dict[str, Any] = {"message_batch_id": "msgbatch_1"}
    if verb == "create":
        given = {"requests": [{"custom_id": str(place), "params": ARGUMENTS} for place in range(2)]}
    provider.reply(whole(files.body("anthropic/batch.json")))
    app.call(getattr(batches, verb), **given)
    assert otel.span.name == (f"batch {MODEL}" if verb == "create" else "batch")
    assert otel.attributes[semconv.RESPONSE_ID] == "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"
    assert semconv.USAGE_INPUT not in otel.attributes
    assert semconv.COST not in otel.attributes
    otel.clear()
    done = {"processing_status": "ended", "results_url": f"{provider.url}/messages/batches/msgbatch_1/results"}
    message = files.edited("anthropic/message.json")
    line = json.dumps({"custom_id": "0", "result": {"type": "succeeded", "message": message}})
    provider.reply(whole(files.edited("anthropic/batch.json", **done)), Reply(body=line.encode() + b"\n"))
    results = app.call(batches.results, message_batch_id="msgbatch_1")
    assert [one.result.message.usage.output_tokens for one in app.read(results)] == [50]
    assert all(semconv.USAGE_INPUT not in (span.attributes or {}) for span in otel.spans)
    assert semconv.METRIC_TOKENS not in otel.metrics()
