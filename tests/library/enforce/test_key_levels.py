"""A pool takes the key that has most left of its limits, as this process saw it last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otelllm.enforce.key_levels import KeyLevels
from otelllm.state.spec import Bucket, Claim

from .apps import Asking, Way, answer_all

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider


def test_a_rate_fills_up_again_and_the_emptiest_bucket_counts():
    now = 100.0
    levels = KeyLevels(lambda: now)
    assert levels.remaining("k") is None
    claims = [Claim(Bucket("r", "rate", 60.0, per_s=1.0), 1.0), Claim(Bucket("s", "slots", 10.0), 1.0)]
    levels.saw("k", claims, [60.0, 2.0])
    assert levels.remaining("k") == 0.0
    now += 15
    assert levels.remaining("k") == pytest.approx(0.25)
    now += 600
    assert levels.remaining("k") == pytest.approx(0.8), "a slot comes back when somebody gives it back"


def test_calls_go_to_the_key_with_most_left(
    provider: Provider, otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two keys of ten requests a minute: they are used by turns, and neither is asked for more than it has."""
    monkeypatch.setenv("POOL_A", "sk-a")
    monkeypatch.setenv("POOL_B", "sk-b")
    way = Way("openai", "sync", is_streamed=False)
    answer_all(provider, way)
    otel.instrument(
        policy={
            "state": {"url": "memory:"},
            "keys": [{"provider": "openai", "keys": ["env:POOL_A", "env:POOL_B"]}],
            "limits": [{"scope": "key", "requests_per_minute": 10, "when_full": "reject", "follow_headers": False}],
        }
    )
    asking = Asking(way, provider.url)
    for _ in range(16):
        assert asking.ask()
    asking.app.stop()
    used = [request.headers["authorization"] for request in provider.requests]
    assert {key: used.count(f"Bearer {key}") for key in ("sk-a", "sk-b")} == {"sk-a": 8, "sk-b": 8}
