"""A world with a clock of its own: calls that pass admission, and a provider that enforces its own limits."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from otelllm.attempt import AS_ASKED, Attempt, Failure
from otelllm.call import Call, Request, Scope, Usage
from otelllm.enforce.admission import Admission
from otelllm.enforce.limits import read as read_limit
from otelllm.enforce.queue import Queue, QueueRules
from otelllm.enforce.sizes import Sizes
from otelllm.errors import RateLimited
from otelllm.stages import Asked
from otelllm.state.memory import Memory
from otelllm.steps import Wait

PARTS = 4
MAX_TOKENS = "gen_ai.request.max_tokens"


class World:
    """Runs generators of steps; a `Wait` costs no time but its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Generator[Any, Any, Any], int]] = []
        self._order = count()
        self._turn: dict[Generator[Any, Any, Any], int] = {}

    def clock(self) -> float:
        return 1000.0 + self.now

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now

    def start(self, at: float, life: Generator[Any, Any, Any]) -> None:
        self._turn[life] = 0
        heapq.heappush(self._due, (at, next(self._order), life, 0))

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            at, _, life, turn = heapq.heappop(self._due)
            if self._turn.get(life) == turn:
                self.now = max(self.now, at)
                self._step(life)
        self.now = until

    def stop(self, life: Generator[Any, Any, Any]) -> None:
        """As a cancelled task ends."""
        del self._turn[life]
        life.close()

    def _step(self, life: Generator[Any, Any, Any]) -> None:
        try:
            step = life.send(None)
        except StopIteration:
            del self._turn[life]
            return
        assert type(step) is Wait, f"{step} would leave the simulation"
        turn = self._turn[life] = self._turn[life] + 1
        heapq.heappush(self._due, (self.now + step.seconds, next(self._order), life, turn))
        if (gate := step.gate) is not None:

            def wake() -> None:
                heapq.heappush(self._due, (self.now, next(self._order), life, turn))

            gate.tell(wake)
            if gate.is_open:
                wake()
            gate._opened.clear()


@dataclass
class Bucket:
    """A provider's: filled at a steady rate, as OpenAI and Anthropic say that theirs are."""

    capacity: float
    level: float = 0.0
    at: float = 0.0
    taken: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.capacity

    def left(self, now: float) -> float:
        self.level = min(self.capacity, self.level + (now - self.at) * self.capacity / 60)
        self.at = now
        return self.level

    def take(self, amount: float) -> None:
        self.level -= amount
        self.taken += amount


@dataclass
class Provider:
    """Limits requests, and tokens that go in and out; counts what it refuses."""

    requests: Bucket
    input: Bucket
    output: Bucket
    refused: int = 0
    answered: int = 0

    def ask(self, now: float, tokens_in: float) -> bool:
        """Of the answer it counts each token when it is made, as Anthropic says; there must be room for one."""
        buckets = ((self.requests, 1.0), (self.input, tokens_in), (self.output, 1.0))
        if any(bucket.left(now) < amount - 1e-6 for bucket, amount in buckets):
            self.refused += 1
            return False
        for bucket, amount in buckets:
            bucket.take(amount)
        self.answered += 1
        return True

    def headers(self, now: float) -> dict[str, str]:
        return {
            "anthropic-ratelimit-requests-remaining": f"{max(self.requests.left(now), 0):.0f}",
            "anthropic-ratelimit-input-tokens-remaining": f"{max(self.input.left(now), 0):.0f}",
            "anthropic-ratelimit-output-tokens-remaining": f"{max(self.output.left(now), 0):.0f}",
        }


@dataclass
class Seen:
    """How one call fared."""

    priority: str
    came: float
    waited: float | None = None
    tokens: float = 0.0
    refused: RateLimited | None = None
    answered: float | None = None
    call: Call = field(repr=False, default=None)  # type: ignore[assignment]  # said as soon as there is one


@dataclass
class App:
    """Calls of one app."""

    world: World
    provider: Provider
    admission: Admission
    chance: random.Random
    latency: Callable[[], float]
    seen: list[Seen] = field(default_factory=list)

    def life(
        self, priority: str, chars: int, answer: int, limit: int | None, seconds: float
    ) -> Generator[Any, Any, None]:
        """One call, from its first step to its settlement."""
        world, now = self.world, self.world.now
        request = Request(model="m", attributes={} if limit is None else {MAX_TOKENS: limit})
        call = Call("openai", "chat", request, Scope(feature="f", priority=priority))
        sent = {"messages": [{"role": "user", "content": "x" * chars}]}
        asked = Asked(None, None, None, sent, None)  # type: ignore[arg-type]
        attempt = Attempt(1, AS_ASKED, 0)
        seen = Seen(priority, now, call=call)
        self.seen.append(seen)
        try:
            yield from self.admission(call, asked, attempt)
        except RateLimited as refusal:
            seen.refused = refusal
            return
        seen.waited = world.now - now
        tokens_in = round(chars / 3.6) + 9
        yield Wait(self.latency())
        is_let = self.provider.ask(world.now, tokens_in)
        headers = self.provider.headers(world.now)
        for part in range(PARTS if is_let else 0):
            yield Wait(seconds / PARTS)
            self.provider.output.left(world.now)
            self.provider.output.take(answer / PARTS - (not part))
        for told in call.on_headers:
            told(headers)
        if is_let:
            call.reading.usage = Usage(input=tokens_in, output=answer)
            seen.tokens, seen.answered = tokens_in + answer, world.now
        else:
            attempt.failure = Failure("429", 429, 1.0)
        self.admission.settle(call, attempt)


def admission(world: World, rules: Iterable[dict[str, Any]], queue: QueueRules | None = None) -> Admission:
    limits = [read_limit(rule, ("limits", n), n) for n, rule in enumerate(rules)]
    state = Memory(clock=world.clock, wall=world.wall)
    return Admission(limits, state=state, queue=Queue(queue or QueueRules()), sizes=Sizes(), clock=world.clock)
