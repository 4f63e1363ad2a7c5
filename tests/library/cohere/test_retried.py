"""The cohere SDK: retries of the policy in place of the SDK's own, and keys out of a pool."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import cohere
import pytest
from wire import files
from wire.server import Reply, whole

from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

POLICY: dict[str, Any] = {
    "retries": {"max_attempts": 3, "base": "1ms", "storm_ratio": 1.0},
    "keys": [{"provider": "cohere", "keys": ["env:POOL_A", "env:POOL_B"], "cooldown": "1h"}],
}

MORE = {"max_retries": 5} if "max_retries" in inspect.signature(cohere.Client.__init__).parameters else {}
"""Older ones retry by a default of their own."""


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
    return app.call(app.client.chat, model=MODEL, messages=QUESTION)


def test_ours_are_in_place_of_the_sdks(otel: Telemetry, provider: Provider, make_app: Callable[..., Any]) -> None:
    """A client that would try six times; what it raises in the end is its own."""
    otel.instrument(policy=POLICY)
    provider.always = refused(503)
    app = make_app(**MORE)
    with pytest.raises(Exception) as caught:  # noqa: PT011  the SDK's own
        ask(app)
    assert type(caught.value).__module__.partition(".")[0] in {"cohere"}
    assert len(provider.requests) == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3


def test_another_key_is_taken_where_one_is_refused(otel: Telemetry, provider: Provider, app: Any) -> None:
    """And the app gets its answer."""
    otel.instrument(policy=POLICY)
    provider.reply(refused(429), whole(files.body("cohere/chat.json")))
    assert ask(app) is not None
    used = [
        next(key for key in ("canary-key-a", "canary-key-b") if key in str(one.headers)) for one in provider.requests
    ]
    assert len(set(used)) == 2
    assert otel.attributes[semconv.ATTEMPTS] == 2
    assert "canary-key" not in otel.everything()
