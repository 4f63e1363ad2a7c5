"""Rows of the API as tables: numbers stay numbers, so that a column sorts, and are shown as a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

import pandas as pd

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import palette
from otelllm_dashboard.client import Aggregate, TraceSummary

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

Shown = Callable[[float | None], str]


def traces(summaries: Sequence[TraceSummary], *, zone: tzinfo) -> Styler:
    """The trace list."""
    frame = pd.DataFrame(
        {
            "Time": [fmt.moment(one["start_ns"], zone=zone)[:-4] for one in summaries],
            "Trace": [one["name"] for one in summaries],
            "Status": ["● error" if one["status"] == "error" or one["errors"] else "● ok" for one in summaries],
            "Duration": _numbers(one["duration_ms"] for one in summaries),
            "TTFT": _numbers(one["ttft_ms"] for one in summaries),
            "Calls": [one["calls"] for one in summaries],
            "Spans": [one["spans"] for one in summaries],
            "Input": _numbers(one["input_tokens"] for one in summaries),
            "Output": _numbers(one["output_tokens"] for one in summaries),
            "Cost": _numbers(one["cost_usd"] for one in summaries),
            "Models": [", ".join(one["models"]) for one in summaries],
            "User": [", ".join(one["users"]) for one in summaries],
            "Feature": [", ".join(one["features"]) for one in summaries],
            "Session": [", ".join(one["sessions"]) for one in summaries],
            "Service": [one["service"] for one in summaries],
        }
    )
    shown: dict[str, Shown] = {
        "Duration": fmt.duration, "TTFT": fmt.duration, "Input": fmt.count, "Output": fmt.count, "Cost": fmt.money,
    }  # fmt: skip
    return _styled(frame, shown).map(_status_colour, subset=["Status"])


def breakdown(rows: Sequence[Aggregate], dimension: str) -> Styler:
    """Model calls by a dimension, the busiest first."""
    frame = pd.DataFrame(
        {
            dimension.capitalize(): [row["key"] or "(none)" for row in rows],
            "Calls": _numbers(row["calls"] for row in rows),
            "Errors": _numbers(row["errors"] for row in rows),
            "Input": _numbers(row["input_tokens"] for row in rows),
            "Cached": _numbers(row["cache_read_tokens"] for row in rows),
            "Output": _numbers(row["output_tokens"] for row in rows),
            "Cost": _numbers(row["cost_usd"] for row in rows),
            "No price": _numbers(row["unpriced_calls"] for row in rows),
            "TTFT p50": _numbers(row["ttft_p50_ms"] for row in rows),
            "TTFT p95": _numbers(row["ttft_p95_ms"] for row in rows),
            "Latency p50": _numbers(row["duration_p50_ms"] for row in rows),
            "Latency p95": _numbers(row["duration_p95_ms"] for row in rows),
        }
    )
    times: dict[str, Shown] = dict.fromkeys(frame.columns[8:], fmt.duration)
    sums: dict[str, Shown] = dict.fromkeys(["Calls", "Errors", "Input", "Cached", "Output", "No price"], fmt.count)
    return _styled(frame, {**times, **sums, "Cost": fmt.money}).map(_error_colour, subset=["Errors"])


def _numbers(values: object) -> pd.Series[float]:
    return pd.Series(list(values), dtype="float64")  # type: ignore[call-overload]  # any iterable of numbers and None


def _styled(frame: pd.DataFrame, shown: dict[str, Shown]) -> Styler:
    return frame.style.format({name: _known(show) for name, show in shown.items()})


def _known(show: Shown) -> Callable[[float], str]:
    return lambda value: show(None if pd.isna(value) else value)


def _status_colour(value: str) -> str:
    return f"color: {palette.ERROR if 'error' in value else '#30a46c'}"


def _error_colour(value: float) -> str:
    return f"color: {palette.ERROR}" if value else ""
