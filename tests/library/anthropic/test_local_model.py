"""The SDK against a real model on this machine, whose server speaks Anthropic's format with its own differences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anthropic
import pytest
from end_to_end.app import model_server

from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

pytestmark = pytest.mark.slow
pytest.importorskip("xllamacpp", reason="the local model is not in every environment of the test matrix")

MODEL = "gemma-3-270m"
ASK = {
    "model": MODEL, "max_tokens": 12, "messages": [{"role": "user", "content": "Lighthouses are"}],
    "extra_body": {"temperature": 0},  # the same words each time: this model may also end before its first one
}  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_server() as url:
        yield url.removesuffix("/v1")


def test_a_real_answer_whole_streamed_and_by_a_manager(otel: Telemetry, url: str) -> None:
    """Each span says what the SDK gave the app: ids, tokens, finish reason, text."""
    otel.instrument(capture="full")
    # With the SDK's own retries: of 94 streams on a busy machine this server closed the connection after 2, and took
    # the next request on it for nothing.
    with anthropic.Anthropic(api_key="none", base_url=url, timeout=240) as client:
        whole = client.messages.create(**ASK)  # type: ignore[call-overload]
        events = list(client.messages.create(**ASK, stream=True))  # type: ignore[call-overload]
        with client.messages.stream(**ASK) as stream:  # type: ignore[arg-type]
            managed = stream.get_final_message()
    first, second, third = (span.attributes or {} for span in otel.spans)
    for message, found in ((whole, first), (managed, third)):
        usage = message.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        assert found[semconv.RESPONSE_ID] == message.id
        assert found[semconv.USAGE_INPUT] == usage.input_tokens + cached > 0
        assert found[semconv.USAGE_OUTPUT] == usage.output_tokens > 0
        assert found[semconv.FINISH_REASONS] == (message.stop_reason,)
        (said,) = json.loads(str(found[semconv.OUTPUT_MESSAGES]))
        assert [part["content"] for part in said["parts"]] == [block.text for block in message.content]
    assert second[semconv.STREAM_CHUNKS] == len(events)
    for found in (second, third):
        assert found[semconv.STREAM_END] == "complete"
        assert found[semconv.TTFT] > 0
        assert semconv.USAGE_ESTIMATED not in found
        assert semconv.ERROR_TYPE not in found
