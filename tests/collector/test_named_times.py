"""A text is looked for only when spans can have named its message, and is found all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from collector.ageing import chat, keep, messages, run
from collector.exports import span
from collector.upkeep import drive

from otelllm_collector.decode import decode
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.stores.duckdb import hours, named_times, open_store, text_index
from otelllm_collector.stores.duckdb import store as store_file
from otelllm_collector.stores.duckdb.text_search import search_everything

if TYPE_CHECKING:
    from pathlib import Path

    from otelllm_collector.stores.duckdb import DuckDBStore

pytestmark = pytest.mark.slow

PAGE = Page(100)


@pytest.fixture(autouse=True)
def few_messages_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours are summed as soon as there is time for it."""
    monkeypatch.setattr(text_index, "BLOCK", 4)
    for name, value in (("QUIET_S", 0.0), ("LONGER_QUIET_S", 0.0), ("LOOK_S", 0.002)):
        monkeypatch.setattr(hours, name, value)
    monkeypatch.setattr(store_file, "IDLE_S", 0.0)


def filled(folder: Path, number: int = 20) -> DuckDBStore:
    """A call every half day, each with a text of its own, all hours summed."""
    store = open_store(folder)
    keep(store, *(chat(day / 2, f"order nr{day}x") for day in range(number, 0, -1)))
    drive(store)
    return store


def found(store: DuckDBStore, q: str) -> list[str]:
    return [str(one["span_id"]) for one in store.spans(SpanFilter(q=q), PAGE)]


def looked_through(store: DuckDBStore, q: str) -> tuple[tuple[int, int | None], ...] | None:
    with store._cursor() as own:
        return search_everything(own, SpanFilter(q=q)).within


def hours_of(within: tuple[tuple[int, int | None], ...] | None) -> float:
    """Between the first call and the last."""
    assert within is not None
    return sum((end - start) / 3.6e12 for start, end in within[1:] if end is not None)


def test_few_hours_are_looked_through_for_what_was_said_once(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert hours_of(looked_through(store, "nr10x")) < 110
    for day in (1, 10, 20):
        assert len(found(store, f"nr{day}x")) == 1
    assert found(store, "nr21x") == []
    assert len(found(store, "order nr")) == 20
    assert [row["calls"] for row in store.aggregates("none", "none", SpanFilter(q="nr10x"), 9)] == [1]
    store.close()


def test_who_names_a_message_later_or_in_the_past_is_found(tmp_path: Path) -> None:
    store = filled(tmp_path)
    keep(store, chat(0.1, "order nr10x"), chat(9.2, "order nr10x"))
    assert len(found(store, "nr10x")) == 3
    drive(store)
    assert len(found(store, "nr10x")) == 3
    store.close()
    store = open_store(tmp_path)
    assert len(found(store, "nr10x")) == 3
    store.close()


def test_what_came_beside_a_span_is_found_whenever_that_was(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    bare = span({"gen_ai.operation.name": "chat"}, start_time_unix_nano=chat(9).start_time_unix_nano)
    keep(store, bare, *(chat(day / 2, f"order nr{day}x") for day in range(20, 0, -1)))
    drive(store)
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "timeUnixNano": str(bare.start_time_unix_nano), "traceId": bare.trace_id.hex(), "spanId": bare.span_id.hex(),
        "eventName": "gen_ai.client.inference.operation.details",
        "attributes": [{"key": "gen_ai.input.messages", "value": {"stringValue": messages("said beside")}}],
    }]}]}]}  # fmt: skip
    store.write([decode("logs", json.dumps(body).encode(), is_json=True, now_ns=1)])
    assert looked_through(store, "said beside") is None
    assert found(store, "said beside") == [bare.span_id.hex()]
    store.close()


def test_what_is_in_most_hours_is_looked_for_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    monkeypatch.setattr(named_times, "BLOCKS_AT_MOST", 5)
    assert looked_through(store, "order nr") is None
    monkeypatch.setattr(named_times, "BLOCKS_AT_MOST", 500)
    monkeypatch.setattr(named_times, "STRETCHES_AT_MOST", 5)
    assert looked_through(store, "order nr") is None
    assert len(found(store, "order nr")) == 20
    store.close()


def test_after_retention_what_is_left_is_found(tmp_path: Path) -> None:
    filled(tmp_path).close()
    store = open_store(tmp_path, retention=Retention(days=Ages(4), content_days=Ages(2)))
    run(store)
    drive(store)
    assert [len(found(store, f"nr{day}x")) for day in (1, 3, 10, 20)] == [1, 1, 0, 0]
    store.close()
