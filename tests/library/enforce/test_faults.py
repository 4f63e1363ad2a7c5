"""Parts of the enforcement fail, one at a time, under a whole policy: the app gets its answers, and its refusals."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import openai
import pytest
from library.faults import as_in_production, broken  # noqa: F401  the first is a fixture

from otelllm import Blocked, context, safely

from .apps import Asking, Way
from .test_retries import refusal

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

RULES: dict[str, Any] = {
    "state": {"url": "memory:"},
    "limits": [
        {"scope": "user", "requests_per_minute": 100, "input_tokens_per_minute": 90_000, "follow_headers": True}
    ],
    "budgets": [{"scope": "user", "usd": 5.0, "per": "day", "at": {"90%": "warn", "100%": "block"}}],
    "routes": [
        {"when": {"feature": "intent"}, "model": "gpt-4o-mini"},
        {"when": {"feature": "support"}, "shadow_to": "gpt-4.1", "share": 1.0},
    ],
    "outputs": [{"when": {"feature": "support"}, "default_max_tokens": 400}],
    "retries": {"max_attempts": 3, "base": "1ms"},
    "fallbacks": [{"model": "gpt-4o", "to": ["gpt-4o-mini"], "on": ["5xx"]}],
    "cache": {"exact": {"scope": "user"}},
    "kill": [{"when": {"feature": "closed"}}],
}
IN = "otelllm.enforce"
PARTS = [
    f"{IN}.kill_switch:KillSwitch.decide",
    f"{IN}.routing:Routing.choose",
    f"{IN}.routing:Routing.beside",
    f"{IN}.outputs:Outputs.limit",
    f"{IN}.recovery:_place",
    f"{IN}.recovery:Recovery.__call__",
    f"{IN}.targets:Targets.plan",
    f"{IN}.targets:Targets.breaker",
    f"{IN}.admission:Admission._admit",
    f"{IN}.admission:Admission._shares",
    f"{IN}.admission:Admission.settle",
    f"{IN}.admission:measure",
    f"{IN}.budgets:Budget.claims",
    f"{IN}.budgets:Budget.taken",
    f"{IN}.budgets:Budget.spent",
    f"{IN}.limits:Limit.claims",
    f"{IN}.limits:Limit.spent",
    f"{IN}.sizes:Sizes.likely",
    f"{IN}.sizes:Sizes.learn",
    f"{IN}.cache.exact:request_key",
    f"{IN}.cache.exact:scope_of",
    f"{IN}.cache.exact:unpacked",
    f"{IN}.cache.exact:Tape.__init__",
    f"{IN}.cache.kept:Kept.look_up",
    f"{IN}.cache.kept:Kept.put",
    f"{IN}.cache.flights:Flights.board",
    f"{IN}.cache.tape:Tape.received",
    f"{IN}.cache.tape:Tape._keep",
    "otelllm.state.memory:Memory.acquire",
    "otelllm.state.memory:Memory.settle",
    "otelllm.providers.openai:_OpenAI.identity",
    "otelllm.providers.openai:_OpenAI.record",
    "otelllm.providers.openai:_OpenAI.revive",
    "otelllm.tries:failure_of",
    "otelllm.tries:read_headers",
]  # fmt: skip
WAYS = [Way("openai", "sync", False), Way("openai", "async", True)]


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    """One SDK's: what fails here is the same for each."""
    found: Way = request.param
    return found


@pytest.mark.parametrize("part", PARTS)
def test_a_broken_part_of_the_enforcement_never_reaches_the_app(
    otel: Telemetry, asking: Asking, provider: Provider, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """New, asked again, and after a failure that passes: each gets its answer or a refusal of the provider's own."""
    called = broken(monkeypatch, part)
    otel.instrument(policy=RULES)
    for feature in ("support", "intent"):
        with context(user="anna", feature=feature, cache=True):
            for _ in range(2):
                assert asking.ask()
    with context(user="bert", feature="intent"):
        provider.reply(refusal(500, "api_error"))
        with contextlib.suppress(openai.InternalServerError):
            assert asking.ask("again")
    asking.app.settle()
    assert called, f"{part} was never called: the test proves nothing"
    assert safely.failures


@pytest.mark.parametrize("way", WAYS[:1], ids=str, indirect=True)
@pytest.mark.parametrize("part", [part for part in PARTS if "kill_switch" not in part])
def test_and_what_another_rule_forbids_stays_forbidden(
    otel: Telemetry, asking: Asking, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The kill switch holds whatever else is broken."""
    broken(monkeypatch, part)
    otel.instrument(policy=RULES)
    with context(user="anna", feature="closed"), pytest.raises(Blocked):
        asking.ask()
