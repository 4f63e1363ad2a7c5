"""Messages are written once and named by number, whatever is forgotten, fails or goes between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from collector.ageing import bodies, chat, keep, rows, run
from collector.exports import Unsaid

from otelllm_collector.questions import SpanFilter
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.rows import Batch, MessageRow
from otelllm_collector.stores.duckdb import known_messages, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.duckdb import DuckDBStore


def said(store: DuckDBStore, one: Span) -> list[str]:
    found: Any = store.span(one.trace_id.hex(), one.span_id.hex())
    return [message["parts"][0]["content"] for message in found["input_messages"]]


def test_a_forgotten_message_is_written_again_and_every_span_says_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_messages, "REMEMBERED", 2)
    store = open_store(tmp_path)
    calls = {texts: chat(1, *texts) for texts in (("a", "b"), ("b", "c"), ("a", "c"))}
    for one in calls.values():
        keep(store, one)
    for _ in range(2):
        assert {texts: tuple(said(store, one)) for texts, one in calls.items()} == {texts: texts for texts in calls}
        assert rows(store, "select message_id from messages order by 1") == [1, 2, 3, 4]
        assert rows(store, "select count(distinct hash) from messages") == [3]
        assert len(next(store.batches(SpanFilter())).messages) == 3
        store.close()
        store = open_store(tmp_path)
    keep(store, chat(0, "c", "d"))
    assert rows(store, "select max(message_id) from messages") == [5]
    store.close()


def test_numbers_of_a_batch_that_can_not_be_kept_are_given_again(tmp_path: Path) -> None:
    """The store says what is wrong with it: `Busy` would have it sent again for ever."""
    store = open_store(tmp_path)
    keep(store, chat(1, "first"))
    new = MessageRow(bytes(range(16)), "message", "user", '"lost"', 1)
    unsaid: Any = [Unsaid()]  # what breaks it
    with pytest.raises(duckdb.ConstraintException):
        store.write([Batch(messages={new.hash: new}, logs=unsaid)])
    second = chat(1, "second", "first")
    keep(store, second)
    assert said(store, second) == ["second", "first"]
    assert rows(store, "select message_id from messages order by 1") == [1, 2]
    store.close()


def test_the_older_of_two_writings_goes_and_the_newer_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_messages, "REMEMBERED", 1)
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    keep(store, chat(8, "the same"))
    keep(store, chat(1, "another"))
    young = chat(1, "the same")
    keep(store, young)
    assert run(store)["messages"] == 1
    assert rows(store, "select message_id from messages order by 1") == [2, 3]
    again = chat(1, "the same")
    keep(store, again)
    assert rows(store, "select message_id from messages order by 1") == [2, 3]
    assert said(store, young) == said(store, again) == ["the same"]
    assert bodies(store) == {"the same", "another"}
    store.close()


def test_at_a_start_only_so_much_text_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than that is written again when it comes again."""
    monkeypatch.setattr(known_messages, "READ_BACK", 1)
    monkeypatch.setattr(known_messages, "READ_BACK_AT_ONCE", 2)
    store = open_store(tmp_path)
    keep(store, chat(1, "a", "b", "c", "d"))
    store.close()
    store = open_store(tmp_path)
    keep(store, chat(1, "a", "b", "c", "d"))
    told = rows(store, "select body->>'$.parts[0].content' from messages order by message_id")
    assert told == ["a", "b", "c", "d", "a", "b"]
    store.close()
