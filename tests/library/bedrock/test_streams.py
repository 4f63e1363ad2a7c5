"""What a stream of events can do besides the contract's ways: errors inside, breaks, ends without the message's end."""

from __future__ import annotations

import gc
import json
import weakref
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EventStreamError
from opentelemetry.trace import StatusCode
from wire import frames
from wire.server import Gate

from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

EVENTS = frames.events("bedrock/converse_stream.jsonl")
HEAD = EVENTS[:3]
ASKED: dict[str, Any] = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def _open(app: App, provider: Provider, *steps: Any) -> Any:
    provider.reply(frames.stream(steps))
    return app.call(app.client.converse_stream, **ASKED)["stream"]


def test_an_error_inside(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app is raised the SDK's own; the span has its code, what came, and no text of the error's."""
    stream = _open(app, provider, *HEAD, frames.exception("throttlingException", "Slow down, Skagen."))
    with pytest.raises(EventStreamError, match="Slow down"):
        app.read(stream)
    span, found = otel.span, otel.attributes
    assert (found[semconv.ERROR_TYPE], found[semconv.STREAM_END]) == ("throttlingException", "broken")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert found[semconv.STREAM_CHUNKS] == 3
    assert "Skagen" not in otel.everything()


def test_an_error_in_place_of_the_first_event_begins_it_anew(otel: Telemetry, app: App, provider: Provider) -> None:
    """One that passes; who closes the app's stream hangs up the connection that its events come from."""
    otel.instrument(policy={"retries": {"base": "1ms", "storm_ratio": 1.0}})
    gate = Gate()
    provider.reply(frames.stream([frames.exception("throttlingException", "Slow down, Skagen.")]))
    stream = _open(app, provider, *HEAD, gate)
    assert len(app.take(stream, 3)) == 3
    app.close(stream)
    provider.last.wait_left()
    assert len(provider.requests) == 2
    assert (otel.attributes[semconv.ATTEMPTS], otel.attributes[semconv.STREAM_END]) == (2, "closed")


def test_what_the_request_is_to_blame_for_is_the_apps(otel: Telemetry, app: App, provider: Provider) -> None:
    otel.instrument(policy={"retries": {"base": "1ms", "storm_ratio": 1.0}})
    stream = _open(app, provider, frames.exception("validationException", "Too long, Skagen."))
    with pytest.raises(EventStreamError, match="Too long"):
        app.read(stream)
    assert len(provider.requests) == 1


def test_left_and_gone_on_with(otel: Telemetry, app: App, provider: Provider) -> None:
    """A break ends no stream: the rest comes when the app reads on."""
    otel.instrument(capture="full")
    stream = _open(app, provider, *EVENTS)
    taken = app.take(stream, 2)
    assert otel.spans == []
    assert len(taken) + len(app.read(stream)) == len(EVENTS)
    assert otel.attributes[semconv.STREAM_END] == "complete"
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"][0]["content"] == "The lighthouse at Skagen was lit in 1858."


def test_an_end_without_the_messages_end(otel: Telemetry, app: App, provider: Provider) -> None:
    """A body that is whole by HTTP and lacks the provider's own end: the SDK raises nothing."""
    app.read(_open(app, provider, *HEAD))
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.ERROR_TYPE]) == ("broken", "incomplete")


def test_left_before_its_usage(otel: Telemetry, app: App, provider: Provider) -> None:
    """Usage comes after the message's end: a loop that stops there has it estimated, and flagged."""
    gate = Gate()
    stream = _open(app, provider, *EVENTS[:-1], gate, EVENTS[-1])
    app.take(stream, len(EVENTS) - 1)
    app.close(stream)
    found = otel.attributes
    assert (found[semconv.USAGE_ESTIMATED], found[semconv.STREAM_END]) == (True, "closed")
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (10, 10)


def test_closing(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    stream = _open(sync_app, provider, *HEAD, Gate())
    with closing(stream) as events:
        for _ in events:
            break
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_the_methods_of_a_stream_that_nobody_holds(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    provider.reply(frames.stream([*HEAD, Gate()]))
    sync_app.client.converse_stream(**ASKED)["stream"].close()
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_a_stream_read_to_its_end_is_freed_at_once(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """As bare: only while it is read is it a cycle, of its own generator."""
    stream = _open(sync_app, provider, *EVENTS)
    sync_app.read(stream)
    gone = weakref.ref(stream)
    del stream
    assert gone() is None


def test_the_initial_response(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    initial = frames.event("initial-response", {})
    stream = _open(sync_app, provider, initial, *EVENTS)
    assert stream.get_initial_response().headers[":event-type"] == "initial-response"
    assert len(sync_app.read(stream)) == len(EVENTS)
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_time_to_the_first_token(otel: Telemetry, app: App, provider: Provider) -> None:
    """The message's start is a chunk and no token; reasoning is a token; the answer has its own moment."""
    thought = frames.event(
        "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}
    )
    gate, later = Gate(), Gate()
    stream = _open(app, provider, EVENTS[0], gate, thought, later, *EVENTS[1:])
    app.take(stream, 1)
    gate.open()
    app.take(stream, 1)
    later.open()
    app.read(stream)
    found = otel.attributes
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < found[semconv.TTFT] < found[semconv.TTFT_CONTENT]


def test_a_slow_reader_of_a_long_stream_keeps_memory_flat(
    otel: Telemetry, sync_app: SyncApp, provider: Provider
) -> None:
    """Events are folded as they come: 3,000 of them are not kept."""
    middle = frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}})
    stream = _open(sync_app, provider, EVENTS[0], b"".join([middle] * 3000), *EVENTS[-2:])
    for count, _ in enumerate(stream):
        if count == 2500:
            alive = sum(type(one) is dict and "contentBlockDelta" in one for one in gc.get_objects())
            assert alive < 100
    assert otel.attributes[semconv.STREAM_CHUNKS] == 3003


def test_several_readers_of_one_async_stream(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Each `async for` is a generator of its own over the same events."""
    stream = _open(async_app, provider, *EVENTS)

    async def go() -> int:
        count = 0
        async for _ in stream:
            count += 1
            break
        async for _ in stream:
            count += 1
        return count

    assert async_app.runner.run(go()) == len(EVENTS)
    async_app.settle()
    assert otel.attributes[semconv.STREAM_END] == "complete"


def test_invoked_chunks_that_are_odd(otel: Telemetry, app: App, provider: Provider) -> None:
    """No JSON, no object, nothing: the others are read, and the last counts."""
    chunks = [{"generation": "Lit ", "prompt_token_count": 9, "generation_token_count": 1, "stop_reason": None},
              {"generation": "in 1858.", "prompt_token_count": None, "generation_token_count": 6,
               "stop_reason": "stop"}]  # fmt: skip
    odd = [frames.event("chunk", {"bytes": "bm90IGpzb24="}), frames.event("chunk", {"bytes": ""}),
           frames.event("chunk", {})]  # fmt: skip
    otel.instrument(capture="full")
    provider.reply(frames.stream([frames.chunk(chunks[0]), *odd, frames.chunk(chunks[1])]))
    asked = {"modelId": "meta.llama3-8b-instruct-v1:0", "body": json.dumps({"prompt": QUESTION})}
    app.read(app.call(app.client.invoke_model_with_response_stream, **asked)["body"])
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (9, 6)
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": "Lit in 1858."}]
