"""Calls asked a second time: unseen, on nobody's behalf, never in the way of the app's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from wire.server import PATIENCE_S

import otelllm
from otelllm import semconv

from .test_keys import CANARIES, keys_of

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider, Reply, Request

    from .apps import Asking, Way

RULE: Any = {"routes": [{"name": "try the other", "shadow_to": "other-model"}]}


def _ended(otel: Telemetry, asking: Asking, many: int) -> list[Any]:
    """The spans, once there are so many; the async app's loop runs meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while len(otel.spans) < many:
        assert time.monotonic() < deadline, "the call beside never ended"
        asking.app.rest()
    return otel.spans


def test_the_other_model_is_asked_too_and_the_app_gets_its_own_answer(
    asking: Asking, provider: Provider, otel: Telemetry
) -> None:
    otel.instrument(policy=RULE)
    with otelllm.context(user="u-1", session="s-1", feature="support"):
        answer = asking.ask()
    spans = _ended(otel, asking, 2)
    assert answer
    asked = asking.arguments()["model"]
    assert sorted(request.json["model"] for request in provider.requests) == sorted([asked, "other-model"])
    (own,) = [span for span in spans if semconv.SHADOW not in span.attributes]
    (shadow,) = [span for span in spans if semconv.SHADOW in span.attributes]
    assert own.attributes[semconv.USER_ID] == "u-1"
    assert shadow.attributes[semconv.SHADOW] is True
    assert shadow.attributes[semconv.REQUEST_MODEL] == "other-model"
    assert shadow.attributes[semconv.FEATURE] == "support"
    assert not {semconv.USER_ID, semconv.CONVERSATION_ID} & set(shadow.attributes)
    assert shadow.attributes[semconv.USAGE_OUTPUT] > 0


def test_its_failure_is_its_own(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    answer_well = provider.always
    assert callable(answer_well)

    def reply(request: Request) -> Reply:
        from wire.server import whole

        if request.json["model"] == "other-model":
            return whole({"error": {"message": "no such model", "type": "x"}}, status=404)
        return answer_well(request)

    provider.always = reply
    otel.instrument(policy=RULE)
    assert asking.ask()
    spans = _ended(otel, asking, 2)
    failed = {bool(span.attributes.get(semconv.SHADOW)): semconv.ERROR_TYPE in span.attributes for span in spans}
    assert failed == {False: False, True: True}


def test_a_share_of_none_asks_nobody(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"routes": [{"shadow_to": "other-model", "share": 0}]})
    asking.ask()
    assert len(provider.requests) == 1


def test_a_call_beside_takes_the_endpoints_key_too(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it goes the app's key has no business; where it stays it is one of the pool's, and given back."""
    for number, secret in enumerate(CANARIES):
        monkeypatch.setenv(f"POOL_KEY_{number}", secret)
    base = provider.url if way.sdk == "openai" else provider.url.removesuffix("/v1")
    place = {"name": "eu", "provider": way.sdk, "base_url": base, "keys": ["env:POOL_KEY_2"]}
    pool = {"provider": way.sdk, "keys": ["env:POOL_KEY_0", "env:POOL_KEY_1"]}
    for number, to in enumerate(("other@eu", "other")):
        otel.instrument(policy={"endpoints": [place], "keys": [pool], "routes": [{"shadow_to": to}]})
        asking.ask()
        _ended(otel, asking, 2 * number + 2)
        otelllm.uninstrument()
    asked = [
        (request.json["model"] == "other", key)
        for request, key in zip(provider.requests, keys_of(provider), strict=True)
    ]
    assert sorted(asked[:2]) in ([(False, 0), (True, 2)], [(False, 1), (True, 2)])
    assert {key for is_beside, key in asked[2:]} == {0, 1}, "the calls are under way at once: each has its own"
