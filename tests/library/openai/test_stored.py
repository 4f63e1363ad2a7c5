"""Responses fetched again and batches: on a span of their own kind, and never counted a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from wire import files
from wire.server import Gate, sse, whole

from otelllm import semconv

from .surfaces import RESPONSES

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App


def _counts_nothing(otel: Telemetry) -> None:
    assert not [name for name in otel.attributes if name.startswith(("gen_ai.usage.", semconv.USAGE_OTHER))]
    assert not [name for name in otel.attributes if name.startswith("otelllm.cost.")]
    assert semconv.METRIC_TOKENS not in otel.metrics()


@pytest.mark.parametrize("beta", [False, True], ids=["responses", "beta"])
@pytest.mark.parametrize("view", ["", "with_raw_response"])
def test_a_response_fetched_again(otel: Telemetry, app: App, provider: Provider, view: str, beta: bool) -> None:
    """Its id, model, finish reason and text; what it used was counted when it was made."""
    otel.instrument(capture="full")
    provider.reply(whole(RESPONSES.body))
    if beta and not hasattr(app.client.beta, "responses"):
        pytest.skip("this version has no beta of it")
    responses = app.client.beta.responses if beta else app.client.responses
    app.call((getattr(responses, view) if view else responses).retrieve, response_id="resp_wire1")
    assert otel.span.name == "fetch_response"
    found = otel.attributes
    assert found[semconv.OPERATION] == "fetch_response"
    assert found[semconv.RESPONSE_ID] == "resp_wire1"
    assert found[semconv.RESPONSE_MODEL] == "gpt-4o-mini-2024-07-18"
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"].startswith("The lighthouse")
    _counts_nothing(otel)


@pytest.mark.slow
def test_a_response_in_progress(otel: Telemetry, app: App, provider: Provider) -> None:
    """A background response that is not done yet: nothing to say but its id."""
    provider.reply(whole(files.body("openai/responses_queued.json")))
    app.call(app.client.responses.retrieve, response_id="resp_wire1")
    assert semconv.ERROR_TYPE not in otel.attributes
    assert semconv.RESPONSE_FINISH_REASONS not in otel.attributes
    _counts_nothing(otel)


def test_a_stream_taken_up_again(otel: Telemetry, app: App, provider: Provider) -> None:
    """`retrieve(stream=True, starting_after=…)`: the rest of the events, complete, and no usage."""
    provider.reply(sse(RESPONSES.events[5:]))
    stream = app.call(app.client.responses.retrieve, response_id="resp_wire1", stream=True, starting_after=5)
    assert type(stream) is app.stream_type
    assert len(app.read(stream)) == len(RESPONSES.events) - 5
    assert otel.span.name == "fetch_response"
    assert otel.attributes[semconv.STREAM_END] == "complete"
    assert otel.attributes[semconv.RESPONSE_ID] == "resp_wire1"
    _counts_nothing(otel)


def test_a_stream_taken_up_again_by_the_helper(otel: Telemetry, app: App, provider: Provider) -> None:
    """`responses.stream(response_id=…)` goes through retrieve."""
    provider.reply(sse(RESPONSES.events))
    manager = app.client.responses.stream(response_id="resp_wire1")
    final = app.within(manager, lambda stream: stream.get_final_response())
    assert final.id == "resp_wire1"
    assert otel.span.name == "fetch_response"
    _counts_nothing(otel)


@pytest.mark.parametrize("way", ["left", "over"])
def test_a_stream_taken_up_again_that_ends_early(otel: Telemetry, app: App, provider: Provider, way: str) -> None:
    """Left by the app, or over before its last event: told apart; nothing is estimated."""
    provider.reply(sse(RESPONSES.events[5:8], *([Gate()] if way == "left" else [])))
    stream = app.call(app.client.responses.retrieve, response_id="resp_wire1", stream=True)
    if way == "left":
        app.leave(stream, 1)
    else:
        app.read(stream)
    assert otel.attributes[semconv.STREAM_END] == ("closed" if way == "left" else "broken")
    assert otel.attributes.get(semconv.ERROR_TYPE) == (None if way == "left" else "incomplete")
    _counts_nothing(otel)


def test_a_response_that_is_not_there(otel: Telemetry, app: App, provider: Provider) -> None:
    """404: the SDK's error, its status on the span."""
    provider.reply(whole({"error": {"message": "no such response", "type": "invalid_request_error"}}, status=404))
    with pytest.raises(openai.NotFoundError):
        app.call(app.client.responses.retrieve, response_id="resp_none")
    assert otel.attributes[semconv.ERROR_TYPE] == "404"


def test_a_response_that_failed(otel: Telemetry, app: App, provider: Provider) -> None:
    """Fetching it worked; its own failure is what the span tells."""
    provider.reply(whole(files.body("openai/responses_failed.json")))
    app.call(app.client.responses.retrieve, response_id="resp_wire1")
    assert otel.attributes[semconv.ERROR_TYPE] == "server_error"


BATCH: dict[str, Any] = {"completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file-wire1"}


@pytest.mark.parametrize("view", ["", "with_raw_response"])
def test_a_batch_is_begun(otel: Telemetry, app: App, provider: Provider, view: str) -> None:
    """Its id and model, as far as the provider says one; nothing was used yet."""
    provider.reply(whole(files.body("openai/batch.json")))
    batches = app.client.batches
    app.call((getattr(batches, view) if view else batches).create, **BATCH)
    assert otel.span.name == "batch"
    assert otel.attributes[semconv.RESPONSE_ID] == "batch_wire1"
    assert otel.attributes[semconv.RESPONSE_MODEL] == "gpt-4o-mini-2024-07-18"
    _counts_nothing(otel)


@pytest.mark.slow
def test_a_batch_is_looked_at_many_times(otel: Telemetry, app: App, provider: Provider) -> None:
    """Each look is a span; what its calls used is on none, or it would be counted at every look."""
    for file in ("batch.json", "batch_completed.json", "batch_completed.json"):
        otel.clear()
        provider.reply(whole(files.body(f"openai/{file}")))
        app.call(app.client.batches.retrieve, batch_id="batch_wire1")
        assert otel.span.name == "batch"
        _counts_nothing(otel)


def test_compacting_a_conversation(otel: Telemetry, app: App, provider: Provider) -> None:
    """`responses.compact` is a model call that is paid for."""
    if not hasattr(app.client.responses, "compact"):
        pytest.skip("not in this version")
    usage = {"input_tokens": 139, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 438,
             "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 577}  # fmt: skip
    item = {"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAAAA"}
    provider.reply(whole({"id": "resp_c", "object": "response.compaction", "created_at": 1, "output": [item],
                          "usage": usage}))  # fmt: skip
    app.call(app.client.responses.compact, model="gpt-5", input="When was it lit?")
    found = otel.attributes
    assert otel.span.name == "chat gpt-5"
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT], found[semconv.USAGE_REASONING]) == (139, 438, 64)
    assert found[semconv.COST] > 0
