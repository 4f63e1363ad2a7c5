"""Several processes of an app, through the real clients: no cap is exceeded, and one that is killed holds nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import openai
import pytest
from wire import files
from wire.server import Gate, Provider, Reply, Request, sse, whole

import otelllm
from otelllm.state.opening import open_state
from otelllm.state.spec import Bucket
from otelllm.steps import drive

from . import racing_app

HERE = Path(__file__).parent
SLOTS, TOKENS = (
    racing_app.POLICY["limits"][0]["concurrent"], racing_app.POLICY["limits"][1]["tokens_per_day"]
)  # fmt: skip
INPUT = 10


@pytest.fixture(params=["sqlite", "redis"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'counters.sqlite'}"
    return f"{request.getfixturevalue('redis_url')}?socket_timeout=10&namespace=race"


class Billing:
    """A provider that bills each request that it does not fail, and sees how many it works on at once."""

    def __init__(self) -> None:
        self.billed = self.failed = self.peak = 0
        self._working = 0
        self._chance = random.Random(1)  # the same each time
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            if self._chance.random() < 0.15:
                self.failed += 1
                return whole({"type": "error", "error": {"message": "try later"}}, status=500)
            output = self._chance.randrange(1, 101)
            self.billed += INPUT + output
        sdk = "anthropic" if "messages" in request.path else "openai"
        name = "message" if sdk == "anthropic" else "chat"
        kind, pieces = "application/json", [files.body(f"{sdk}/{name}.json")]
        if request.json.get("stream"):
            kind, pieces = "text/event-stream", files.events(f"{sdk}/{name}_stream.sse")
        pieces = [_billed(piece, output) for piece in pieces]
        # The caller of a cancelled one may have left by now, and its slot is another's.
        return Reply(steps=pieces if b"cancelled" in request.body else self._work(pieces), content_type=kind)

    def _work(self, pieces: list[bytes]) -> Iterator[bytes]:
        with self._lock:
            self._working += 1
            self.peak = max(self.peak, self._working)
        sleep(0.003)  # in which others come
        with self._lock:
            self._working -= 1
        yield from pieces


def _billed(body: bytes, output: int) -> bytes:
    """An answer of the wire files, with other counts of tokens."""
    counts = {
        b'"prompt_tokens": 1200': b'"prompt_tokens": %d' % INPUT,
        b'"cached_tokens": 1024': b'"cached_tokens": 0',
        b'"completion_tokens": 50': b'"completion_tokens": %d' % output,
        b'"input_tokens": 176': b'"input_tokens": %d' % INPUT,
        b'"cache_creation_input_tokens": 24': b'"cache_creation_input_tokens": 0',
        b'"cache_read_input_tokens": 1000': b'"cache_read_input_tokens": 0',
        b'"ephemeral_5m_input_tokens": 24': b'"ephemeral_5m_input_tokens": 0',
        b'"output_tokens": 50': b'"output_tokens": %d' % output,
    }
    for written, told in counts.items():
        body = body.replace(written, told)
    return body


@pytest.mark.slow
@pytest.mark.thorough
def test_64_callers_in_each_of_4_processes_never_exceed_a_cap_in_strict_mode(provider: Provider, state: str) -> None:
    """Of both SDKs, sync and async, whole and streamed; some calls fail, some are cancelled: the provider never works
    on more than the slots, never bills more than the allowance, and next to all of it is used.
    """
    billing = Billing()
    provider.always = billing.answer
    command = [sys.executable, str(HERE / "racing_app.py")]
    racers = [
        subprocess.Popen([*command, sdk, provider.url, state, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed, sdk in enumerate(["openai", "anthropic"] * 2)
    ]
    told = [json.loads(racer.communicate()[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert all(one["answered"] and one["refused"] for one in told)
    assert sum(one.get("cancelled", 0) for one in told) > 0
    assert sum(one.get("failed", 0) for one in told) > 0
    assert 2 <= billing.peak <= SLOTS
    counters = open_state(state, "race")
    day = Bucket("tokens|all||tokens_per_day", "sum", TOKENS, window_s=86_400.0)
    slots = Bucket("slots|all||concurrent", "slots", SLOTS)
    counted, held = drive(counters.read([day, slots]), None)
    counters.close()
    assert TOKENS * 0.8 <= billing.billed <= counted <= TOKENS
    assert held == 0


KILLED = """
import sys, threading
import openai, otelllm
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from otelllm.enforce import admission
admission.TTL_S = 1.0  # a minute is long for a test
otelllm.instrument(policy={policy!r}, tracer_provider=TracerProvider(), meter_provider=MeterProvider())
client = openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0)
def ask():
    messages = [{{"role": "user", "content": "hello"}}]
    client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=100)
for _ in range(2):
    threading.Thread(target=ask).start()
"""


@pytest.mark.slow
def test_a_killed_app_leaves_its_slots_and_its_budget_to_others(otel: Any, provider: Provider, state: str) -> None:
    """`kill -9` with two calls under way: what they had reserved is free again within their leases, and of the budget
    only what was sent stays charged.
    """
    policy = {
        "state": {"url": state},
        "limits": [{"name": "slots", "scope": "all", "concurrent": 2, "when_full": "reject", "fail": "closed"}],
        "budgets": [{"name": "all", "tokens": 420, "per": "day", "estimate": "strict", "fail": "closed"}],
    }
    gates = [Gate(), Gate()]
    provider.reply(*(sse(gate) for gate in gates))
    provider.always = lambda request: whole(files.body("openai/chat.json").replace(b": 1200", b": 12"))
    app = subprocess.Popen([sys.executable, "-c", KILLED.format(policy=policy, url=provider.url)])
    for gate in gates:
        gate.wait_reached()
    otel.instrument(policy=policy, service_name="program")
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as client:

        def ask() -> Any:
            messages: Any = [{"role": "user", "content": "hello"}]
            return client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=100)

        with pytest.raises(otelllm.BudgetExceeded):
            ask()
        app.kill()
        app.wait()
        answer = None
        while answer is None:  # it is refused until the leases end
            try:
                answer = ask()
            except (otelllm.RateLimited, otelllm.BudgetExceeded):
                assert len(provider.requests) == 2
        assert answer.usage.prompt_tokens == 12
    for gate in gates:
        gate.open()
