"""Every way in which a whole call can end, on every surface, sync and async."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, STALL, Reply, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import CHAT, EMBEDDINGS, SURFACES, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp


def _call(app: App, surface: Surface, **more: Any) -> Any:
    return app.call(surface.method(app.client), **surface.arguments, **more)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_a_good_answer(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """Name, kind, every attribute and its type by the conventions; nothing that is only true of streams."""
    provider.reply(whole(surface.body))
    answer = _call(app, surface)
    span, found = otel.span, dict(otel.attributes)
    assert (span.name, span.kind) == (surface.span_name, SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    assert list(span.events) == []
    expected: dict[str, Any] = {
        semconv.OPERATION: surface.operation,
        semconv.PROVIDER: "openai",
        semconv.REQUEST_MODEL: surface.model,
        semconv.RESPONSE_MODEL: answer.model,
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: provider.port,
        semconv.USAGE_INPUT: surface.tokens[0],
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found.get(semconv.USAGE_OUTPUT) == surface.tokens[1]
    if surface is not EMBEDDINGS:
        assert found[semconv.RESPONSE_ID] == answer.id
        assert len(found[semconv.RESPONSE_FINISH_REASONS]) == 1
    for name in (semconv.STREAM_END, semconv.REQUEST_STREAM, semconv.TTFT, semconv.STREAM_CHUNKS, semconv.ERROR_TYPE):
        assert name not in found
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK not in found
    assert len(found) <= 60
    for name, value in found.items():
        assert value not in ("", None, "unknown"), name


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_the_types_of_attributes(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """A count is an int, a second and a dollar a float, whatever the app passed."""
    provider.reply(whole(surface.body))
    _call(app, surface)
    for name, value in otel.attributes.items():
        if name.endswith("_tokens") or name in {semconv.SERVER_PORT, semconv.ATTEMPTS}:
            assert type(value) is int, name
        if name.startswith("otelllm.cost.") and name not in {semconv.COST_STATUS, semconv.COST_SOURCE}:
            assert type(value) is float, name


def _answer(status: int, file: str, **headers: str) -> Reply:
    return whole(files.body(f"openai/{file}.json"), status=status, **headers)


@dataclass(frozen=True, slots=True)
class Fault:
    """A reply that fails the call: what the app is raised, and what the span says."""

    name: str
    reply: Callable[[], Reply]
    raised: type[BaseException]
    error: str
    options: tuple[tuple[str, Any], ...] = ()


FAULTS = [
    Fault("unauthorised", lambda: _answer(401, "error_401"), openai.AuthenticationError, "invalid_api_key"),
    Fault("rate limit", lambda: _answer(429, "error_429"), openai.RateLimitError, "rate_limit_exceeded"),
    Fault("quota", lambda: _answer(429, "error_quota"), openai.RateLimitError, "insufficient_quota"),
    Fault("filtered", lambda: _answer(400, "error_400_filter"), openai.BadRequestError, "content_filter"),
    Fault("server error", lambda: _answer(500, "error_500"), openai.InternalServerError, "500"),
    Fault("no JSON", lambda: whole("<html>Bad gateway</html>", status=502), openai.InternalServerError, "502"),
    Fault("cut", lambda: Reply(steps=(b'{"id": "chat', CUT)), openai.APIConnectionError, "openai.APIConnectionError"),
    Fault("silent", lambda: sse(STALL), openai.APITimeoutError, "timeout", (("timeout", 0.1),)),
]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failed_call(otel: Telemetry, app: App, provider: Provider, surface: Surface, fault: Fault) -> None:
    """The app gets the SDK's own exception, and the span its kind and nothing of its text."""
    provider.reply(fault.reply())
    with pytest.raises(fault.raised):
        _call(app, surface, **dict(fault.options))
    span, found = otel.span, otel.attributes
    assert (span.name, span.status.status_code) == (surface.span_name, StatusCode.ERROR)
    assert span.status.description is None
    assert found[semconv.ERROR_TYPE] == fault.error
    for name in (semconv.USAGE_INPUT, semconv.COST, semconv.RESPONSE_ID, semconv.STREAM_END):
        assert name not in found
    (point,) = otel.metrics()[semconv.METRIC_DURATION]
    assert point.attributes[semconv.ERROR_TYPE] == fault.error
    if fault.name in {"rate limit", "server error"}:
        assert found[semconv.PROVIDER_REQUEST_ID] == "req_wire"


@pytest.mark.parametrize("surface", SURFACES[:2], ids=lambda surface: surface.name)
def test_an_error_inside_an_answer_of_success(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """A gateway answers 200 with an error and nulls: the app gets its object, the span the error."""
    provider.reply(whole(files.body(surface.error_in_200)))
    answer = _call(app, surface)
    assert answer.error["message"] == "Upstream provider is overloaded" if surface is CHAT else answer.error is not None
    assert otel.span.status.status_code is StatusCode.ERROR
    assert otel.attributes[semconv.ERROR_TYPE] == ("502" if surface is CHAT else "provider_error")
    assert semconv.COST not in otel.attributes


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_a_cancelled_call(otel: Telemetry, async_app: AsyncApp, provider: Provider, surface: Surface) -> None:
    """The app's task is cancelled while the provider is silent."""
    provider.reply(sse(STALL))

    async def go() -> None:
        task = asyncio.create_task(surface.method(async_app.client)(**surface.arguments))
        while not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    assert otel.attributes[semconv.ERROR_TYPE] == "cancelled"
    assert otel.span.status.status_code is StatusCode.ERROR
    assert semconv.STREAM_END not in otel.attributes


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_a_coroutine_that_nobody_awaits_leaves_no_span(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, surface: Surface
) -> None:
    """Calling an async method does nothing until it is awaited."""
    surface.method(async_app.client)(**surface.arguments).close()
    assert otel.spans == []
    assert provider.requests == []


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_a_blocked_call_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, surface: Surface
) -> None:
    """The kill switch refuses before the request; the span says who refused it."""
    monkeypatch.setenv("OTELLLM_KILL", f"model:{surface.model[:6]}*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn) as caught:
        _call(app, surface)
    assert isinstance(caught.value, otelllm.Blocked)
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"
    assert semconv.COST not in otel.attributes


def test_the_providers_retries_stay_inside_one_span(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """The SDK asks three times; the app made one call."""
    app = make_app(max_retries=2)
    busy = {"retry_after_ms": "1"}
    provider.reply(_answer(429, "error_429", **busy), _answer(500, "error_500", **busy), whole(CHAT.body))
    _call(app, CHAT)
    assert len(provider.requests) == 3
    assert otel.span.status.status_code is StatusCode.UNSET


def test_the_exception_is_the_sdks_own_object(otel: Telemetry, app: App, provider: Provider) -> None:
    """Nothing is wrapped, chained or added: the innermost frame is the SDK's, and no context points at us."""
    provider.reply(_answer(429, "error_429"))
    with pytest.raises(openai.RateLimitError) as caught:
        _call(app, CHAT)
    trace = caught.value.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert "openai" in trace.tb_frame.f_code.co_filename
    assert "otelllm" not in trace.tb_frame.f_code.co_filename.rsplit("/", 3)[-2]
    assert caught.value.response.headers["x-request-id"] == "req_wire"
    assert not getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_duration_and_tokens_are_metrics(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """One point of duration a call, one of tokens a type, with the conventions' attributes and no user in them."""
    provider.reply(whole(surface.body))
    with otelllm.context(user="u-17", session="s-9", feature="support"):
        _call(app, surface)
    metrics = otel.metrics()
    (duration,) = metrics[semconv.METRIC_DURATION]
    expected = {
        semconv.OPERATION: surface.operation,
        semconv.PROVIDER: "openai",
        semconv.REQUEST_MODEL: surface.model,
        semconv.RESPONSE_MODEL: otel.attributes[semconv.RESPONSE_MODEL],
        semconv.SERVER_ADDRESS: "127.0.0.1",
        semconv.SERVER_PORT: provider.port,
    }
    assert dict(duration.attributes) == expected
    tokens = {point.attributes[semconv.TOKEN_TYPE]: point.sum for point in metrics[semconv.METRIC_TOKENS]}
    expected_tokens = {"input": surface.tokens[0], "output": surface.tokens[1]}
    assert tokens == {kind: count for kind, count in expected_tokens.items() if count is not None}
    assert "u-17" not in repr(metrics)
    assert "s-9" not in repr(metrics)
    found = otel.attributes
    assert (found[semconv.USER_ID], found[semconv.SESSION_ID], found[semconv.FEATURE]) == ("u-17", "s-9", "support")
