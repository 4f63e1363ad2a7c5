"""The mistralai SDK: retries of the policy in place of the SDK's own, and keys out of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import Reply, whole

from otelllm import semconv

from .app import method, of

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

POLICY: dict[str, Any] = {
    "retries": {"max_attempts": 3, "base": "1ms", "storm_ratio": 1.0},
    "keys": [{"provider": "mistral_ai", "keys": ["env:POOL_A", "env:POOL_B"], "cooldown": "1h"}],
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them."""
    monkeypatch.setenv("POOL_A", "canary-key-a")
    monkeypatch.setenv("POOL_B", "canary-key-b")


def refused(status: int) -> Reply:
    """An error without a body that anybody knows."""
    return whole("{}", status=status)


def ask(app: Any) -> Any:
    """One call."""
    asked = [{"role": "user", "content": "When was the one at Skagen lit?"}]
    return app.call(method(app.client, app.client.chat, "complete"), model="mistral-large-latest", messages=asked)


def test_ours_are_in_place_of_the_sdks(otel: Telemetry, provider: Provider, make_app: Callable[..., Any]) -> None:
    """A client that would try six times; what it raises in the end is its own."""
    otel.instrument(policy=POLICY)
    provider.always = refused(503)
    backoff = of("utils", "BackoffStrategy")(1, 2, 1.1, 20)
    retries = of("utils", "RetryConfig")("backoff", backoff, True)
    app = make_app(retry_config=retries)
    with pytest.raises(Exception) as caught:  # noqa: PT011  the SDK's own
        ask(app)
    assert type(caught.value).__module__.partition(".")[0] in {"mistralai"}
    assert len(provider.requests) == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3


def test_another_key_is_taken_where_one_is_refused(otel: Telemetry, provider: Provider, app: Any) -> None:
    """And the app gets its answer."""
    otel.instrument(policy=POLICY)
    provider.reply(refused(429), whole(files.body("mistral/chat.json")))
    assert ask(app) is not None
    used = [
        next(key for key in ("canary-key-a", "canary-key-b") if key in str(one.headers)) for one in provider.requests
    ]
    assert len(set(used)) == 2
    assert otel.attributes[semconv.ATTEMPTS] == 2
    assert "canary-key" not in otel.everything()
