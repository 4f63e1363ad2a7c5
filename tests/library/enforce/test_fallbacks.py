"""Fallbacks: which failures lead to another model or place, in which order, and what leaves a target out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire.server import Provider, sse

from otelllm import semconv

from .apps import Asking, Way, answer_of
from .test_retries import ERRORS, RETRIES, events, outcomes, refusal
from .test_streams_begin_anew import error_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

ASKED = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-6"}
OTHER = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


@pytest.fixture
def eu() -> Iterator[Provider]:
    """Another place that speaks the same."""
    it = Provider()
    yield it
    it.close()
    assert it.unexpected == []


def base(way: Way, provider: Provider) -> str:
    """The base URL, as the way's SDK takes it."""
    return provider.url if way.sdk == "openai" else provider.url.removesuffix("/v1")


def policy(way: Way, eu: Provider | None = None, to: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Retries, and one chain for the model that is asked."""
    rule = {"model": ASKED[way.sdk], "to": to or [OTHER[way.sdk]], **more}
    places = [] if eu is None else [{"name": "eu", "provider": way.sdk, "base_url": base(way, eu)}]
    return {"retries": RETRIES, "endpoints": places, "fallbacks": [rule]}


def models(provider: Provider) -> list[str]:
    """What was asked for, in order."""
    return [request.json["model"] for request in provider.requests]


KINDS = {
    "5xx": refusal(500, "api_error"),
    "429": refusal(429, "rate_limit_error", retry_after="30"),
    "context_length": refusal(400, "context_length_exceeded", "prompt is too long"),
    "content_policy": refusal(400, "content_filter", "content_policy_violation"),
    "timeout": refusal(504, "timeout_error"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_leads_to_the_next_model(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, kind: str
) -> None:
    """And the span says from which."""
    asked, other = ASKED[way.sdk], OTHER[way.sdk]
    otel.instrument(policy=policy(way, on=[kind]))
    tries = 3 if kind == "5xx" else 1  # which may pass by itself; an attempt is kept for the fallback
    provider.reply(*[KINDS[kind]] * tries, answer_of(way))
    assert asking.ask()
    assert models(provider) == [asked] * tries + [other]
    assert otel.attributes[semconv.FALLBACK_FROM] == asked
    assert otel.attributes[semconv.REQUEST_MODEL] == other
    assert otel.span.name == f"chat {other}"
    assert outcomes(otel) == ["retry"] * (tries - 1) + ["fallback"]
    assert [one["model"] for one in events(otel, semconv.EVENT_ATTEMPT)] == models(provider)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"5xx", "timeout", "429"}])
def test_a_kind_that_is_not_named_does_not(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, kind: str
) -> None:
    """The app gets the SDK's own exception."""
    otel.instrument(policy=policy(way, on=["429"]))
    provider.reply(KINDS[kind])
    with pytest.raises(ERRORS[way.sdk].BadRequestError):
        asking.ask()
    assert models(provider) == [ASKED[way.sdk]]


def test_an_account_without_money_counts_as_a_limit(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """Not tried again, but elsewhere."""
    otel.instrument(policy=policy(way, on=["429"]))
    provider.reply(refusal(429, "insufficient_quota"), answer_of(way))
    assert asking.ask()
    assert models(provider) == [ASKED[way.sdk], OTHER[way.sdk]]


def test_a_place_that_cant_be_reached_counts_as_one_that_fails(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, eu: Provider
) -> None:
    """The first place is down; the same model is asked elsewhere, with the app's own key."""
    otel.instrument(policy=policy(way, eu, ["@eu"], on=["5xx"]))
    eu.reply(answer_of(way))
    provider.close()
    assert asking.ask()
    assert models(eu) == [ASKED[way.sdk]]
    assert otel.attributes[semconv.SERVER_PORT] == eu.port
    assert [one.get("endpoint") for one in events(otel, semconv.EVENT_ATTEMPT)][-1] == "eu"
    assert "sk-test" in str(eu.last.headers)


def test_a_chain_is_walked_to_its_end(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, eu: Provider
) -> None:
    """Elsewhere first, then another model; the last one's own error reaches the app."""
    asked, other = ASKED[way.sdk], OTHER[way.sdk]
    otel.instrument(policy=policy(way, eu, [f"{asked}@eu", other], on=["context_length"]))
    provider.reply(KINDS["context_length"], refusal(400, "context_length_exceeded", "prompt is too long: the last"))
    eu.reply(KINDS["context_length"])
    with pytest.raises(ERRORS[way.sdk].BadRequestError, match="the last"):
        asking.ask()
    assert (models(provider), models(eu)) == ([asked, other], [asked])
    assert [one["reason"] for one in events(otel, semconv.EVENT_DECISION)] == [
        f"context_length: {asked} -> {asked}@eu",
        f"context_length: {asked}@eu -> {other}",
    ]


def test_a_stream_that_fails_at_once_goes_elsewhere(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, eu: Provider
) -> None:
    """The object that the app holds stays the same."""
    if not way.is_streamed:
        pytest.skip("of streams")
    otel.instrument(policy=policy(way, eu, ["@eu"], on=["content_policy"]))
    provider.reply(sse(error_event(way, "content_filter")))
    eu.reply(answer_of(way))
    stream = asking.start()
    assert asking.text_of(asking.app.read(stream))
    assert (len(provider.requests), len(eu.requests)) == (1, 1)
    assert otel.attributes[semconv.SERVER_PORT] == eu.port


def test_other_models_have_no_fallback(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """A chain is of the models that it names."""
    otel.instrument(policy={**policy(way), "fallbacks": [{"model": "other-*", "to": ["x"]}]})
    provider.reply(KINDS["context_length"])
    with pytest.raises(ERRORS[way.sdk].BadRequestError):
        asking.ask()
    assert semconv.FALLBACK_FROM not in otel.attributes


def test_shadow_only_notes_where_it_would_go(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """One request, the SDK's own exception."""
    otel.instrument(policy=policy(way, mode="shadow"))
    provider.reply(KINDS["context_length"])
    with pytest.raises(ERRORS[way.sdk].BadRequestError):
        asking.ask()
    assert outcomes(otel) == ["would_fallback"]
    assert len(provider.requests) == 1


def test_an_open_breaker_leaves_a_target_out(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """Two errors open it: the next call goes past it at once, without asking."""
    asked, other = ASKED[way.sdk], OTHER[way.sdk]
    chain = policy(way, on=["timeout"], breaker={"errors": 2, "within": "30s", "open": "1h"})
    otel.instrument(policy=chain)
    for _ in range(2):
        provider.reply(refusal(504), answer_of(way))
        asking.ask()
    otel.clear()
    provider.reply(answer_of(way))
    asking.ask()
    assert models(provider) == [asked, other, asked, other, other]
    (decision,) = events(otel, semconv.EVENT_DECISION)
    assert decision["reason"] == f"its breaker is open: {asked} -> {other}"
    assert otel.attributes[semconv.FALLBACK_FROM] == asked


def test_where_all_are_out_of_order_the_first_is_asked(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """A breaker chooses among targets, and refuses nobody."""
    chain = policy(way, on=["timeout"], breaker={"errors": 1, "within": "30s", "open": "1h"})
    otel.instrument(policy={**chain, "retries": {**RETRIES, "max_attempts": 2}})
    provider.reply(refusal(504), refusal(504))
    with pytest.raises(ERRORS[way.sdk].APIStatusError):
        asking.ask()
    provider.reply(answer_of(way))
    assert asking.ask("another question")
    assert models(provider)[-1] == ASKED[way.sdk]
