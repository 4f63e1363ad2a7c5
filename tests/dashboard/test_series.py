"""Charts over time and tables of sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from dashboard.records import aggregate

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import series, tables

HOUR = 3_600_000_000_000
NOON = 1_795_521_600_000_000_000


def test_a_stretch_without_calls_is_a_gap_and_not_left_out() -> None:
    rows = [aggregate(NOON), aggregate(NOON + 3 * HOUR)]
    found = series.filled(rows, "hour", start_ns=NOON - HOUR + 5, end_ns=NOON + 4 * HOUR)
    assert [(at - NOON) // HOUR for at, _ in found] == [-1, 0, 1, 2, 3]
    assert [row is not None for _, row in found] == [False, True, False, False, True]


def test_bars_of_an_empty_bucket_are_zero_and_lines_are_broken() -> None:
    buckets = [(NOON, aggregate(NOON, duration_p50_ms=12.0)), (NOON + HOUR, None)]
    assert [list(layer.y) for layer in series.bars(buckets, series.CALLS).data] == [[1, 0], [0, 0]]
    assert list(series.lines(buckets, series.LATENCY).data[0].y) == [12.0, None]


def test_cached_tokens_are_not_counted_twice() -> None:
    buckets = [(NOON, aggregate(NOON, input_tokens=100, cache_read_tokens=60, output_tokens=7))]
    assert [layer.y[0] for layer in series.bars(buckets, series.TOKENS).data] == [40, 60, 7]


def test_times_are_the_readers_own() -> None:
    figure: Any = series.bars([(NOON, None)], series.COST, zone=timezone(timedelta(hours=2)))
    there = datetime.fromtimestamp(NOON / 1e9, tz=UTC).replace(tzinfo=None) + timedelta(hours=2)
    assert list(figure.data[0].x) == [there]


def test_ticks_are_round_and_reach_the_top() -> None:
    figure: Any = series.bars([(NOON, aggregate(NOON, calls=18))], series.CALLS)
    assert list(figure.layout.yaxis.ticktext) == ["0", "10", "20"]


def test_a_table_sorts_by_numbers_and_shows_them_to_a_person() -> None:
    styled = tables.breakdown(
        [aggregate(key="m", cost_usd=0.0031, duration_p50_ms=340.0), aggregate(key=None)], "model"
    )
    frame: Any = styled.data  # type: ignore[attr-defined]  # pandas gives the frame back under this name
    assert frame["Cost"].tolist()[0] == 0.0031
    assert frame["Model"].tolist() == ["m", "(none)"]
    html = styled.to_html()
    assert "$0.0031" in html
    assert "340 ms" in html
    assert fmt.NOTHING in html
