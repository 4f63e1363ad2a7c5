"""OpenTelemetry's instrumentation of botocore, which writes a span for every AWS call and knows Bedrock's models."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from wire import files, frames
from wire.server import whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .conftest import Neighbours

pytestmark = pytest.mark.parametrize("neighbourhood", ["botocore"], indirect=True)

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED: dict[str, Any] = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
INVOKED: dict[str, Any] = {
    "modelId": MODEL,
    "body": json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": ASKED["messages"]}),
}
_session = Session()


def _client(provider: Provider, service: str = "bedrock-runtime") -> Any:
    return _session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=provider.url.removesuffix("/v1"),
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def converse(provider: Provider) -> Any:
    provider.reply(whole(files.body("bedrock/converse.json")))
    return _client(provider).converse(**ASKED)


def converse_stream(provider: Provider) -> Any:
    provider.reply(frames.stream(frames.events("bedrock/converse_stream.jsonl")))
    return list(_client(provider).converse_stream(**ASKED)["stream"])


def invoke(provider: Provider) -> Any:
    provider.reply(whole(files.body("bedrock/invoke.json")))
    return _client(provider).invoke_model(**INVOKED)["body"].read()


def invoke_stream(provider: Provider) -> Any:
    provider.reply(frames.stream(frames.events("bedrock/invoke_stream.jsonl", chunks=True)))
    return list(_client(provider).invoke_model_with_response_stream(**INVOKED)["body"])


def test_a_call_has_one_span_and_it_is_ours(otel: Telemetry, settled: Callable[..., None], provider: Provider) -> None:
    settled(capture="full")
    for count, call in enumerate((converse, converse_stream, invoke, invoke_stream), 1):
        otel.clear()
        assert call(provider)
        assert otel.span.instrumentation_scope is not None
        assert otel.span.instrumentation_scope.name == "otelllm", call
        assert semconv.USAGE_INPUT in otel.attributes, call
        seen = sum(point.count for point in otel.metrics()[semconv.METRIC_DURATION])
        assert seen == count, "their metrics of the same call are left out too"


def test_other_services_stay_theirs(otel: Telemetry, settled: Callable[..., None], provider: Provider) -> None:
    settled()
    provider.reply(whole({"TableNames": []}))
    assert _client(provider, "dynamodb").list_tables()["TableNames"] == []
    assert otel.span.instrumentation_scope is not None
    assert otel.span.instrumentation_scope.name.startswith("opentelemetry.instrumentation.botocore")


def test_the_conflict_is_named_once(
    settled: Callable[..., None], provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="otelllm.neighbours"):
        settled()
        converse(provider)
        converse_stream(provider)
    (named,) = [record.getMessage() for record in caplog.records if record.name == "otelllm.neighbours"]
    assert "opentelemetry.instrumentation.botocore" in named


def test_enforcement_works(settled: Callable[..., None], provider: Provider) -> None:
    settled(policy={"kill": [{"when": {"model": "*claude*"}}]})
    with pytest.raises(otelllm.Blocked):
        _client(provider).converse(**ASKED)


def test_what_the_app_sees_is_what_it_would_see(
    otel: Telemetry, settled: Callable[..., None], provider: Provider
) -> None:
    settled()
    provider.reply(whole(files.body("bedrock/error_400.json"), status=400))
    with pytest.raises(ClientError):
        _client(provider).converse(**ASKED)
    assert len(otel.spans) == 1


def test_each_goes_and_leaves_the_other(
    otel: Telemetry, settled: Callable[..., None], provider: Provider, neighbourhood: Neighbours
) -> None:
    settled()
    otelllm.uninstrument()
    converse(provider)
    assert otel.span.instrumentation_scope is not None
    assert otel.span.instrumentation_scope.name != "otelllm"
    otel.clear()
    otel.instrument()
    neighbourhood.off()
    converse(provider)
    assert otel.span.instrumentation_scope is not None
    assert otel.span.instrumentation_scope.name == "otelllm"
