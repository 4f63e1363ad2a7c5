"""Summaries that were written again and again do not stay in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.ageing import ALL, chat, keep

from otelllm_collector.questions import Page
from otelllm_collector.sql import sql
from otelllm_collector.stores.duckdb import compacting, open_store
from otelllm_collector.stores.duckdb.mirror import Mirror

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from otelllm_collector.stores.duckdb import DuckDBStore

TURNS = 12


def of_agents(store: DuckDBStore, agents: int = 3) -> None:
    """Each turn of all agents in a batch: a summary a trace and turn."""
    for turn in range(TURNS):
        spans = [chat(1, f"turn {turn}") for _ in range(agents)]
        for agent, span in enumerate(spans):
            span.trace_id = bytes([7, agent] * 8)
            span.start_time_unix_nano += turn
        keep(store, *spans)


def stored(store: DuckDBStore) -> tuple[int, int]:
    [found] = store._writer.execute(sql("keep/stored_traces")).fetchall()
    return found  # type: ignore[no-any-return]


def test_the_file_has_one_summary_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "LEAST_DELETED", 5)
    store = open_store(tmp_path)
    of_agents(store)
    assert stored(store) == (3 * TURNS, 3)
    before = store.traces(ALL, Page(9))
    with store._cursor() as own:  # who is asking goes on with what there was
        own.execute("begin")
        own.execute("select count(*) from raw.traces").fetchall()
        store.tidy()
        assert own.execute("select count(*) from raw.traces").fetchall() == [(3,)]
    assert store.traces(ALL, Page(9)) == before
    assert [row["spans"] for row in before] == [TURNS] * 3
    assert stored(store)[0] == 3
    of_agents(store)
    store.close()
    store = open_store(tmp_path)
    assert stored(store) == (3, 3)
    assert [row["spans"] for row in store.traces(ALL, Page(9))] == [TURNS * 2] * 3
    described = store._writer.execute("describe raw.traces").fetchall()
    assert ("trace_id", "UUID", "NO") in [row[:3] for row in described]
    store.close()


def test_a_file_that_is_being_made_anew_is_left_to_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "LEAST_DELETED", 5)
    store = open_store(tmp_path)
    of_agents(store)
    store._writing.mirror = Mirror(store._writer)
    compacting.compact_traces(store._writer, store._writing)
    assert stored(store) == (3 * TURNS, 3)
    store._writing.mirror = None
    store.close()
