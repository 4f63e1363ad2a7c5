"""How long the collector takes to answer the six questions, alone and while it takes spans in at full speed.

    python bench/questions.py [--spans 1000000] [--rounds 20] [--only text …] [--idle-only] [--folder DIR]

A month of spans is made in a folder that is deleted afterwards (10 million: 6 GB, half an hour of two cores, most of
it spent on words; `--folder` keeps it, and takes it again next time). The questions are asked over HTTP, one after the
other, each with other values every time. `first` is the first time after the start of the collector. While the load of
`ingest.py` comes in at full speed over 4 connections (new spans, newer than all others), the same is asked again.
CPU is the collector's own for one question, where nothing else happens.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from ingest import PLACE, corpus, sender
from load.contestants import Ours
from load.history import MODELS, make_history

READY_WITHIN_S = 1800
LOAD_S = 600
COLUMNS = ("", "aim", "first", "median", "p95", "CPU", "loaded: median", "loaded: p95")

chance = random.Random(11)


class Question(NamedTuple):
    """A path, made anew for each asking; how many ms it may take alone."""

    name: str
    aim_ms: float
    path: Callable[[], str]


class Asking:
    """One connection to the collector."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def get(self, path: str) -> tuple[float, Any]:
        """Milliseconds, and the answer."""
        began = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}: {body[:300]!r}")
        return took, json.loads(body)

    def sql(self, query: str) -> list[list[Any]]:
        """Rows of a query."""
        body = json.dumps({"sql": query})
        self._connection.request("POST", "/api/sql", body, {"content-type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        rows: list[list[Any]] = answer["rows"]
        return rows


def questions(asking: Asking) -> list[Question]:
    """The six, that of text in its kinds."""
    ids = [row[0] for row in asking.sql("select trace_id from traces using sample 300 rows")]
    [(newest,)] = asking.sql("select max(message_id) from messages")

    def text(phrase: Callable[[], str]) -> Callable[[], str]:
        return lambda: f"/api/spans?limit=50&q={quote(phrase())}"

    def absent() -> str:
        return f"late {_made_up()} {_made_up()} order"

    return [
        Question("latest 50 traces", 15, lambda: "/api/traces?limit=50"),
        Question("one trace by id", 20, lambda: f"/api/traces/{chance.choice(ids)}"),
        Question(
            "model =, newest 50", 10, lambda: f"/api/spans?limit=50&{urlencode({'model': chance.choice(MODELS)})}"
        ),
        Question("text: a phrase that is nowhere", 500, text(absent)),
        Question("text: one word that is nowhere", 500, text(lambda: _made_up() + _made_up())),
        Question("text: a phrase that was said once", 500, text(lambda: f"ticket {chance.randrange(4, newest)} ")),
        Question("text: a phrase that is everywhere", 500, text(lambda: chance.choice(("order the", "my refund")))),
        Question("p95 by model by hour", 200, lambda: "/api/aggregates?by=model&bucket=hour&limit=100000"),
        Question("cost by user", 30, lambda: "/api/aggregates?by=user&limit=200&percentiles=false"),
    ]


def _made_up() -> str:
    return "".join(chance.choice("bcdfghjklmnpqrstvwz") + chance.choice("aeiou") for _ in range(3))


def ask(ours: Ours, asked: list[Question], rounds: int) -> dict[str, tuple[list[float], float]]:
    """Milliseconds of each asking, and the CPU ms of one."""
    asking = Asking(ours.port)
    found = {}
    for question in asked:
        before, _ = ours.used()
        times = [asking.get(question.path())[0] for _ in range(rounds)]
        found[question.name] = times, (ours.used()[0] - before) / rounds * 1e3
        print(f"  {question.name}: {times[0]:.0f} / {statistics.median(times):.1f} ms", flush=True)
    return found


@contextmanager
def load(ours: Ours) -> Iterator[None]:
    """Spans come in as fast as they are taken."""
    sending = subprocess.Popen(
        [sender(), corpus("native"), "--port", str(ours.port), "--conns", "4", "--requests", "100000",
         "--secs", str(LOAD_S), "--seed", str(int(time.time()))],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3)
    try:
        yield
    finally:
        sending.terminate()
        sending.wait()


def until_ready(asking: Asking) -> None:
    """Wait for what is made in the background, after which a store of this size would stand."""
    deadline, began = time.monotonic() + READY_WITHIN_S, time.monotonic()
    while time.monotonic() < deadline:
        _, state = asking.get("/api/maintenance")
        if state.get("unindexed_messages", 0) < 16_384 and not state.get("hours_to_sum", 0):
            print(f"ready {time.monotonic() - began:.0f} s after the start: {json.dumps(state)}", flush=True)
            return
        time.sleep(2)
    raise SystemExit(f"the collector was not ready within {READY_WITHIN_S} s")


def p95(times: list[float]) -> float:
    """Of so few the second largest or so."""
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


def report(folder: Path, options: argparse.Namespace) -> None:
    """Start a collector on the history, ask, and print the table."""
    ours = Ours(folder)
    try:
        asking = Asking(ours.port)
        until_ready(asking)
        asked = [one for one in questions(asking) if any(part in one.name for part in options.only)]
        [(spans, first, last)] = asking.sql("select count(*), min(start_time), max(start_time) from spans")
        size = ours.size()
        ours.end()
        ours = Ours(folder)
        idle, loaded = ask(ours, asked, options.rounds), {}
        if not options.idle_only:
            with load(ours):
                loaded = ask(ours, asked, options.rounds)
        [(after,)] = Asking(ours.port).sql("select count(*) from spans")
    finally:
        ours.end()
    print(
        f"\n{spans:,} spans from {first} to {last}, {size / spans:.0f} bytes a span; {after - spans:,} came meanwhile"
    )
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for one in asked:
        times, cpu = idle[one.name]
        under = loaded.get(one.name, ([], 0.0))[0]
        cells = [one.name, f"{one.aim_ms:g}", f"{times[0]:.0f}", f"{statistics.median(times):.1f}"]
        cells += [f"{p95(times):.0f}", f"{cpu:.0f}"]
        cells += [f"{statistics.median(under):.0f}", f"{p95(under):.0f}"] if under else ["", ""]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[""], help="questions whose name has one of these in it")
    parser.add_argument("--idle-only", action="store_true")
    parser.add_argument("--folder", type=Path, help="kept, and taken as it is where it has a database already")
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "data" / "otelllm.duckdb").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_history(folder / "data", options.spans)
        report(folder, options)


if __name__ == "__main__":
    main()
