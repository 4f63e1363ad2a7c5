"""Retries: what is tried again, how long is waited, how often in all, and what the app gets in the end."""

from __future__ import annotations

import json
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from wire.server import CUT, STALL, Reply, whole

from otelllm import semconv

from .apps import Asking, Way, answer_of

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

RETRIES = {"max_attempts": 4, "base": "1ms", "max_wait": "1s", "storm_ratio": 1.0}
ERRORS = {"openai": openai, "anthropic": anthropic}


def refusal(status: int, code: str = "error", message: str = "no", **headers: str) -> Reply:
    """An error as both SDKs read it."""
    body = {"type": "error", "error": {"type": code, "code": code, "message": message}}
    return whole(json.dumps(body), status=status, **headers)


def events(otel: Telemetry, name: str) -> list[dict[str, Any]]:
    """What the span's events of this name say."""
    return [dict(event.attributes or {}) for event in otel.span.events if event.name == name]


def outcomes(otel: Telemetry) -> list[str]:
    """What the rules decided, in order."""
    return [decision["outcome"] for decision in events(otel, semconv.EVENT_DECISION)]


PASSING = {
    "429": refusal(429, "rate_limit_error"),
    "500": refusal(500, "api_error"),
    "503": refusal(503, "overloaded_error"),
    "408": refusal(408, "timeout_error"),
    "cut": Reply(steps=[b"{", CUT]),
}


@pytest.mark.parametrize("failure", PASSING)
def test_what_passes_by_itself_is_tried_again(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, failure: str
) -> None:
    """The app gets the answer, and one span tells of both attempts."""
    if failure == "cut" and way.is_streamed:
        pytest.skip("a stream that is cut: see test_streams.py")
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(PASSING[failure], answer_of(way))
    assert asking.ask()
    assert len(provider.requests) == 2
    assert provider.requests[0].body == provider.requests[1].body
    assert otel.attributes[semconv.ATTEMPTS] == 2
    assert semconv.ERROR_TYPE not in otel.attributes
    first, second = events(otel, semconv.EVENT_ATTEMPT)
    assert [first["number"], second["number"]] == [1, 2]
    assert first[semconv.ERROR_TYPE]
    assert semconv.ERROR_TYPE not in second
    assert outcomes(otel) == ["retry"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_what_the_request_is_to_blame_for_is_not(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, status: int
) -> None:
    """The SDK's own exception, after one request."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(refusal(status))
    with pytest.raises(ERRORS[way.sdk].APIStatusError) as caught:
        asking.ask()
    assert caught.value.status_code == status
    assert len(provider.requests) == 1
    assert outcomes(otel) == []


@pytest.mark.parametrize(
    "said",
    [
        refusal(
            429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
        ),
        refusal(429, "billing_error", "Your account has reached its spending limit"),
        refusal(400, "invalid_request_error", "Your credit balance is too low"),
        refusal(500, "api_error", x_should_retry="false"),
    ],
    ids=["quota", "spending limit", "credit", "told not to"],
)
def test_what_no_waiting_helps_is_not_tried_again(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, said: Reply
) -> None:
    """An account without money; a provider that says so."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(said)
    with pytest.raises(ERRORS[way.sdk].APIStatusError):
        asking.ask()
    assert len(provider.requests) == 1


def test_attempts_end_with_the_sdks_own_exception_of_the_last(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """max_attempts in all; the error is the last one, and on the span."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(
        *(refusal(500, message=f"number {n}") for n in range(3)), refusal(429, "rate_limit_error", "number 3")
    )
    with pytest.raises(ERRORS[way.sdk].RateLimitError, match="number 3"):
        asking.ask()
    assert len(provider.requests) == 4
    assert otel.attributes[semconv.ATTEMPTS] == 4
    assert otel.attributes[semconv.ERROR_TYPE]
    assert outcomes(otel) == ["retry", "retry", "retry", "exhausted"]


def test_the_sdks_own_retries_are_off(otel: Telemetry, provider: Provider, way: Way) -> None:
    """A client that would retry five times does not, while ours are on."""
    otel.instrument(policy={"retries": {**RETRIES, "max_attempts": 2}})
    provider.always = refusal(503)
    asking = Asking(way, provider.url, max_retries=5)
    with pytest.raises(ERRORS[way.sdk].InternalServerError):
        asking.ask()
    asking.app.stop()
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("header", "value", "least", "most"),
    [
        ("retry-after", "0.02", 0.02, 0.023),
        ("retry-after-ms", "20", 0.02, 0.023),
        ("retry-after", formatdate(time() - 5, usegmt=True), 0.0, 0.0),
    ],
    ids=["seconds", "milliseconds", "date"],
)
def test_retry_after_is_honoured(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, header: str, value: str, least: float, most: float
) -> None:
    """In each of its forms; spread by a tenth."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(refusal(429, **{header: value}), answer_of(way))
    asking.ask()
    assert least <= otel.attributes.get(semconv.WAITED, 0.0) <= most


@pytest.mark.parametrize("value", ["3600", formatdate(time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_a_longer_wait_than_the_policys_fails_at_once(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, value: str
) -> None:
    """The SDK's own exception, and the span says why."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(refusal(429, retry_after=value))
    with pytest.raises(ERRORS[way.sdk].RateLimitError):
        asking.ask()
    assert len(provider.requests) == 1
    (decision,) = events(otel, semconv.EVENT_DECISION)
    assert decision["outcome"] == "too_long"
    assert "max_wait" in decision["reason"]


def test_no_wait_is_longer_than_the_apps_own_timeout(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """0.5 s to wait, 0.3 s to live."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(refusal(429, retry_after="0.5"))
    with pytest.raises(ERRORS[way.sdk].RateLimitError):
        asking.ask(timeout=0.3)
    (decision,) = events(otel, semconv.EVENT_DECISION)
    assert "app's time-out" in decision["reason"]


def test_an_attempt_that_timed_out_is_tried_again(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """The time-out is one request's, as the SDK's own retries have it."""
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(Reply(steps=[STALL]), answer_of(way))
    asking.ask(timeout=0.2)
    assert len(provider.requests) == 2
    assert events(otel, semconv.EVENT_ATTEMPT)[0][semconv.ERROR_TYPE] == "timeout"


def test_shadow_only_notes_what_it_would_do(otel: Telemetry, provider: Provider, way: Way) -> None:
    """The SDK's own retries stay on."""
    otel.instrument(policy={"retries": {**RETRIES, "mode": "shadow"}})
    asking = Asking(way, provider.url, max_retries=1)
    provider.always = refusal(500, retry_after_ms="1")
    with pytest.raises(ERRORS[way.sdk].InternalServerError):
        asking.ask()
    asking.app.stop()
    assert len(provider.requests) == 2
    assert outcomes(otel) == ["would_retry"]
    assert otel.attributes[semconv.ATTEMPTS] == 1


def test_without_a_section_the_sdk_retries_as_before(otel: Telemetry, provider: Provider, way: Way) -> None:
    """A route alone, say, changes nothing of that."""
    model = "gpt-4o-mini" if way.sdk == "openai" else "claude-haiku-4-5"
    otel.instrument(policy={"routes": [{"model": model}]})
    asking = Asking(way, provider.url, max_retries=1)
    provider.reply(refusal(500, retry_after_ms="1"), answer_of(way))
    assert asking.ask()
    asking.app.stop()
    assert len(provider.requests) == 2
