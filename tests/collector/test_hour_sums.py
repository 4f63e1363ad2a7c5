"""Sums that are kept of hours and longer are the sums of the spans, whatever came, changed or went since."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from collector.ageing import DAY, keep
from collector.exports import span
from collector.upkeep import drive, driven

from otelllm_collector.questions import SpanFilter
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.stores.duckdb import hours, open_store
from otelllm_collector.stores.duckdb import store as store_file
from otelllm_collector.stores.duckdb import sums as sums_file
from otelllm_collector.stores.duckdb.changed_hours import KEPT
from otelllm_collector.stores.duckdb.stretches import LENGTHS

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.duckdb import DuckDBStore
    from otelllm_collector.stores.spec import Record

pytestmark = pytest.mark.slow

HOUR = 3_600_000_000_000
NOW = time.time_ns() // HOUR * HOUR
QUESTIONS: list[tuple[str, str, bool]] = [
    (by, bucket, percentiles)
    for by in ("none", "model", "user")
    for bucket in ("none", "hour", "day")
    for percentiles in (True, False)
]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour is summed as soon as there is time for it."""
    monkeypatch.setattr(hours, "QUIET_S", 0.0)
    monkeypatch.setattr(hours, "LONGER_QUIET_S", 0.0)
    monkeypatch.setattr(hours, "LOOK_S", 0.002)
    monkeypatch.setattr(store_file, "IDLE_S", 0.0)


def call(hours_ago: float, chance: random.Random, **more: Any) -> Span:
    start = NOW - int(hours_ago * HOUR)
    attributes = {
        "gen_ai.operation.name": chance.choice(["chat", "chat", "embeddings", "execute_tool"]),
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": chance.choice(["gpt-5", "gpt-5-mini", "o5"]),
        "gen_ai.usage.input_tokens": chance.randrange(1000),
        "gen_ai.response.time_to_first_chunk": chance.random(),
        "user.id": chance.choice(["ann", "bob", "cat"]),
    }
    one = span(attributes | more, start_time_unix_nano=start)
    one.end_time_unix_nano = start + chance.randrange(1, 5_000_000_000)
    return one


def sums(store: DuckDBStore, **bounds: int) -> list[list[Record]]:
    return [
        store.aggregates(by, bucket, SpanFilter(**bounds), 1000, percentiles=percentiles)
        for by, bucket, percentiles in QUESTIONS
    ]


def of_spans(store: DuckDBStore, **bounds: int) -> list[list[Record]]:
    with store._cursor() as own:
        return [
            sums_file.sum_spans(own, by, bucket, SpanFilter(**bounds), 1000, percentiles=percentiles)
            for by, bucket, percentiles in QUESTIONS
        ]


def same(found: list[list[Record]], expected: list[list[Record]]) -> bool:
    """Money is added up in another order."""
    return [[_rounded(row) for row in rows] for rows in found] == [[_rounded(row) for row in rows] for rows in expected]


def _rounded(row: Record) -> Record:
    return {key: round(value, 9) if isinstance(value, float) else value for key, value in row.items()}


def kept(store: DuckDBStore) -> set[int]:
    """Hours before `NOW`."""
    return {(NOW - start) // HOUR for start, hours in stretches(store) if hours == 1}


def stretches(store: DuckDBStore) -> set[tuple[int, int]]:
    """All that are kept."""
    with store._cursor() as own:
        return set(own.execute("select start_ns, hours from raw.summed").fetchall())


def test_sums_of_hours_are_those_of_the_spans(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path), random.Random(3)
    keep(store, *(call(chance.uniform(0, 30), chance) for _ in range(300)))
    keep(store, span({}, start_time_unix_nano=NOW - 50 * HOUR))  # an hour without a call of a model
    drive(store)
    assert len(kept(store)) > 25
    for bounds in (
        {}, {"start": NOW - 20 * HOUR - 7}, {"end": NOW - 3 * HOUR + 99}, {"start": NOW - 9 * HOUR, "end": NOW},
        {"start": NOW - 5 * HOUR + 10, "end": NOW - 5 * HOUR + 1000}, {"start": NOW - 4 * HOUR, "end": NOW - 4 * HOUR},
    ):  # fmt: skip
        assert same(sums(store, **bounds), of_spans(store, **bounds)), bounds
    store.close()


def test_an_hour_whose_spans_change_is_not_taken_from_what_was_kept(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path), random.Random(4)
    first = [call(hour + 0.5, chance) for hour in range(8) for _ in range(3)]
    keep(store, *first)
    drive(store)
    assert kept(store) == {1, 2, 3, 4, 5, 6, 7, 8}
    keep(store, call(3.4, chance))  # late
    fuller = first[-1]  # sent once more with more in it
    fuller.attributes.add(key="more").value.string_value = "1"
    fuller.end_time_unix_nano += 10**9
    keep(store, fuller)
    assert kept(store) == {1, 2, 3, 5, 6, 7}
    assert same(sums(store), of_spans(store))
    store.close()
    store = open_store(tmp_path)
    assert same(sums(store), of_spans(store))
    drive(store)
    assert kept(store) == {1, 2, 3, 4, 5, 6, 7, 8}
    assert same(sums(store), of_spans(store))
    store.close()


def test_dropped_and_repriced_spans_change_their_hours(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path), random.Random(5)
    old = 9 * DAY // HOUR
    keep(store, *(call(hour + 0.5, chance) for hour in (0, 1, old, old + 1)))
    drive(store)
    store.close()
    store = open_store(tmp_path, retention=Retention(days=Ages(7)))
    assert len(kept(store)) == 4
    assert any(hours > 1 for _, hours in stretches(store))
    driven(store, store.retain())
    assert same(sums(store), of_spans(store))
    assert kept(store) == {1, 2}
    store._writer.execute("update raw.spans set cost_usd = null, cost_status = null")  # as if prices were others
    driven(store, store.reprice(0))
    assert same(sums(store), of_spans(store))
    drive(store)
    assert same(sums(store), of_spans(store))
    store.close()


def test_backups_and_smaller_files_have_the_sums(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path / "data"), random.Random(6)
    keep(store, *(call(hour + 0.5, chance) for hour in range(5)))
    drive(store)
    with store.backup() as backup:
        (tmp_path / "otelllm.duckdb").write_bytes(backup.read())
    with duckdb.connect(str(tmp_path / "otelllm.duckdb"), read_only=True) as copy:
        for table in KEPT:
            rows = store._writer.execute(f"select * from raw.{table} order by all").fetchall()
            assert copy.execute(f"select * from raw.{table} order by all").fetchall() == rows
            assert rows or table == "named_blocks", table
    store.close()


LONG = 1600
"""Hours of a long time, with the longest of the stretches in it."""


@pytest.mark.slow
def test_sums_over_a_long_time_are_those_of_the_spans(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path), random.Random(7)
    first = NOW - 2 * LONG * HOUR
    keep(store, *(call(chance.uniform(0, 2 * LONG), chance) for _ in range(70)))
    drive(store)
    made = stretches(store)
    assert {hours for _, hours in made} == {1, *LENGTHS}
    assert all(start % (hours * HOUR) == 0 for start, hours in made)
    for _ in range(8):
        start, end = sorted(first + chance.randrange(2 * LONG * HOUR) for _ in range(2))
        bounds = chance.choice([{}, {"start": start}, {"end": end}, {"start": start, "end": end}])
        assert same(sums(store, **bounds), of_spans(store, **bounds)), bounds
    store.close()


@pytest.mark.slow
def test_a_late_span_takes_out_what_it_is_in_and_no_more(tmp_path: Path) -> None:
    store, chance = open_store(tmp_path), random.Random(8)
    keep(store, *(call(chance.uniform(0, 500), chance) for _ in range(60)))
    drive(store)
    before = stretches(store)
    late = NOW - 300 * HOUR
    around = {(late // (hours * HOUR) * (hours * HOUR), hours) for hours in (1, *LENGTHS)}
    assert len(around & before) >= 2
    keep(store, call(300, chance))
    assert stretches(store) == before - around
    assert same(sums(store), of_spans(store))
    drive(store)
    assert stretches(store) == before | {(late, 1)}  # whether there was an hour or not
    assert same(sums(store), of_spans(store))
    store.close()
    store = open_store(tmp_path)
    keep(store, call(300, chance))
    assert stretches(store) == before - around
    store.close()
