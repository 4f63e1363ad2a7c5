"""What all AWS clients share: what passes by, how calls fail and are retried, how they are answered offline."""

from __future__ import annotations

import inspect
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from botocore import exceptions
from botocore.client import BaseClient
from botocore.response import StreamingBody
from botocore.session import Session
from botocore.stub import Stubber
from opentelemetry.trace import SpanKind, StatusCode
from wire import files, frames
from wire.server import CUT, Reply, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

ASKED: dict[str, Any] = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
ANSWER = files.body("bedrock/converse.json")


def test_a_good_answer(otel: Telemetry, app: App, provider: Provider) -> None:
    """Name, kind and attributes by the conventions; nothing that is only true of streams; one point a metric."""
    provider.reply(whole(ANSWER, x_amzn_requestid="req_1"))
    answer = app.call(app.client.converse, **ASKED)
    assert type(answer) is dict
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind, span.status.status_code) == (f"chat {MODEL}", SpanKind.CLIENT, StatusCode.UNSET)
    assert found[semconv.PROVIDER] == "aws.bedrock"
    assert found[semconv.PROVIDER_REQUEST_ID] == "req_1"
    for name in (semconv.STREAM_END, semconv.REQUEST_STREAM, semconv.TTFT, semconv.ERROR_TYPE, semconv.ATTEMPTS):
        assert name not in found
    tokens = {point.attributes[semconv.TOKEN_TYPE]: point.sum for point in otel.metrics()[semconv.METRIC_TOKENS]}
    assert tokens == {"input": 7520, "output": 503}


def test_other_calls_pass_by(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Other services', and what is no model call of this one: no span, and nothing of ours in between."""
    tables = Session().create_client(
        "dynamodb", region_name="us-east-1", endpoint_url=provider.url.removesuffix("/v1"), aws_access_key_id="test",
        aws_secret_access_key="test",
    )  # fmt: skip
    done = {"usage": {}, "action": "NONE", "outputs": [], "assessments": []}
    provider.reply(whole({"TableNames": ["lighthouses"]}), whole(done))
    assert tables.list_tables()["TableNames"] == ["lighthouses"]
    content = [{"text": {"text": "Skagen"}}]
    sync_app.client.apply_guardrail(guardrailIdentifier="gr1", guardrailVersion="1", source="INPUT", content=content)
    assert otel.spans == []


def test_a_method_that_was_taken_before(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Clients and their bound methods from before `instrument()` are seen, and let be after `uninstrument()`."""
    otelllm.uninstrument()
    converse = sync_app.client.converse
    otel.instrument()
    provider.reply(whole(ANSWER), whole(ANSWER))
    converse(**ASKED)
    assert len(otel.spans) == 1
    otelllm.uninstrument()
    converse(**ASKED)
    assert len(otel.spans) == 1


def test_the_patched_methods_keep_their_kind(otel: Telemetry) -> None:
    assert list(inspect.signature(BaseClient._make_api_call).parameters) == ["self", "operation_name", "api_params"]
    assert BaseClient._make_api_call.__module__ == "botocore.client"
    aiobotocore = pytest.importorskip("aiobotocore.client")
    assert inspect.iscoroutinefunction(aiobotocore.AioBaseClient._make_api_call)


def test_a_stubbed_client(otel: Telemetry, sync_app: SyncApp) -> None:
    """botocore's own Stubber goes on working, and what it answers is read."""
    message = {"role": "assistant", "content": [{"text": "stubbed"}]}
    with Stubber(sync_app.client) as stub:
        usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
        stub.add_response("converse", {"output": {"message": message}, "stopReason": "end_turn", "usage": usage,
                                       "metrics": {"latencyMs": 1}}, ASKED)  # fmt: skip
        stub.add_client_error("converse", "ThrottlingException", "Slow down", 429)
        assert sync_app.client.converse(**ASKED)["output"]["message"] == message
        with pytest.raises(exceptions.ClientError):
            sync_app.client.converse(**ASKED)
    first, second = otel.spans
    assert (first.attributes or {})[semconv.USAGE_OUTPUT] == 2
    assert (second.attributes or {})[semconv.ERROR_TYPE] == "ThrottlingException"


def test_stubbed_bodies(otel: Telemetry, sync_app: SyncApp) -> None:
    """What apps' own tests answer with: a body over bytes, bytes alone, a list for a stream."""
    answer = b'{"generation": "Lit in 1858.", "prompt_token_count": 9, "generation_token_count": 6}'
    asked = {"modelId": "meta.llama3-8b-instruct-v1:0", "body": '{"prompt": "When?"}'}
    with Stubber(sync_app.client) as stub:
        for body in (StreamingBody(io.BytesIO(answer), len(answer)), io.BytesIO(answer)):
            stub.add_response("invoke_model", {"body": body, "contentType": "application/json"}, asked)
            assert sync_app.client.invoke_model(**asked)["body"].read() == answer
    with_usage, without = (span.attributes or {} for span in otel.spans)
    assert (with_usage[semconv.USAGE_INPUT], with_usage[semconv.USAGE_OUTPUT]) == (9, 6)
    assert semconv.USAGE_INPUT not in without


def test_a_stream_that_others_stand_around(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """An instrumentation that patched before us gives a proxy: what it iterates is seen all the same."""
    otelllm.uninstrument()
    original = BaseClient._make_api_call

    def theirs(self: Any, operation_name: str, api_params: Any) -> Any:
        result = original(self, operation_name, api_params)
        return {**result, "stream": wrapt.ObjectProxy(result["stream"])}

    BaseClient._make_api_call = theirs
    try:
        otel.instrument()
        provider.reply(frames.stream(frames.events("bedrock/converse_stream.jsonl")))
        assert len(sync_app.read(sync_app.client.converse_stream(**ASKED)["stream"])) == 7
        assert (otel.attributes[semconv.USAGE_OUTPUT], otel.attributes[semconv.STREAM_END]) == (503, "complete")
        otelllm.uninstrument()
    finally:
        BaseClient._make_api_call = original


def test_a_stream_that_cannot_be_watched(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Of a botocore of next year: the app has its stream, the call ends once, with less on its span."""
    otelllm.uninstrument()
    original = BaseClient._make_api_call

    def renamed(self: Any, operation_name: str, api_params: Any) -> Any:
        result = original(self, operation_name, api_params)
        del result["stream"]._event_generator
        return result

    BaseClient._make_api_call = renamed
    try:
        otel.instrument()
        otelllm.safely.strict(False)
        provider.reply(frames.stream(frames.events("bedrock/converse_stream.jsonl")))
        assert sync_app.client.converse_stream(**ASKED)["stream"]
        assert len(otel.spans) == 1
        assert [point.count for point in otel.metrics()[semconv.METRIC_DURATION]] == [1]
        otelllm.uninstrument()
    finally:
        BaseClient._make_api_call = original


def _error(code: str, status: int, **headers: str) -> Callable[[], Reply]:
    return lambda: whole({"message": "about Skagen"}, status=status, x_amzn_errortype=code, **headers)


@dataclass(frozen=True, slots=True)
class Fault:
    """A reply that fails the call: what the app is raised, and what the span says."""

    name: str
    reply: Callable[[], Reply]
    raised: type[BaseException]
    error: str


FAULTS = [
    Fault(
        "throttled", _error("ThrottlingException:http://internal/", 429), exceptions.ClientError, "ThrottlingException"
    ),
    Fault("denied", _error("AccessDeniedException", 403), exceptions.ClientError, "AccessDeniedException"),
    Fault("not ready", _error("ModelNotReadyException", 429), exceptions.ClientError, "ModelNotReadyException"),
    Fault("timed out there", _error("ModelTimeoutException", 408), exceptions.ClientError, "ModelTimeoutException"),
    Fault("no JSON", lambda: whole("<html>Bad gateway</html>", status=502), exceptions.ClientError, "502"),
    Fault(
        "cut",
        lambda: Reply(steps=(CUT,)),
        exceptions.ConnectionClosedError,
        "botocore.exceptions.ConnectionClosedError",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failed_call(otel: Telemetry, app: App, provider: Provider, fault: Fault) -> None:
    """The app gets the SDK's own exception, and the span its code and nothing of its text."""
    provider.reply(fault.reply())
    with pytest.raises(fault.raised) as caught:
        app.call(app.client.converse, **ASKED)
    span, found = otel.span, otel.attributes
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert found[semconv.ERROR_TYPE] == fault.error
    assert not {semconv.USAGE_INPUT, semconv.COST, semconv.STREAM_END} & set(found)
    assert "Skagen" not in otel.everything()
    if (code := getattr(app.client.exceptions, fault.error, None)) is not None:
        assert type(caught.value) is code


def test_arguments_that_botocore_refuses(otel: Telemetry, app: App, provider: Provider) -> None:
    with pytest.raises(exceptions.ParamValidationError):
        app.call(app.client.converse, modelId=MODEL, messages="Hello?")
    assert otel.attributes[semconv.ERROR_TYPE] == "botocore.exceptions.ParamValidationError"
    assert provider.requests == []


def test_nobody_there(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    url = sync_app.url
    sync_app.url = "http://127.0.0.1:1/v1"
    with pytest.raises(exceptions.EndpointConnectionError):
        sync_app.again().converse(**ASKED)
    sync_app.url = url
    assert otel.attributes[semconv.ERROR_TYPE] == "botocore.exceptions.EndpointConnectionError"


@pytest.mark.parametrize("is_answered", [True, False], ids=["answered", "given up"])
def test_the_sdks_retries_stay_inside_one_span(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, monkeypatch: pytest.MonkeyPatch,
    is_answered: bool,
) -> None:  # fmt: skip
    """botocore asks three times; the app made one call, and the span says how often."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    app = make_app(retries={"total_max_attempts": 3, "mode": "standard"})
    busy = _error("ServiceUnavailableException", 503)
    provider.reply(busy(), busy(), whole(ANSWER) if is_answered else busy())
    if is_answered:
        app.call(app.client.converse, **ASKED)
    else:
        with pytest.raises(exceptions.ClientError):
            app.call(app.client.converse, **ASKED)
    assert len(provider.requests) == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3
    assert otel.attributes.get(semconv.ERROR_TYPE) == (None if is_answered else "ServiceUnavailableException")


@pytest.fixture
def answered(otel: Telemetry) -> Telemetry:
    """A kill switch that answers in the model's place."""
    otel.instrument(policy={"kill": [{"when": {"model": "*claude*"}, "answer": "Back soon."}]}, capture="full")
    return otel


def test_a_static_answer(answered: Telemetry, app: App, provider: Provider) -> None:
    """All that code asks an answer for is there; nothing is sent, and the client is as it was."""
    handlers = app.client.meta.events
    response = app.call(app.client.converse, **ASKED)
    assert response["output"]["message"] == {"role": "assistant", "content": [{"text": "Back soon."}]}
    assert (response["stopReason"], response["usage"]["totalTokens"]) == ("end_turn", 0)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
    events = app.read(app.call(app.client.converse_stream, **ASKED)["stream"])
    assert [next(iter(event)) for event in events] == [
        "messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert app.client.meta.events is handlers
    assert (provider.requests, len(answered.spans)) == ([], 2)


def test_a_static_answer_needs_no_credentials(answered: Telemetry, provider: Provider) -> None:
    """Nothing is signed: a machine that is offline would wait for its role's keys."""
    from botocore.credentials import CredentialResolver

    session = Session()
    session.register_component("credential_provider", CredentialResolver([]))
    client = session.create_client("bedrock-runtime", region_name="us-east-1")
    assert client.converse(**ASKED)["stopReason"] == "end_turn"


def test_a_static_answer_still_checks_arguments(answered: Telemetry, app: App) -> None:
    with pytest.raises(exceptions.ParamValidationError):
        app.call(app.client.converse, modelId=MODEL, messages="Hello?")


def test_a_static_answer_is_refused_where_json_is_asked_for(answered: Telemetry, sync_app: SyncApp) -> None:
    schema = {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}
    with pytest.raises(otelllm.KillSwitchOn):
        sync_app.client.converse(**ASKED, outputConfig={"textFormat": schema})


def test_many_async_calls_at_once(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Each call of a client's is its own."""
    import asyncio

    provider.always = whole(ANSWER)

    async def go() -> None:
        await asyncio.gather(*(async_app.client.converse(**ASKED) for _ in range(20)))

    async_app.runner.run(go())
    assert len(otel.spans) == 20
    assert {(span.attributes or {})[semconv.USAGE_INPUT] for span in otel.spans} == {7520}


def test_the_request_goes_out_under_our_span(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """An HTTP instrumentation's span goes below ours; what the app does afterwards does not."""
    from opentelemetry import trace

    seen: list[int] = []
    sync_app.client.meta.events.register(
        "before-send.bedrock-runtime", lambda **_: seen.append(trace.get_current_span().get_span_context().span_id)
    )
    provider.reply(whole(ANSWER))
    sync_app.client.converse(**ASKED)
    assert otel.span.context is not None
    assert seen == [otel.span.context.span_id]
