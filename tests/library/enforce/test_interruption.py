"""`otelllm.interruption()`: what had come of a call that failed, and whether trying again is safe."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import httpx2
import pytest
from wire.server import CUT, Gate, sse

import otelllm

from .test_retries import ERRORS, RETRIES, refusal
from .test_streams_begin_anew import error_event, stream_of

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .apps import Asking, Way

HEAD = {"openai": 4, "anthropic": 6}


def test_of_a_stream_that_broke_off(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """The text that the app has, an estimate of what was used; asked again it would come twice. Content is off."""
    if not way.is_streamed:
        pytest.skip("of streams")
    otel.instrument(policy={"retries": RETRIES})
    gate = Gate()
    provider.reply(sse(stream_of(way)[: HEAD[way.sdk]], gate, CUT))
    stream = asking.start()
    chunks = asking.app.take(stream, HEAD[way.sdk] - (way.sdk == "anthropic"))
    gate.open()
    with pytest.raises((ERRORS[way.sdk].APIError, httpx2.TransportError)) as caught:
        asking.app.read(stream)
    told = otelllm.interruption(caught.value)
    assert told is not None
    assert told.text == asking.text_of(chunks) != ""
    assert told.usage is not None
    assert told.usage.estimated
    assert (told.released, told.may_retry) == (True, False)
    assert len(told.attempts) == 1
    assert asking.text_of(chunks) not in otel.everything()


def test_of_a_call_that_was_refused(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """Every attempt, none of which gave anything."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 2}})
    provider.reply(refusal(500), refusal(429, "rate_limit_error"))
    with pytest.raises(ERRORS[way.sdk].RateLimitError) as caught:
        asking.ask()
    told = otelllm.interruption(caught.value)
    assert told is not None
    assert [(one.number, one.status) for one in told.attempts] == [(1, 500), (2, 429)]
    assert (told.released, told.may_retry, told.usage) == (False, True, None)
    assert "sk-test" not in repr(told)


def test_without_a_policy_too(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """Then no attempts are counted, and no text is kept; a request that is to blame itself is not safe to repeat."""
    provider.reply(refusal(400))
    with pytest.raises(ERRORS[way.sdk].BadRequestError) as caught:
        asking.ask()
    told = otelllm.interruption(caught.value)
    assert told is not None
    assert (told.text, told.attempts, told.may_retry) == (None, (), False)


def test_an_error_event_at_the_beginning_is_safe_to_repeat(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """The app had nothing."""
    if not way.is_streamed:
        pytest.skip("of streams")
    provider.reply(sse(error_event(way)))
    with pytest.raises(ERRORS[way.sdk].APIError) as caught:
        asking.app.read(asking.start())
    told = otelllm.interruption(caught.value)
    assert told is not None
    assert (told.released, told.may_retry) == (False, True)


def test_of_an_exception_of_somebody_elses_nothing_is_known() -> None:
    """None, of whatever kind it is."""
    assert otelllm.interruption(ValueError("x")) is None


def test_nothing_is_kept_longer_than_the_exception(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """The record goes with it."""
    otel.instrument(policy={"retries": {**RETRIES, "mode": "off"}})
    provider.reply(refusal(400))
    with pytest.raises(ERRORS[way.sdk].BadRequestError) as caught:
        asking.ask()
    assert otelllm.interruption(caught.value) is not None
    held = weakref.ref(caught.value)
    del caught
    gc.collect()
    assert held() is None
