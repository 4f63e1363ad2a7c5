"""Ten thousand bodies that are not what they should be: of hypothesis' and of atheris' making."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from collector.exports import PROTOBUF, request, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soak.counted import NotHere, load_average
from soak.seeds import Seed, beside, seeds

from collector import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.process import Collector

__all__ = ["fuzzed", "mutated"]

JSON = {"content-type": "application/json"}
ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {200, 400, 413}
SENDERS = 8

_edits = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.sampled_from(["set", "cut", "put", "end", "copy"]), st.binary(max_size=9)),
    min_size=1, max_size=5,
)  # fmt: skip
_numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_plain = st.none() | st.booleans() | _numbers | st.text(max_size=20)
_values = st.recursive(_plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))


def edited(body: bytes, edits: list[tuple[int, str, bytes]]) -> bytes:
    """The body after these changes."""
    made = bytearray(body)
    for where, what, piece in edits:
        at = where % (len(made) + 1)
        if what == "set":
            made[at : at + len(piece)] = piece
        elif what == "cut":
            del made[at : at + 1 + len(piece)]
        elif what == "put":
            made[at:at] = piece
        elif what == "end":
            del made[at:]
        else:
            made[at:at] = made[max(0, at - 40) : at]
    return bytes(made)


def replaced(value: Any, place: int, by: Any) -> Any:
    """JSON in which the node of this number, counted from the outside, is another value."""
    places: list[tuple[Any, Any]] = []
    whole = [json.loads(json.dumps(value))]
    inner = [(whole, 0)]
    while inner:
        holder, key = inner.pop()
        places.append((holder, key))
        found = holder[key]
        if isinstance(found, dict):
            inner += [(found, name) for name in found]
        elif isinstance(found, list):
            inner += [(found, index) for index in range(len(found))]
    holder, key = places[place % len(places)]
    holder[key] = by
    return whole[0]


class _Ordeal:
    """What was sent to a collector, several at a time, and which good spans it has to have."""

    def __init__(self, running: Collector) -> None:
        self.running = running
        self.good: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        self._client = httpx.Client(base_url=running.url, timeout=120, trust_env=False)
        self._sending = ThreadPoolExecutor(SENDERS)
        self._room = threading.Semaphore(4 * SENDERS)
        self._wrong: list[str] = []

    def send(self, way: str, signal: str, content: bytes, headers: dict[str, str], good: list[Any]) -> None:
        """One body; where there are good spans in it, they have to be taken."""
        self._room.acquire()
        self.ways[way] += 1
        self._sending.submit(self._post, f"/v1/{signal}", content, headers, good)

    def _post(self, path: str, content: bytes, headers: dict[str, str], good: list[Any]) -> None:
        try:
            answer = self._client.post(path, content=content, headers=headers)
            self.statuses[f"HTTP {answer.status_code}"] += 1
            if answer.status_code not in ({200} if good else EXPECTED):
                self._wrong.append(f"{answer.status_code} {answer.text[:200]} to {path} {content!r}")
            self.good.update(one.trace_id.hex() for one in good)
        except Exception as error:
            self._wrong.append(f"{error!r} to {path} {content!r}")
        finally:
            self._room.release()

    def one(self, seed: Seed, way: str, edits: list[tuple[int, str, bytes]], place: int, value: Any) -> None:
        """One body, of one kind of damage."""
        good = [span(), span()]
        if way == "span":  # the request around it is whole: nothing else may suffer
            self.send(way, "traces", beside(good, edited(seed.span, edits)), PROTOBUF, good)
        elif way == "JSON":
            body = json.dumps(beside_json(good, replaced(seed.json, place, value))).encode()
            self.send(way, "traces", body, JSON, good)
        elif way == "body":
            self.send(way, seed.signal, edited(seed.body, edits), PROTOBUF, [])
        else:
            self.send(way, seed.signal, edited(json.dumps(seed.whole_json).encode(), edits), JSON, [])
        assert not self._wrong, self._wrong[0]

    def look(self) -> None:
        """All good spans are there, once."""
        self._sending.shutdown()
        self._client.close()
        assert not self._wrong, self._wrong[0]
        found = Counter(row[0] for row in self.running.sql("select trace_id from spans where service_name = 'shop'"))
        lost = self.good - found.keys()
        assert not lost, f"{len(lost)} of {len(self.good)} good spans are not there"
        assert not (twice := [one for one in self.good if found[one] > 1]), twice[:5]


def beside_json(good: list[Any], bad: Any) -> Any:
    """OTLP/JSON of good spans with something between them."""
    from collector.exports import as_otlp_json

    made = as_otlp_json(request(*good))
    made["resourceSpans"][0]["scopeSpans"][0]["spans"].insert(1, bad)
    return made


def mutated(folder: Path, *, count: int = 10_000) -> str:
    """Bodies and spans of every vocabulary as hypothesis changes them, sent to a running collector."""
    began, all_seeds = time.monotonic(), seeds()
    with process.starting() as start:
        running = start(folder / "data")
        ordeal = _Ordeal(running)
        _examples(ordeal, all_seeds, count)()
        ordeal.look()
        assert running.is_up()
        assert running.stop() == 0
        assert "Traceback" not in running.errors, running.errors[-3000:]
    rate = sum(ordeal.ways.values()) / (time.monotonic() - began)
    counted = sorted(ordeal.ways.items()) + sorted(ordeal.statuses.items())
    told = [f"{number:,} x {name}" for name, number in counted]
    return (
        f"{sum(ordeal.ways.values()):,} bodies of {len(all_seeds)} kinds ({', '.join(told)}): no crash, and all of "
        f"{len(ordeal.good):,} good spans beside are kept; {rate:.0f}/s; {load_average()}"
    )


def _examples(ordeal: _Ordeal, all_seeds: list[Seed], count: int) -> Callable[[], None]:
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(all_seeds), st.sampled_from(["span", "JSON", "body", "JSON body"]), _edits,
        st.integers(0, 5000), _values,
    )  # fmt: skip
    def example(seed: Seed, way: str, edits: list[tuple[int, str, bytes]], place: int, value: Any) -> None:
        if way in ("span", "JSON") and seed.signal != "traces":
            way = "body"
        ordeal.one(seed, way, edits, place, value)

    return example


def fuzzed(folder: Path, *, count: int = 10_000) -> str:
    """Bodies that atheris grows towards code that none before has reached, decoded in a process of its own."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds()):
        for kind, body in enumerate(seed.inputs):
            (corpus / f"{number}-{kind}").write_bytes(body)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py")), f"-runs={count}", "-max_len=65536", "-timeout=60",
         "-rss_limit_mb=4096", f"-artifact_prefix={folder}/", str(corpus)],
        capture_output=True, text=True, check=False, timeout=1500, errors="replace",
        env={**os.environ, "OTELLLM_NATIVE": "0",
             "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "collector")))},
    )  # fmt: skip
    if "No module named 'atheris'" in done.stderr:
        raise NotHere("atheris is not installed, and has no wheel for every machine: pip install atheris")
    told = re.findall(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)", done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    runs, edges, features = told[-1]
    at_first = next(edges for run, edges, _ in told if int(run) >= 1 and run != "0")
    return (
        f"{int(runs):,} bodies, from {int(at_first):,} to {int(edges):,} edges of our code reached ({int(features):,} "
        f"features): no crash, good spans beside kept; {load_average()}"
    )
