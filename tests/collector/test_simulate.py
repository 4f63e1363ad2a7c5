"""`otelllm policy simulate`: a file against past calls decides as it did in shadow mode, call by call."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from typing import TYPE_CHECKING, Any

import openai
import pytest
from program import answer_chats
from wire.server import Provider

import otelllm
from otelllm.call import Call, Cost, Request, Scope, Usage
from otelllm.policy import from_mapping
from otelllm.simulation.past_calls import PastCall
from otelllm.simulation.replay import replay
from otelllm.simulation.report import summed

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

POLICY = """
[state]
url = "memory:"
[[kill]]
name = "no spam"
mode = "shadow"
when = { feature = "spam" }
[[routes]]
name = "cheaper"
mode = "shadow"
when = { feature = "intent" }
model = "gpt-4o-mini"
[[outputs]]
name = "short"
mode = "shadow"
when = { feature = "summary" }
max_max_tokens = 50
[[limits]]
name = "few"
mode = "shadow"
scope = "user"
requests_per_minute = 3
when_full = "reject"
[[limits]]
name = "patient"
mode = "shadow"
scope = "all"
input_tokens_per_minute = 200
max_wait = "1h"
[[budgets]]
name = "small"
mode = "shadow"
scope = "user"
tokens = 4000
per = "day"
at = { "30%" = "warn", "60%" = "route:gpt-4o-mini", "100%" = "block" }
[cache.exact]
mode = "shadow"
scope = "all"
"""


def _made(running: Collector, policy: str) -> None:
    """Some calls of an instrumented app."""
    provider = answer_chats(Provider())
    features = ("spam", "intent", "summary", "support")
    otelllm.instrument(endpoint=running.url, policy=from_toml(policy), service_name="app")
    try:
        with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as client:
            for number in range(14):
                with otelllm.context(user=f"u-{number % 2}", feature=features[number % 4]):
                    client.chat.completions.create(
                        model="gpt-4o", messages=[{"role": "user", "content": f"question {number % 5}"}],
                        temperature=0, max_tokens=100,
                    )  # fmt: skip
        assert otelllm.flush(20)
    finally:
        otelllm.uninstrument()
        provider.close()


def from_toml(text: str) -> Any:
    return from_mapping(tomllib.loads(text))


def _told(decision: dict[str, str]) -> tuple[str, ...]:
    return tuple(decision[name] for name in ("stage", "rule", "outcome", "scope"))


def _recorded(running: Collector) -> dict[str, list[tuple[str, ...]]]:
    """What shadow mode wrote on each span."""
    sql = (
        "select s.span_id, e.attributes from spans s join events e using (span_id)"
        " where e.name = 'otelllm.decision' order by s.start_ns, e.time_ns"
    )
    found = running.client.post("/api/sql", json={"sql": sql}).json()
    told: dict[str, list[tuple[str, ...]]] = {}
    for span_id, attributes in found["rows"]:
        event = json.loads(attributes) if isinstance(attributes, str) else attributes
        told.setdefault(span_id, []).append(_told(event))
    return told


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "otelllm.cli", *arguments], capture_output=True, text=True,
                          timeout=100, check=False)  # fmt: skip


def test_the_same_decisions_as_in_shadow_mode_call_by_call(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    _made(running, POLICY)
    file, calls = tmp_path / "otelllm.toml", tmp_path / "calls.jsonl"
    file.write_text(POLICY.replace('mode = "shadow"', 'mode = "enforce"'))
    done = command("policy", "simulate", str(file), "--since", "1h", "--url", running.url, "--calls", str(calls))
    assert done.returncode == 0, done.stderr
    replayed = {
        line["span_id"]: [
            tuple(one[name] for name in ("stage", "rule", "outcome", "scope")) for one in line["decisions"]
        ]
        for line in map(json.loads, calls.read_text().splitlines())
    }
    assert len(replayed) == 14
    recorded = _recorded(running)
    assert {span for span, decisions in replayed.items() if decisions} == set(recorded)
    for span, decisions in recorded.items():
        assert sorted(replayed[span]) == sorted(one for one in decisions if one[2] != "overshoot")
    outcomes = {one[2] for decisions in recorded.values() for one in decisions}
    assert outcomes >= {"would_block", "would_route", "would_limit", "would_queue", "would_warn", "would_hit"}
    assert "14 calls" in done.stdout


def _past(number: int, *, seconds: float, usd: float = 0.01, key: str | None = None, **scope: Any) -> PastCall:
    call = Call("openai", "chat", Request(model="gpt-4o"), Scope(**scope))
    start = int((1_800_000_000 + seconds) * 1e9)
    past = PastCall(call, f"{number:032x}", f"{number:016x}", start, start + 10**9, None, key, is_blocked=False)
    past._usage, past._cost = Usage(input=1000, output=500), Cost("exact", usd)
    return past


def test_what_is_refused_takes_nothing_and_time_gives_it_back() -> None:
    """3 requests a minute: of 6 at once 3 pass, and a minute later 3 more."""
    policy = from_mapping(
        {"limits": [{"name": "few", "scope": "all", "requests_per_minute": 3, "when_full": "reject"}]}
    )
    calls = [_past(number, seconds=number // 6 * 60 + number % 6 * 0.01) for number in range(12)]
    blocked = [bool(one.decisions) for one in replay(policy, calls)]
    assert blocked == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 3


def test_a_budget_goes_by_what_calls_came_to_and_by_the_days_of_then() -> None:
    policy = from_mapping({"budgets": [{"name": "b", "scope": "user", "usd": 0.025, "per": "day"}]})
    calls = [_past(number, seconds=number * 10, user="u") for number in range(5)]
    calls += [_past(9, seconds=86_400, user="u"), _past(10, seconds=86_401, user="v")]
    report = summed(replay(policy, calls))
    assert (report.calls, report.blocked) == (7, 3)
    assert report.saved_usd == pytest.approx(0.03)


def test_money_is_saved_by_what_goes_elsewhere_and_by_what_is_cached() -> None:
    policy = from_mapping({
        "routes": [{"name": "cheap", "when": {"feature": "intent"}, "model": "gpt-4o-mini"}],
        "cache": {"exact": {"scope": "all", "only_when_deterministic": False, "ttl": "1m"}},
    })  # fmt: skip
    calls = [
        _past(1, seconds=0, usd=0.0075, feature="intent"),
        _past(2, seconds=5, key="a"), _past(3, seconds=20, key="a"), _past(4, seconds=90, key="a"),
        _past(5, seconds=91, key="b"),
    ]  # fmt: skip
    report = summed(replay(policy, calls), caches=True)
    assert (report.routed, report.cached, report.keyless) == (1, 1, 1)
    assert report.saved_usd == pytest.approx(0.0075 - 0.00045 + 0.01)


def test_a_million_calls_need_no_million_seconds() -> None:
    """Nothing waits in a replay, whatever the calls' own times are."""
    policy = from_mapping({"limits": [{"scope": "all", "requests_per_minute": 1, "max_wait": "1h"}]})
    began = time.monotonic()
    report = summed(replay(policy, (_past(number, seconds=number) for number in range(2_000))))
    assert report.queued > 0
    assert time.monotonic() - began < 30
