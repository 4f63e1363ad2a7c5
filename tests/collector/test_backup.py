"""A backup is made while the collector takes in, and a collector starts on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from collector.exports import PROTOBUF, request, span

from otelllm.cli import main
from otelllm_collector.questions import Busy
from otelllm_collector.stores.duckdb import backup

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

    from otelllm_collector.stores.spec import Store

FOUND = "select trace_id from spans"


def test_a_backup_under_load_has_all_that_was_acknowledged_before_it_began(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(tmp_path / "data")
    monkeypatch.setenv("OTELLLM_DATA", str(tmp_path / "data"))
    acknowledged: list[str] = []
    is_over = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=running.url, timeout=10, trust_env=False) as client:
            while not is_over.is_set():
                spans = [span({"gen_ai.input.messages": '[{"role":"user","parts":[]}]'}) for _ in range(20)]
                content = request(*spans).SerializeToString()
                if client.post("/v1/traces", content=content, headers=PROTOBUF).status_code == 200:
                    acknowledged.extend(one.trace_id.hex() for one in spans)

    senders = [threading.Thread(target=load) for _ in range(3)]
    for sender in senders:
        sender.start()
    try:
        copies = []
        for number in range(3):
            while len(acknowledged) < 500 * (number + 1):
                is_over.wait(0.01)
            before = set(acknowledged)
            folder = tmp_path / f"copy {number}"
            assert main(["backup", "--url", running.url, "--output", str(folder)]) == 0
            copies.append((folder, before))
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
    assert sorted(path.name for path in (tmp_path / "data").iterdir() if path.is_dir()) == ["journal"]
    assert (folder / "otelllm.duckdb").stat().st_mode & 0o777 == 0o600
    for folder, before in copies:
        restored = start(folder)
        found = [row[0] for row in restored.sql(FOUND)]
        assert before <= set(found)
        assert len(found) == len(set(found))
        counts = restored.sql("select (select count(*) from traces), (select count(*) from messages)")
        assert counts == [[len(found), 1]]  # one snapshot of all tables
        assert restored.send(request(span())).status_code == 200
        assert restored.stop() == 0
    assert set(acknowledged) <= {row[0] for row in running.sql(FOUND)}


def test_a_database_that_is_there_is_not_written_over(tmp_path: Path, collector: Collector) -> None:
    (tmp_path / "otelllm.duckdb").write_bytes(b"mine")
    assert main(["backup", "--url", collector.url, "--output", str(tmp_path)]) == 1
    assert (tmp_path / "otelllm.duckdb").read_bytes() == b"mine"


def test_one_backup_at_a_time(store: Store) -> None:
    with backup._one_at_a_time, pytest.raises(Busy, match="another backup"):
        store.backup()
    store.backup().close()
