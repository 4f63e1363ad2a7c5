"""Charts over time: bars for what adds up, lines for what is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

import plotly.graph_objects as go

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import palette
from otelllm_dashboard.client import Aggregate

_STEP_NS = {"minute": 60_000_000_000, "hour": 3_600_000_000_000, "day": 86_400_000_000_000}
_HEIGHT_PX = 210

Value = Callable[[Aggregate], float | None]
Shown = Callable[[float | None], str]


def filled(rows: Sequence[Aggregate], bucket: str, *, start_ns: int, end_ns: int) -> list[tuple[int, Aggregate | None]]:
    """One entry a bucket from start to end: a stretch without calls is a gap in the picture, not a missing stretch."""
    step = _STEP_NS[bucket]
    by_bucket = {row["bucket_ns"]: row for row in rows if row["bucket_ns"] is not None}
    first = min([start_ns // step * step, *by_bucket])
    last = max([(end_ns - 1) // step * step, *by_bucket])
    return [(at, by_bucket.get(at)) for at in range(first, last + 1, step)]


def bars(
    buckets: Sequence[tuple[int, Aggregate | None]],
    layers: Sequence[tuple[str, str, Value]],
    *,
    shown: Shown = fmt.count,
    zone: tzinfo = UTC,
) -> go.Figure:
    """Stacked bars: each layer has a name, a colour and a value; a bucket without calls is zero."""
    times = _times(buckets, zone)
    drawing = go.Figure()
    for name, colour, value in layers:
        heights = [(value(row) or 0) if row else 0 for _, row in buckets]
        drawing.add_bar(
            x=times, y=heights, name=name, marker={"color": colour, "line": {"width": 0}},
            customdata=[shown(height) for height in heights], hovertemplate=f"{name} %{{customdata}}<extra></extra>",
        )  # fmt: skip
    drawing.update_layout(barmode="stack", bargap=0.15)
    return _dressed(drawing, shown, len(layers) > 1)


def lines(
    buckets: Sequence[tuple[int, Aggregate | None]],
    layers: Sequence[tuple[str, str, Value]],
    *,
    shown: Shown = fmt.duration,
    zone: tzinfo = UTC,
) -> go.Figure:
    """Lines with a point a bucket: where nothing was measured there is no line."""
    times = _times(buckets, zone)
    drawing = go.Figure()
    for name, colour, value in layers:
        points = [value(row) if row else None for _, row in buckets]
        drawing.add_scatter(
            x=times, y=points, name=name, mode="lines+markers", line={"color": colour, "width": 2},
            marker={"size": 5}, connectgaps=False, customdata=[shown(point) for point in points],
            hovertemplate=f"{name} %{{customdata}}<extra></extra>",
        )  # fmt: skip
    return _dressed(drawing, shown, len(layers) > 1)


def _times(buckets: Sequence[tuple[int, Aggregate | None]], zone: tzinfo) -> list[datetime]:
    # Plotly draws times as they are written: the reader's own hours, without a zone.
    return [datetime.fromtimestamp(at / 1e9, tz=zone).replace(tzinfo=None) for at, _ in buckets]


def _dressed(drawing: go.Figure, shown: Shown, has_legend: bool) -> go.Figure:
    highest = _highest(drawing)
    step = _round_step(highest)
    ticks = [step * tick for tick in range(1 + round(highest / step + 0.2))]
    drawing.update_layout(
        height=_HEIGHT_PX,
        margin={"l": 4, "r": 8, "t": 28 if has_legend else 8, "b": 4},
        hovermode="x unified",
        dragmode=False,
        showlegend=has_legend,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11},
                "traceorder": "normal"},
        xaxis={"showgrid": False, "fixedrange": True, "tickfont": {"size": 11}, "nticks": 7},
        yaxis={
            "fixedrange": True, "rangemode": "tozero", "tickvals": ticks, "ticktext": [shown(tick) for tick in ticks],
            "range": [0, max(highest * 1.05, ticks[-1], step)], "tickfont": {"size": 11},
            "gridcolor": "rgba(128,128,128,0.16)", "zeroline": False,
        },
    )  # fmt: skip
    return drawing


def _round_step(highest: float) -> float:
    """A round number of which two or three reach the top: 1, 2, 2.5 or 5 times a power of ten."""
    if highest <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(highest / 2))
    return next((unit * size for size in (1, 2, 2.5, 5) if highest / (unit * size) <= 3), unit * 10)


def _highest(drawing: go.Figure) -> float:
    layers = [[point or 0 for point in layer.y] for layer in drawing.data]
    if not layers or not layers[0]:
        return 0.0
    if drawing.layout.barmode == "stack":
        return float(max(sum(column) for column in zip(*layers, strict=True)))
    return float(max(max(layer) for layer in layers))


CALLS = (
    ("ok", palette.SERIES[0], lambda row: row["calls"] - row["errors"]),
    ("errors", palette.ERROR, lambda row: row["errors"]),
)
TOKENS = (
    ("input", palette.SERIES[3], lambda row: (row["input_tokens"] or 0) - (row["cache_read_tokens"] or 0)),
    ("cached input", palette.SERIES[1], lambda row: row["cache_read_tokens"]),
    ("output", palette.SERIES[2], lambda row: row["output_tokens"]),
)
COST = (("cost", palette.SERIES[4], lambda row: row["cost_usd"]),)
FIRST_TOKEN = (
    ("p50", palette.SERIES[1], lambda row: row["ttft_p50_ms"]),
    ("p95", palette.SERIES[2], lambda row: row["ttft_p95_ms"]),
)
LATENCY = (
    ("p50", palette.SERIES[0], lambda row: row["duration_p50_ms"]),
    ("p95", palette.SERIES[4], lambda row: row["duration_p95_ms"]),
)
ERROR_RATE = (("error rate", palette.ERROR, lambda row: row["errors"] / row["calls"] if row["calls"] else None),)
