"""What every store does beside keeping and answering: exports, jobs between two commits, backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from collector.exports import request, span, trace_of_agent
from collector.upkeep import driven
from pyarrow import ipc

from otelllm_collector.decode import decode
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.rows import Batch
from otelllm_collector.stores.duckdb import open_store
from otelllm_collector.stores.spec import TABLES as TABLES_TO_EXPORT

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.spec import Store

NOW = 1_795_000_000_000_000_000
DAY = 86_400_000_000_000
ALL = SpanFilter()


def batch_of(*spans: Span) -> Batch:
    return decode("traces", request(*spans).SerializeToString(), is_json=False, now_ns=NOW)


def test_batches_give_back_what_was_written(store: Store) -> None:
    spans = trace_of_agent(NOW)
    written = batch_of(*spans)
    store.write([written])
    [given] = store.batches(ALL)
    assert given.spans == written.spans
    assert (given.resources, given.scopes) == (written.resources, written.scopes)
    assert list(store.batches(SpanFilter(service=("other",)))) == []


@pytest.mark.parametrize("name", TABLES_TO_EXPORT)
def test_every_table_is_an_arrow_stream_even_an_empty_one(store: Store, name: str) -> None:
    assert ipc.open_stream(b"".join(store.table(name, ALL))).read_all().num_rows == 0
    store.write([batch_of(*trace_of_agent(NOW))])
    expected = {"spans": 5, "traces": 1, "resources": 1, "scopes": 1}.get(name, 0)
    assert ipc.open_stream(b"".join(store.table(name, ALL))).read_all().num_rows == expected


def test_a_slow_reader_of_an_export_holds_up_nothing(store: Store) -> None:
    store.write([batch_of(*(span(start_time_unix_nano=NOW + number) for number in range(2000)))])
    reading = store.batches(ALL)
    first = next(reading)
    store.write([batch_of(span(start_time_unix_nano=NOW + 10**9))])
    store.tidy()
    assert len(first.spans) + sum(len(batch.spans) for batch in reading) in (2000, 2001)


def test_jobs_of_upkeep_end_and_say_what_they_did(store: Store) -> None:
    store.write([batch_of(*trace_of_agent(NOW))])
    assert store.upkeep() is None
    assert driven(store, store.retain()) == {}
    assert driven(store, store.reprice(0))["calls"] == 2
    assert store.upkeep() is None
    assert set(store.state()["last"]) == {"retention", "reprice"}  # type: ignore[call-overload]  # a record of records
    assert len(store.traces(ALL, Page(10))) == 1


def test_a_job_that_has_not_ended_when_the_store_closes_is_told_so(store: Store) -> None:
    done = store.reprice(0)
    store.close()
    with pytest.raises(RuntimeError, match="stopped before reprice"):
        done.result(0)


def test_a_backup_is_a_store_of_its_own(store: Store, tmp_path: Path) -> None:
    store.write([batch_of(*trace_of_agent(NOW))])
    with store.backup() as file:
        store.write([batch_of(*trace_of_agent(NOW))])
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "otelllm.duckdb").write_bytes(file.read())
    copy = open_store(tmp_path / "copy")
    assert len(copy.traces(ALL, Page(10))) == 1
    assert len(store.traces(ALL, Page(10))) == 2
    copy.close()
