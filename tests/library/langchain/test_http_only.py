"""A model class that asks its provider by HTTP itself, with no SDK below: langchain_mistralai's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from wire.files import body, events
from wire.server import sse, whole

from otelllm import semconv

from .apps import clients, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

mistral = pytest.importorskip("langchain_mistralai")


@pytest.fixture
def model(provider: Provider) -> Iterator[Any]:
    made = mistral.ChatMistralAI(model="mistral-small-latest", api_key="k", endpoint=provider.url, max_retries=0)
    clients.append(lambda: SimpleNamespace(close=made.async_client.aclose))
    yield made
    made.client.close()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_whole_answer(full: Telemetry, provider: Provider, model: Any, way: str) -> None:
    provider.reply(whole(body("mistral/chat_tools.json")))
    run(way, model, "hi")
    found = full.attributes
    assert full.span.name == "chat mistral-small-latest"
    assert found[semconv.PROVIDER] == "mistral_ai"
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (91, 29)
    assert found[semconv.COST] > 0
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    assert found[semconv.RESPONSE_MODEL] == "mistral-small-latest"
    first = full.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]
    assert (first["name"], first["arguments"]) == ("get_tide", {"harbour": "Skagen"})


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream(full: Telemetry, provider: Provider, model: Any, way: str) -> None:
    provider.reply(sse(events("mistral/chat_stream_thinking.sse")))
    run(way, model, "hi")
    found = full.attributes
    assert found[semconv.REQUEST_STREAM] is True
    assert found[semconv.TTFT] < found[semconv.TTFT_CONTENT]
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (12, 78)
    assert found[semconv.RESPONSE_MODEL] == "magistral-medium-latest"
    thought = full.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]
    assert thought == {"type": "reasoning", "content": "Skagen's light, then."}


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_refusal_of_the_provider(otel: Telemetry, provider: Provider, model: Any, way: str) -> None:
    provider.reply(whole(body("mistral/error_401.json"), status=401))
    with pytest.raises(Exception, match="401"):
        run(way, model, "hi")
    assert otel.attributes[semconv.ERROR_TYPE] == "httpx.HTTPStatusError"
    assert semconv.COST not in otel.attributes
