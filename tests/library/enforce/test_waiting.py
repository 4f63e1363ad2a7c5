"""Threads and tasks wait in one line; who leaves it frees the place; a provider that limits itself refuses nothing."""

from __future__ import annotations

import asyncio
import threading
import time

import openai
import pytest
from wire.server import PATIENCE_S, Gate, Reply, Request, sse, whole

import otelllm
from otelllm.errors import RateLimited

from .apps import WAYS, answer_of

MESSAGES = [{"role": "user", "content": "hello"}]
WHOLE, STREAM = WAYS[0], WAYS[1]


def policy(**rule):
    return {"state": {"url": "memory:"}, "limits": [{"scope": "all", **rule}]}


def waiting() -> int:
    """How many calls stand in line."""
    lines = otelllm.setup._running.enforcement._queue._lines
    return sum(len(rank) for line in list(lines.values()) for rank in line._waiting)


def wait_until_waiting(many: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while waiting() != many:
        assert time.monotonic() < until, f"{waiting()} calls wait, not {many}"
        threading.Event().wait(0.001)


async def until_waiting(many: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while waiting() != many:
        assert time.monotonic() < until, f"{waiting()} calls wait, not {many}"
        await asyncio.sleep(0.001)


@pytest.fixture
def clients(provider):
    options = {"api_key": "k", "base_url": provider.url, "max_retries": 0}
    with openai.OpenAI(**options) as sync:
        yield sync, lambda: openai.AsyncOpenAI(**options)


def test_a_thread_and_a_task_wait_for_the_same_slot_in_the_order_in_which_they_came(otel, provider, clients):
    """A stream holds its slot until its end, whoever reads it."""
    otel.instrument(policy=policy(concurrent=1))
    sync, make_async = clients
    provider.always = lambda request: answer_of(STREAM if request.json.get("stream") else WHOLE)
    stream = sync.chat.completions.create(model="first", messages=MESSAGES, stream=True)
    thread = threading.Thread(target=lambda: sync.chat.completions.create(model="second", messages=MESSAGES))
    thread.start()
    wait_until_waiting(1)

    async def app() -> None:
        async with make_async() as client:
            task = asyncio.create_task(client.chat.completions.create(model="third", messages=MESSAGES))
            await until_waiting(2)
            assert [request.json["model"] for request in provider.requests] == ["first"]
            await asyncio.to_thread(list, stream)
            await task

    asyncio.run(app())
    thread.join()
    assert [request.json["model"] for request in provider.requests] == ["first", "second", "third"]


def test_a_cancelled_task_leaves_the_line(otel, provider, clients):
    otel.instrument(policy=policy(concurrent=1))
    sync, make_async = clients
    provider.always = lambda request: answer_of(STREAM if request.json.get("stream") else WHOLE)
    stream = sync.chat.completions.create(model="first", messages=MESSAGES, stream=True)

    async def app() -> None:
        async with make_async() as client:
            tasks = [
                asyncio.create_task(client.chat.completions.create(model=name, messages=MESSAGES))
                for name in ("second", "third")
            ]
            await until_waiting(2)
            tasks[0].cancel()
            await until_waiting(1)
            await asyncio.to_thread(list, stream)
            await tasks[1]
            with pytest.raises(asyncio.CancelledError):
                await tasks[0]

    asyncio.run(app())
    assert [request.json["model"] for request in provider.requests] == ["first", "third"]
    assert waiting() == 0
    cancelled = next(span for span in otel.spans if span.name == "chat second")
    assert (cancelled.attributes or {})["error.type"] == "cancelled"


def test_a_cancelled_call_that_was_sent_gives_its_slot_back(otel, provider, clients):
    otel.instrument(policy=policy(concurrent=1))
    sync, make_async = clients
    gate = Gate()
    provider.reply(sse(gate))
    provider.always = answer_of(WHOLE)

    async def app() -> None:
        async with make_async() as client:
            task = asyncio.create_task(client.chat.completions.create(model="first", messages=MESSAGES))
            await asyncio.to_thread(gate.wait_reached)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(app())
    gate.open()
    assert sync.chat.completions.create(model="second", messages=MESSAGES).id


class OwnLimits:
    """A provider's limit of requests: full at first, one more a second."""

    def __init__(self, capacity: float, per_s: float) -> None:
        self.level, self.capacity, self.per_s = capacity, capacity, per_s
        self.at = time.monotonic()
        self.refused = self.answered = 0
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            now = time.monotonic()
            self.level = min(self.capacity, self.level + (now - self.at) * self.per_s)
            self.at = now
            if self.level < 1:
                self.refused += 1
                return whole({"error": {"message": "slow down"}}, status=429, retry_after="1")
            self.level -= 1
            self.answered += 1
            reply = answer_of(STREAM if request.json.get("stream") else WHOLE)
            reply.headers = {**reply.headers, "x-ratelimit-remaining-requests": f"{self.level:.0f}"}
            return reply


@pytest.mark.slow
def test_a_provider_that_enforces_its_own_limits_refuses_nothing(otel, provider, clients):
    """Eight threads ask as fast as they can: what there is is used, the rest waits or is told to come later."""
    own = OwnLimits(capacity=120, per_s=2)
    provider.always = own.answer
    otel.instrument(policy=policy(scope="provider:openai", requests_per_minute=120, max_wait="2s"))
    sync, _ = clients
    until = time.monotonic() + 6
    refused: list[RateLimited] = []

    def ask(is_streamed: bool) -> None:
        while time.monotonic() < until:
            try:
                answer = sync.chat.completions.create(model="m", messages=MESSAGES, stream=is_streamed)
                if is_streamed:
                    list(answer)
            except RateLimited as refusal:
                refused.append(refusal)
                time.sleep(0.05)

    threads = [threading.Thread(target=ask, args=(bool(number % 2),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own.refused == 0
    assert own.answered >= 0.95 * (120 + 6 * 2)
    assert refused
