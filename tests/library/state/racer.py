"""One of several processes that race for the same buckets, until the rate has nothing left: `racer.py URL SEED`.
It says as JSON what it took and gave back, and when.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time

from otelllm.state.opening import open_state
from otelllm.state.spec import Bucket, Claim, Lease, Refused
from otelllm.steps import adrive, drive

RATE = Bucket("rate", "rate", 1_500, per_s=1e-6)
SLOTS = Bucket("slots", "slots", 7)
SUM = Bucket("sum", "sum", 20_000)
PATIENCE_S = 60.0
THREADS, TASKS = 56, 8
events: list[tuple[int, str, float]] = []
"""When, of what, how much more is used from then on."""


over = threading.Event()
"""The rate has nothing left."""


def claims(chance: random.Random) -> tuple[list[Claim], list[float]]:
    """What is asked for, and what will be used of it."""
    tokens, cost = chance.randrange(1, 9), chance.randrange(1, 40)
    used = chance.choice([0, cost, chance.randrange(cost + 1)])  # failed, as reserved, less
    return [Claim(RATE, tokens), Claim(SLOTS, 1), Claim(SUM, cost)], [tokens, 1, used]


def took(asked: list[Claim]) -> None:
    now = time.monotonic_ns()
    events.extend((now, claim.bucket.key, claim.amount) for claim in asked)


def gave(state, lease: Lease, asked: list[Claim], used: list[float]) -> None:
    now = time.monotonic_ns()
    events.extend([(now, "slots", -1), (now, "sum", used[2] - asked[2].amount)])
    state.settle(lease, used)


def goes_on(outcome: object) -> bool:
    """Whether the race goes on after a refusal."""
    if type(outcome) is Refused and outcome.claim.bucket is RATE:
        over.set()
    return not over.is_set()


def race(state, until: float, chance: random.Random) -> None:
    while not over.is_set() and time.monotonic() < until:
        asked, used = claims(chance)
        lease = drive(state.acquire(asked, 60.0), None)
        if type(lease) is Lease:
            took(asked)
            time.sleep(chance.random() / 500)
            gave(state, lease, asked, used)
        elif goes_on(lease):
            time.sleep(0.002)


async def arace(state, until: float, chance: random.Random) -> None:
    async def one() -> None:
        asked, used = claims(chance)
        lease = await adrive(state.acquire(asked, 60.0), None)
        if type(lease) is Lease:
            took(asked)
            try:
                await asyncio.sleep(chance.random() / 500)
            finally:
                gave(state, lease, asked, used)
        else:
            goes_on(lease)

    while not over.is_set() and time.monotonic() < until:
        tasks = [asyncio.create_task(one()) for _ in range(TASKS)]
        await asyncio.sleep(chance.random() / 500)
        for task in tasks:
            if chance.random() < 0.3:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    url, seed = sys.argv[1], int(sys.argv[2])
    state = open_state(url, "race")
    until = time.monotonic() + PATIENCE_S
    threads = [threading.Thread(target=race, args=(state, until, random.Random(seed + n))) for n in range(THREADS)]
    threads.append(threading.Thread(target=lambda: asyncio.run(arace(state, until, random.Random(seed)))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.flush(5.0)
    state.close()
    sys.stdout.write(json.dumps(events))


if __name__ == "__main__":
    main()
