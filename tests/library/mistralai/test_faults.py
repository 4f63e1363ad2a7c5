"""Errors of every shape that the provider, the network and the SDK's types have; what was billed is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import CUT, STALL, Reply, sse, whole

from otelllm import safely, semconv
from otelllm.providers.mistralai import PROVIDER, chat

from .app import errors, has, library, of
from .surfaces import TEXT, answer, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

TYPES = library.__name__


def _error(status: int, file: str) -> Reply:
    return whole(files.body(f"mistral/{file}.json"), status=status, mistral_correlation_id="corr_1")


@dataclass(frozen=True, slots=True)
class Fault:
    """A reply that fails the call: what the app is raised, and what the span says."""

    name: str
    reply: Callable[[], Reply]
    raised: type[BaseException]
    error: str
    id: str | None = "corr_1"


FAULTS = [
    Fault("rate limit", lambda: _error(429, "error_429"), errors.SDKError, "rate_limited"),
    Fault("no such model", lambda: _error(400, "error_400"), errors.SDKError, "invalid_model"),
    Fault("unauthorised", lambda: _error(401, "error_401"), errors.SDKError, "401"),
    Fault("not valid", lambda: _error(422, "error_422_detail"), errors.HTTPValidationError, "422"),
    Fault("server error", lambda: _error(500, "error_500"), errors.SDKError, "internal_server_error"),
    Fault("no JSON", lambda: whole("<html>Bad gateway</html>", status=502), errors.SDKError, "502", "req_wire"),
    Fault("cut", lambda: Reply(steps=(b'{"id": "msg', CUT)), library.RemoteProtocolError,
          f"{TYPES}.RemoteProtocolError", id=None),
    Fault("silent", lambda: sse(STALL), library.ReadTimeout, "timeout", id=None),
]  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failed_call(otel: Telemetry, app: App, provider: Provider, fault: Fault, streamed: bool) -> None:
    """The app gets the SDK's own exception, and the span its kind and nothing of its text."""
    if fault.name == "cut" and streamed:
        pytest.skip("a stream that is no stream: the SDK raises for its content type")
    provider.reply(fault.reply())
    with pytest.raises(fault.raised):
        call(app, "chat", streamed=streamed, timeout_ms=100 if fault.name == "silent" else 20_000)
    span, found = otel.span, otel.attributes
    assert (span.name, span.status.status_code) == ("chat mistral-small-latest", StatusCode.ERROR)
    assert span.status.description is None
    assert found[semconv.ERROR_TYPE] == fault.error
    assert found.get(semconv.PROVIDER_REQUEST_ID) == fault.id
    for name in (semconv.USAGE_INPUT, semconv.COST, semconv.RESPONSE_ID):
        assert name not in found
    assert "canary-key-in-the-text" not in otel.everything()


def test_an_error_in_a_stream(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK has no type for it and raises what its types say; the span has the provider's word."""
    events = files.events("mistral/chat_stream_error.sse")
    provider.reply(sse(events))
    stream = call(app, "chat", streamed=True)
    app.take(stream, 4)
    with pytest.raises(Exception, match=r"(?i)valid"):
        app.read(stream)
    found = otel.attributes
    assert found[semconv.STREAM_END] == "broken"
    assert found[semconv.ERROR_TYPE] == "service_tier_capacity_exceeded"
    assert semconv.RESPONSE_FINISH_REASONS not in found


@pytest.mark.skipif(not has("conversations"), reason="not in this version")
def test_an_error_event_of_a_conversation(otel: Telemetry, app: App, provider: Provider) -> None:
    """An event like others to the app: nothing is raised, and the call has failed."""
    provider.reply(sse(files.events("mistral/conversation_stream_error.sse")))
    assert len(app.read(call(app, "conversation", streamed=True))) == 3
    found = otel.attributes
    assert (found[semconv.STREAM_END], found[semconv.ERROR_TYPE]) == ("broken", "3000")
    assert otel.span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("kind", ["chat", "conversation"])
def test_a_stream_that_ends_too_soon(otel: Telemetry, app: App, provider: Provider, kind: str) -> None:
    """Whole by HTTP, without the provider's last word: the SDK raises nothing."""
    if kind == "conversation" and not has("conversations"):
        pytest.skip("not in this version")
    provider.reply(sse(files.events(f"mistral/{kind}_stream.sse")[:4]))
    assert len(app.read(call(app, kind, streamed=True))) == 4
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("broken", "incomplete")


@pytest.mark.skipif(not hasattr(errors, "ResponseValidationError"), reason="not in this version")
def test_an_answer_that_the_sdks_types_refuse_was_billed(otel: Telemetry, app: App, provider: Provider) -> None:
    """Choices that are null: the app gets the SDK's exception, the span what was used."""
    provider.reply(_error(200, "chat_null_choices"))
    with pytest.raises(errors.ResponseValidationError):
        call(app, "chat")
    found = otel.attributes
    assert found[semconv.ERROR_TYPE].endswith("ResponseValidationError")
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (1200, 50)
    assert found[semconv.RESPONSE_ID] == "a7952046ef794d1697627b54231df17a"
    assert semconv.COST in found


def test_the_sdks_retries_stay_inside_one_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK asks twice; the app made one call."""
    provider.reply(_error(503, "error_500"), whole(files.body("mistral/chat.json")))
    pauses = of("utils", "BackoffStrategy")(1, 1, 1.0, 1000)
    call(app, "chat", retries=of("utils", "RetryConfig")("backoff", pauses, retry_connection_errors=False))
    assert len(provider.requests) == 2
    assert otel.span.status.status_code is StatusCode.UNSET


@pytest.fixture
def as_in_production() -> Iterator[None]:
    """Swallow, and forget what was counted."""
    before = safely.strict(False)
    yield
    safely.strict(before)
    safely.failures.clear()


SURFACE, OURS = type(chat.CHAT), type(PROVIDER)
HOOKS = [
    *((SURFACE, name) for name in ("read_request", "read_input", "read_response", "fold_chunk", "finish")),
    *((OURS, name) for name in ("endpoint", "receive", "read_headers", "read_error")),
]


@pytest.mark.parametrize(("owner", "name"), HOOKS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_app_sees_what_it_would_see_without_us(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, as_in_production: None,
    owner: Any, name: str,
) -> None:  # fmt: skip
    """Answers, streams and errors are the SDK's own, whatever of ours is broken."""
    otel.instrument(capture="full")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(owner, name, broken)
    assert answer(app, provider, "chat.json").choices[0].message.content == TEXT
    assert len(answer(app, provider, "chat_stream.sse")) == 10
    provider.reply(_error(429, "error_429"))
    with pytest.raises(errors.SDKError):
        call(app, "chat")
