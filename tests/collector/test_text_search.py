"""A search finds what a plain look at every message finds, whatever the index knows by then."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import duckdb
import pytest
from collector.ageing import ALL, DAY, chat, keep, rows, run
from collector.upkeep import drive
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otelllm_collector.native import is_compiled
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.retention import Ages, Retention
from otelllm_collector.stores.duckdb import open_store, rewriting, text_index, text_search
from otelllm_collector.stores.duckdb import store as store_file
from otelllm_collector.stores.duckdb.conditions import SKELETON
from otelllm_collector.text.places import PLACES, mark_words, spaced, wanted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from otelllm_collector.stores.duckdb import DuckDBStore

WORDS = (
    "refund", "the", "order", "Late", "customer-1", "ÜBER", "größe", "日本語の文章です", "한국어", "a", "of",
    "x9f3b27c41",
    'say "hi"', "path\\to", "line\nbreak", "e.g.", "🎉", "iVBORw0KGgoAAAANSUhEUgAAAAE+/=", "naïve", "Ωμέγα",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=12).map(" ".join)
PAGE = Page(1000)


@pytest.fixture(autouse=True)
def few_messages_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 32 messages, that are made as soon as there is time for it."""
    monkeypatch.setattr(text_index, "BLOCK", 4)
    monkeypatch.setattr(store_file, "IDLE_S", 0.0)


def texts(number: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return [f"{' '.join(chance.choices(WORDS, k=9))} nr{seed}x{index}" for index in range(number)]


def keep_texts(store: DuckDBStore, those: Iterable[str], days: float = 0) -> None:
    keep(store, *(chat(days, text) for text in those))


def found(store: DuckDBStore, q: str, page: Page = PAGE) -> set[str]:
    return {str(record["span_id"]) for record in store.spans(SpanFilter(q=q), page)}


def plainly_found(store: DuckDBStore, q: str) -> set[str]:
    inside = json.dumps(q, ensure_ascii=False)[1:-1].replace("'", "''")
    hits = f"select message_id from messages where contains(lower(body::varchar), lower('{inside}'))"
    named = "select span_id, unnest(input_messages) as message_id from spans"
    return set(rows(store, f"select span_id from ({named}) where message_id in ({hits})"))


def sketches(folder: Path) -> list[int]:
    with duckdb.connect(str(folder / "otelllm.duckdb"), read_only=True) as file:
        return [run for (run,) in file.execute("select distinct run from raw.text_sketches order by run").fetchall()]


def phrases(those: list[str], number: int, seed: int = 7) -> list[str]:
    """Parts of them that begin and end anywhere, and some that are nowhere."""
    chance = random.Random(seed)
    cut = []
    for _ in range(number):
        text = chance.choice(those)
        start = chance.randrange(len(text))
        cut.append(text[start : start + chance.randrange(1, 30)])
    return [
        *(one for one in cut if one.strip() and one.lower() not in SKELETON),
        "refund order xyzzy", "xyzzyplugh", "語の文", "本語", "文章す", "late  order", "zz",
    ]  # fmt: skip


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_a_text_has_all_the_places_of_each_of_its_parts(before: str, part: str, after: str) -> None:
    sketch = bytearray(PLACES)
    mark_words(sketch, [spaced((before + part + after).lower())], 4)
    assert [place for place in wanted(part.lower()) if not sketch[place]] in ([], unlike_lower(before, part, after))


def unlike_lower(before: str, part: str, after: str) -> list[int] | None:
    """A part's small letters may be others than the whole's (a Σ at its end): then there is nothing to say."""
    return None if part.lower() in (before + part + after).lower() else wanted(part.lower())


@pytest.mark.skipif(not is_compiled(), reason="make native")
@settings(deadline=None)
@given(st.lists(TEXTS | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")), max_size=4))
@pytest.mark.slow
def test_compiled_marks_are_the_same(those: list[str]) -> None:
    from otelllm_collector.text.marks import Sketch

    native, plain = Sketch(PLACES), bytearray(PLACES)
    ready = [spaced(text.lower()) for text in those]
    native.mark(ready, 8)
    mark_words(plain, ready, 8)
    assert native.taken() == plain


@pytest.mark.slow
@pytest.mark.parametrize("indexed", ["nothing", "some of it", "all"])
def test_parts_of_texts_are_found_as_by_a_plain_look(tmp_path: Path, indexed: str) -> None:
    store, those = open_store(tmp_path), texts(200)
    keep_texts(store, those[:100])
    if indexed != "nothing":
        drive(store)
    keep_texts(store, those[100:])
    if indexed == "all":
        drive(store)
    for phrase in phrases(those, 60):
        assert found(store, phrase) == plainly_found(store, phrase), phrase
    store.close()
    assert sketches(tmp_path) == {"nothing": [], "some of it": [0, 1, 2], "all": [0, 1, 2, 3, 4, 5]}[indexed]


def test_what_can_not_hold_the_phrase_is_not_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    keep_texts(store, texts(200))
    drive(store)
    assert store.state()["unindexed_messages"] < 32
    with store._cursor() as own:
        blocks = {block * 4 for block in text_search.TextSearch(own, "xyzzy plugh").blocks}
        assert all(block >= 192 for block in blocks)  # the run that is not whole yet
        [at] = [number for number in text_search.TextSearch(own, "nr1x77").blocks if number * 4 < 192]
    assert at * 4 <= 78 < at * 4 + 4  # ids begin at 1
    store.close()


@pytest.mark.slow
def test_the_newest_spans_are_looked_through_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a text may be nearly everywhere, pages are the same as those of a plain look, filters and all."""
    monkeypatch.setattr(text_search, "READ_AT_ONCE", 0)
    monkeypatch.setattr(text_search, "READ_BEFORE", 0)
    store = open_store(tmp_path)
    for hour, text in enumerate(texts(60)):
        keep(store, chat(hour / 24, text, "said by all"), service=f"service-{hour % 2}")
    keep(store, chat(0.5, "said once, long ago"))
    drive(store)
    for q in ("said by all", "refund", "once, long ago", "xyzzy"):
        expected = [
            one for one in store.spans(ALL, PAGE) if str(one["span_id"]) in plainly_found(store, q)
        ]  # fmt: skip
        assert store.spans(SpanFilter(q=q), PAGE) == expected
        assert store.spans(SpanFilter(q=q), Page(3)) == expected[:4]
        assert (
            store.spans(SpanFilter(q=q, service=("service-1",)), Page(5))
            == [one for one in expected if one["service"] == "service-1"][:6]
        )
        assert [one["trace_id"] for one in store.traces(SpanFilter(q=q), Page(7))] == [
            one["trace_id"] for one in expected
        ][:8]
        start = time.time_ns() - DAY
        assert (
            store.spans(SpanFilter(q=q, start=start), Page(50))
            == [one for one in expected if int(str(one["start_ns"])) >= start][:51]
        )
    store.close()


def test_the_index_goes_on_after_a_restart_in_its_middle(tmp_path: Path) -> None:
    store, those = open_store(tmp_path), texts(150)
    keep_texts(store, those)
    for _ in range(10**6):  # until one run is stored and another is at work
        store.upkeep()
        if store.state()["unindexed_messages"] < 120:
            break
    store.close()
    first = sketches(tmp_path)
    assert 0 < len(first) < 4
    store = open_store(tmp_path)
    assert found(store, "nr1x140") == plainly_found(store, "nr1x140") != set()
    drive(store)
    assert found(store, "nr1x140") == plainly_found(store, "nr1x140") != set()
    store.close()
    assert sketches(tmp_path) == [0, 1, 2, 3]


@pytest.mark.slow
def test_messages_that_get_numbers_a_second_time_are_found(tmp_path: Path) -> None:
    """The newest messages are dropped, and after a restart others have their numbers."""
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    keep_texts(store, texts(40))
    keep_texts(store, texts(80, 2), days=8)
    drive(store)
    run(store)
    store.close()
    assert sketches(tmp_path) == [0, 1]
    store = open_store(tmp_path)
    keep_texts(store, texts(80, 3))
    for is_indexed in (False, True):
        if is_indexed:
            drive(store)
        for q in ("nr3x5", "nr3x70", "nr1x33", "nr2x3"):
            assert found(store, q) == plainly_found(store, q), (q, is_indexed)
    assert found(store, "nr3x5") != set()
    store.close()


@pytest.mark.slow
def test_runs_whose_messages_are_gone_cost_nothing_and_a_smaller_file_has_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "LEAST_BYTES", 0)
    monkeypatch.setattr(store_file, "MOST_FREE", 0.0)
    store = open_store(tmp_path)
    keep_texts(store, texts(100, 2), days=8)
    keep_texts(store, texts(100))
    drive(store)
    store.close()
    assert sketches(tmp_path) == [0, 1, 2, 3, 4, 5]
    store = open_store(tmp_path, retention=Retention(content_days=Ages(7)))
    assert "bytes_after" in run(store)
    for q in ("nr1x5", "nr1x99", "nr2x5", "refund"):
        assert found(store, q) == plainly_found(store, q)
    assert found(store, "nr2x5") == set()
    keep_texts(store, texts(50, 3))
    drive(store)
    assert found(store, "nr3x7") == plainly_found(store, "nr3x7") != set()
    store.close()
    assert sketches(tmp_path) == [3, 4, 5, 6]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=40), st.data())
def test_random_texts_and_phrases(
    tmp_path_factory: pytest.TempPathFactory, those: list[str], data: st.DataObject
) -> None:
    store = open_store(tmp_path_factory.mktemp("texts"))
    keep_texts(store, [*those, *texts(32)])
    drive(store)
    text = data.draw(st.sampled_from(those))
    start = data.draw(st.integers(0, len(text) - 1))
    phrase = text[start : data.draw(st.integers(start + 1, len(text)))]
    if phrase.strip() and json.dumps(phrase, ensure_ascii=False)[1:-1].lower() not in SKELETON:
        assert found(store, phrase) == plainly_found(store, phrase)
    store.close()
