"""Streams that fail: begun anew while the app has nothing of them, its own to handle once it has."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from wire import files
from wire.server import CUT, RESET, Gate, sse

from otelllm import semconv

from .apps import WAYS, Asking, Way, answer_of
from .test_retries import ERRORS, RETRIES, events, outcomes, refusal

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider, Reply

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.fixture(params=[way for way in WAYS if way.is_streamed], ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """The streamed ones."""
    found: Way = request.param
    return found


def error_event(way: Way, kind: str = "overloaded_error") -> bytes:
    """An error in place of the next event."""
    said = {"type": "error", "error": {"type": kind, "message": kind}}
    return files.event(said, "error" if way.sdk == "anthropic" else None)


def stream_of(way: Way) -> list[bytes]:
    """The events of a good answer."""
    steps: Any = answer_of(way).steps
    return list(steps)


def broken(way: Way, how: str) -> Reply:
    """A stream that fails before its first chunk."""
    if how == "event":
        return sse(error_event(way))
    return sse(b": hold the line\n\n", CUT if how == "cut" else RESET)


@pytest.mark.parametrize("how", ["event", "cut", "reset"])
def test_a_stream_that_fails_at_once_is_begun_anew(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, how: str
) -> None:
    """The app's stream is the SDK's own object, and holds the whole answer; one span tells of both attempts."""
    otel.instrument(policy={"retries": RETRIES}, capture="full")
    provider.reply(broken(way, how), answer_of(way))
    stream = asking.start()
    assert type(stream) is asking.app.stream_type
    chunks = asking.app.read(stream)
    assert asking.text_of(chunks) == asking.text_of(bare(asking, provider, way))
    assert len(provider.requests) == 3
    first = next(span for span in otel.spans if (span.attributes or {}).get(semconv.ATTEMPTS))
    attributes = first.attributes or {}
    assert attributes[semconv.ATTEMPTS] == 2
    assert attributes[semconv.STREAM_END] == "complete"
    assert attributes[semconv.USAGE_OUTPUT]
    assert semconv.ERROR_TYPE not in attributes
    assert asking.text_of(chunks) in str(attributes[semconv.OUTPUT_MESSAGES])


def bare(asking: Asking, provider: Provider, way: Way) -> list[Any]:
    """The chunks of a stream that does not fail."""
    provider.reply(answer_of(way))
    chunks: list[Any] = asking.app.read(asking.start("another question"))
    return chunks


def test_it_fails_with_the_sdks_exception_of_the_last_attempt(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """Refused, broken, cut: four attempts in all."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(refusal(503), broken(way, "event"), broken(way, "cut"), sse(error_event(way, "rate_limit_error")))
    stream = asking.start()
    with pytest.raises(ERRORS[way.sdk].APIError, match="rate_limit"):
        asking.app.read(stream)
    assert len(provider.requests) == 4
    assert otel.attributes[semconv.ATTEMPTS] == 4
    assert otel.attributes[semconv.STREAM_END] == "broken"
    assert [one.get(semconv.ERROR_TYPE) is not None for one in events(otel, semconv.EVENT_ATTEMPT)] == [True] * 4
    assert outcomes(otel) == ["retry", "retry", "retry", "exhausted"]


def test_the_next_attempt_may_be_refused_before_it_streams(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """A status in place of a stream is one more attempt."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(broken(way, "event"), refusal(429, "rate_limit_error"), answer_of(way))
    assert asking.ask()
    assert len(provider.requests) == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3


@pytest.mark.parametrize("how", ["event", "cut"])
def test_once_the_app_has_something_the_error_is_its_own(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, how: str
) -> None:
    """No text is ever sent twice: one request, the SDK's own exception."""
    otel.instrument(policy={"retries": RETRIES})
    gate = Gate()
    end: Any = error_event(way) if how == "event" else CUT
    provider.reply(sse(stream_of(way)[:4], gate, end))
    stream = asking.start()
    taken = asking.app.take(stream, 2)
    gate.open()
    with pytest.raises((ERRORS[way.sdk].APIError, httpx2.TransportError)):  # anthropic lets those of httpx2 through
        asking.app.read(stream)
    assert taken
    assert len(provider.requests) == 1
    assert otel.attributes[semconv.ATTEMPTS] == 1
    assert otel.attributes[semconv.STREAM_END] == "broken"
    (attempt,) = events(otel, semconv.EVENT_ATTEMPT)
    assert attempt[semconv.ERROR_TYPE]


def test_what_the_request_is_to_blame_for_is_not_tried_again(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """An error event may be of any kind."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(sse(error_event(way, "invalid_request_error")))
    with pytest.raises(ERRORS[way.sdk].APIError, match="invalid"):
        asking.app.read(asking.start())
    assert len(provider.requests) == 1


def test_closing_a_stream_that_was_begun_anew_hangs_up(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """The stream's own close reaches the connection that its chunks come from."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(broken(way, "event"), sse(stream_of(way)[:3], Gate()))
    stream = asking.start()
    asking.app.take(stream, 1)
    asking.app.close(stream)
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_dropping_a_stream_that_was_begun_anew_hangs_up(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """Nothing of ours keeps it."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(broken(way, "event"), sse(stream_of(way)[:3], Gate()))
    stream = asking.start()
    asking.app.take(stream, 1)
    del stream
    gc.collect()
    asking.app.settle()
    gc.collect()
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] == "abandoned"


def test_a_stream_that_nobody_reads_is_let_go_as_before(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """What waits for its first read keeps nothing alive."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(sse(stream_of(way)[:3], Gate()))
    stream = asking.start()
    del stream
    gc.collect()  # openai's streams are cycles by themselves
    asking.app.settle()
    assert otel.attributes[semconv.STREAM_END] == "abandoned"
