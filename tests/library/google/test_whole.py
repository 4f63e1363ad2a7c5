"""Every way in which a whole call can end, sync and async; and calls that make several requests."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors, types
from opentelemetry.trace import SpanKind, StatusCode
from wire import files
from wire.server import CUT, STALL, Reply, sse, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION, http

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp

CUT_SHORT = f"{http.__name__}.RemoteProtocolError"
ASKED: dict[str, Any] = {"model": MODEL, "contents": QUESTION}


def _file(name: str, status: int = 200) -> Reply:
    return whole(files.body(f"google/{name}.json"), status=status)


def test_a_good_answer(otel: Telemetry, app: App, provider: Provider) -> None:
    """Name, kind and attributes by the conventions; nothing that is only true of streams; one point a metric."""
    provider.reply(_file("generate"))
    answer = app.call(app.client.models.generate_content, **ASKED)
    assert type(answer) is types.GenerateContentResponse
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (f"generate_content {MODEL}", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    assert found[semconv.PROVIDER_REQUEST_ID] == "req_wire"
    for name in (semconv.STREAM_END, semconv.REQUEST_STREAM, semconv.TTFT, semconv.STREAM_CHUNKS, semconv.ERROR_TYPE):
        assert name not in found
    metrics = otel.metrics()
    assert [point.count for point in metrics[semconv.METRIC_DURATION]] == [1]
    tokens = {point.attributes[semconv.TOKEN_TYPE]: point.sum for point in metrics[semconv.METRIC_TOKENS]}
    assert tokens == {"input": 1200, "output": 114}


@dataclass(frozen=True, slots=True)
class Fault:
    """A reply that fails the call: what the app is raised, and what the span says."""

    name: str
    reply: Callable[[], Reply]
    raised: type[BaseException]
    error: str
    timeout: int | None = None


FAULTS = [
    Fault("bad request", lambda: _file("error_400", 400), errors.ClientError, "INVALID_ARGUMENT"),
    Fault("forbidden", lambda: _file("error_403", 403), errors.ClientError, "PERMISSION_DENIED"),
    Fault("no such model", lambda: _file("error_404", 404), errors.ClientError, "NOT_FOUND"),
    Fault("rate limit", lambda: _file("error_429", 429), errors.ClientError, "RESOURCE_EXHAUSTED"),
    Fault("server error", lambda: _file("error_500", 500), errors.ServerError, "INTERNAL"),
    Fault("overloaded", lambda: _file("error_503", 503), errors.ServerError, "UNAVAILABLE"),
    Fault("no JSON", lambda: whole("<html>Bad gateway</html>", status=502), errors.ServerError, "502"),
    Fault(
        "cut", lambda: Reply(steps=(b'{"cand', CUT)), http.RemoteProtocolError, f"{http.__name__}.RemoteProtocolError"
    ),
    Fault("silent", lambda: sse(STALL), http.ReadTimeout, "timeout", timeout=100),
]


@pytest.mark.parametrize("method", ["generate_content", "embed_content"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failed_call(otel: Telemetry, app: App, provider: Provider, fault: Fault, method: str) -> None:
    """The app gets the SDK's own exception, and the span its kind and nothing of its text."""
    provider.reply(fault.reply())
    config = {"http_options": {"timeout": fault.timeout}} if fault.timeout else None
    with pytest.raises(fault.raised) as caught:
        app.call(getattr(app.client.models, method), **ASKED, config=config)
    span, found = otel.span, otel.attributes
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert found[semconv.ERROR_TYPE] == fault.error
    assert not {semconv.USAGE_INPUT, semconv.COST, semconv.RESPONSE_ID, semconv.STREAM_END} & set(found)
    (point,) = otel.metrics()[semconv.METRIC_DURATION]
    assert point.attributes[semconv.ERROR_TYPE] == fault.error
    if isinstance(caught.value, errors.APIError):
        assert found[semconv.PROVIDER_REQUEST_ID] == "req_wire"
    trace = caught.value.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert "otelllm" not in trace.tb_frame.f_globals["__name__"]


def test_a_cancelled_call(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The app's task is cancelled while the provider is silent."""
    provider.reply(sse(STALL))

    async def go() -> None:
        task = asyncio.create_task(async_app.client.models.generate_content(**ASKED))
        while not provider.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_app.runner.run(go())
    provider.last.wait_left()
    assert otel.attributes[semconv.ERROR_TYPE] == "cancelled"
    assert semconv.STREAM_END not in otel.attributes


def test_a_coroutine_that_nobody_awaits_leaves_no_span(otel: Telemetry, async_app: AsyncApp) -> None:
    """Calling an async method does nothing until it is awaited."""
    async_app.client.models.generate_content(**ASKED).close()
    assert otel.spans == []


def test_the_sdks_retries_stay_inside_one_span(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """The SDK asks twice; the app made one call."""
    app = make_app(http_options={"retry_options": {"attempts": 2, "initial_delay": 0.001, "max_delay": 0.002}})
    provider.reply(_file("error_503", 503), _file("generate"))
    app.call(app.client.models.generate_content, **ASKED)
    assert len(provider.requests) == 2
    assert otel.span.status.status_code is StatusCode.UNSET


def get_weather(city: str, unitSystem: str = "metric") -> str:  # noqa: N803  the SDK makes a schema of the names
    """How the weather is in a city."""
    return f"windy in {city}"


def get_time() -> str:
    """What time it is."""
    return "15:10"


# Older SDKs look at the annotations as they stand, and this file's are texts.
get_weather.__annotations__ = {"city": str, "unitSystem": str, "return": str}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("is_chat", [False, True], ids=["models", "chat"])
def test_functions_called_by_the_sdk_are_a_span_a_request(
    otel: Telemetry, app: App, provider: Provider, is_streamed: bool, is_chat: bool
) -> None:
    """One call of the app's, two of the model's: each with its own usage, and nothing counted twice."""
    otel.instrument(capture="full")
    config = {"tools": [get_weather, get_time]}
    if is_streamed:
        tools = files.event(json.loads(files.body("google/generate_tools.json")))
        provider.reply(sse(tools), sse(files.events("google/generate_stream.sse")))
    else:
        provider.reply(_file("generate_tools"), _file("generate"))
    if is_chat:
        chat = app.client.chats.create(model=MODEL, config=config)
        result = app.call(chat.send_message_stream if is_streamed else chat.send_message, message=QUESTION)
    else:
        models = app.client.models
        method = models.generate_content_stream if is_streamed else models.generate_content
        result = app.call(method, **ASKED, config=config)
    if is_streamed:
        app.read(result)
    first, second = otel.spans
    assert [span.name for span in (first, second)] == [f"generate_content {MODEL}"] * 2
    usage = [(it.attributes[semconv.USAGE_INPUT], it.attributes[semconv.USAGE_OUTPUT]) for it in (first, second)]
    assert usage == [(80, 30), (1200, 114)]
    sent = json.loads(second.attributes[semconv.INPUT_MESSAGES])
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert [part["response"] for part in sent[2]["parts"]] == [{"result": "windy in Skagen"}, {"result": "15:10"}]
    defined = json.loads(second.attributes[semconv.TOOL_DEFINITIONS])
    assert [one["name"] for one in defined] == ["get_weather", "get_time"]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_continued_answer_is_a_span_a_request(
    otel: Telemetry, app: App, provider: Provider, is_streamed: bool
) -> None:
    """The SDK joins the hops and adds up their usage; each span has its own."""
    if not hasattr(types.FinishReason, "CONTINUATION"):
        pytest.skip("this google-genai does not continue answers")
    hops = ["generate_continued", "generate_continuation"]
    if is_streamed:
        provider.reply(*(sse(files.event(json.loads(files.body(f"google/{hop}.json")))) for hop in hops))
        chunks = app.read(app.call(app.client.models.generate_content_stream, **ASKED))
        assert [chunk.usage_metadata.total_token_count for chunk in chunks] == [15, 36]
    else:
        provider.reply(*map(_file, hops))
        answer = app.call(app.client.models.generate_content, **ASKED)
        assert answer.text == "The lighthouse of Skagen."
    found = [span.attributes or {} for span in otel.spans]
    assert [(it[semconv.USAGE_INPUT], it[semconv.USAGE_OUTPUT]) for it in found] == [(10, 5), (12, 9)]
    assert [it[semconv.RESPONSE_FINISH_REASONS] for it in found] == [("length",), ("stop",)]


def test_a_chat_is_one_span_a_message(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its history is the next message's input."""
    otel.instrument(capture="full")
    chat = app.client.chats.create(model=MODEL)
    provider.reply(_file("generate"), sse(files.events("google/generate_stream.sse")))
    app.call(chat.send_message, message=QUESTION)
    app.read(app.call(chat.send_message_stream, message="And today?"))
    assert len(otel.spans) == 2
    sent = json.loads(otel.spans[1].attributes[semconv.INPUT_MESSAGES])
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[2]["parts"] == [{"type": "text", "content": "And today?"}]


@pytest.mark.parametrize("method", ["generate_content", "embed_content"])
def test_a_blocked_call_sends_nothing(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The kill switch refuses before the request."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gemini*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(getattr(app.client.models, method), **ASKED)
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"


@pytest.fixture
def answered(otel: Telemetry, tmp_path: Any) -> Telemetry:
    """A kill switch that answers in the model's place."""
    policy = tmp_path / "otelllm.toml"
    policy.write_text('[[kill]]\nname = "outage"\nanswer = "Back soon."\nwhen = { model = "gemini*" }\n')
    otel.instrument(policy=policy)
    return otel


def test_a_static_answer_is_of_the_sdks_own_types(answered: Telemetry, app: App, provider: Provider) -> None:
    """Whole, streamed, in a chat; nothing is sent."""
    models = app.client.models
    answer = app.call(models.generate_content, **ASKED)
    assert (type(answer), answer.text) == (types.GenerateContentResponse, "Back soon.")
    (chunk,) = app.read(app.call(models.generate_content_stream, **ASKED))
    assert (type(chunk), chunk.text) == (types.GenerateContentResponse, "Back soon.")
    chat = app.client.chats.create(model=MODEL)
    assert app.call(chat.send_message, message="Hello?").text == "Back soon."
    assert provider.requests == []
    verdicts = {(span.attributes or {})[semconv.VERDICT] for span in answered.spans}
    assert (verdicts, len(answered.spans)) == ({"block"}, 3)


@pytest.mark.parametrize("config", [{"response_schema": list[str], "response_mime_type": "application/json"},
                                    {"response_modalities": ["IMAGE"]}])  # fmt: skip
def test_a_static_answer_is_refused_where_no_text_is_asked_for(
    answered: Telemetry, app: App, provider: Provider, config: Any
) -> None:
    """A text would be an error of the app's own schema."""
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(app.client.models.generate_content, **ASKED, config=config)
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(app.client.models.embed_content, **ASKED)
    assert provider.requests == []
