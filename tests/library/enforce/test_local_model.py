"""A whole policy over a real model on this machine, through both SDKs, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from end_to_end.app import model_server

import otelllm
from otelllm import semconv

from .apps import Asking, Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

pytestmark = pytest.mark.slow
pytest.importorskip("xllamacpp", reason="the local model is not in every environment of the test matrix")

MODEL = "gemma-3-270m"
ALLOWED = 2_000
POLICY: dict[str, Any] = {
    "state": {"url": "memory:"},
    "limits": [{"scope": "model:gemma*", "requests_per_minute": 600, "concurrent": 2}],
    "budgets": [
        {"name": "tokens", "scope": "user", "tokens": ALLOWED, "per": "day"},
        {"name": "nothing", "scope": "user:poor", "tokens": 1, "per": "day"},
    ],
    "outputs": [{"max_max_tokens": 16}],
    "retries": {"max_attempts": 2, "base": "1ms"},
    "fallbacks": [{"model": "gone*", "to": MODEL, "on": ["5xx", "429", "timeout"]}],
    "cache": {"exact": {"scope": "user"}},
    "kill": [{"when": {"feature": "closed"}, "answer": "Back soon."}],
}
ENDS = ["\n", "."]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_server() as url:
        yield url


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_whole_policy_holds_over_a_real_model(otel: Telemetry, url: str, sdk: str, kind: str) -> None:
    """Shortened, counted, kept and given again, refused, answered by a rule: each on its span."""
    otel.instrument(policy=POLICY)
    asking = Asking(Way(sdk, kind, is_streamed=False), url.removesuffix("/v1") if sdk == "anthropic" else url)
    ends: dict[str, Any] = {"stop": ENDS} if sdk == "openai" else {"stop_sequences": ENDS}
    said: dict[str, Any] = {"model": MODEL, "max_tokens": 400, **ends}
    said |= {"temperature": 0} if sdk == "openai" else {"extra_body": {"temperature": 0}}
    try:
        with otelllm.context(user=f"{sdk}-{kind}"):
            first = asking.ask("Lighthouses are", **said)
            assert asking.ask("Lighthouses are", **said) == first
            asking.ask("Ships are", **said)
            asking.ask("Harbours are", **said)
        with otelllm.context(user="poor"), pytest.raises(otelllm.BudgetExceeded, match="nothing"):
            asking.ask("Gulls are", **said)
        with otelllm.context(feature="closed"):
            assert asking.ask("Lighthouses are", **said) == "Back soon."
    finally:
        asking.app.stop()
    spans = [span.attributes or {} for span in otel.spans]
    assert [span.get(semconv.CACHE_OUTCOME) for span in spans][1] == "hit"
    assert all(span[semconv.USAGE_OUTPUT] <= 16 for span in (spans[0], *spans[2:4]))
    assert sum(span.get(semconv.USAGE_INPUT, 0) + span.get(semconv.USAGE_OUTPUT, 0) for span in spans) < ALLOWED
    assert [span.get(semconv.VERDICT) for span in spans] == [None] * 4 + ["block"] * 2
