"""A trace's waterfall: names as a tree on the left, one bar a span on the right, in milliseconds from the start."""

from __future__ import annotations

from collections.abc import Collection

import plotly.graph_objects as go

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import facts, palette
from otelllm_dashboard.charts.tree import Row

ROW_PX = 28
_HEAD_PX = 34
_GUTTER = 0.46  # the share of the width that names take
_INDENT = 0.034  # of the gutter, a level
_LEAST = 0.002  # of the whole: the shortest bar that can be seen and clicked
_DEEPEST = 14  # deeper levels stand under each other: the names must stay on the screen

# Plotly greys out what a click did not choose; here the band behind the row says what is chosen.
_ALWAYS = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}


def figure(
    rows: list[Row],
    *,
    selected: str | None = None,
    critical: Collection[str] | None = None,
    is_dark: bool = False,
) -> go.Figure:
    """The figure for these rows. Whatever can be clicked carries its span's id as customdata."""
    origin = min((row.span["start_ns"] for row in rows), default=0)
    total_ms = max((row.span["end_ns"] - origin for row in rows), default=0) / 1e6 or 0.001
    drawing = go.Figure(
        [
            _touch(rows, "x", -_INDENT, 1, is_told=True),
            _touch(rows, "x2", *_span_of_axis(total_ms), is_told=False),
            _guides(rows),
            _bars(rows, origin, total_ms * _LEAST, critical),
            _names(rows, is_dark),
            *_marks(rows, origin),
        ]
    )
    drawing.update_layout(
        height=_HEAD_PX + ROW_PX * len(rows) + 8,
        margin={"l": 4, "r": 8, "t": _HEAD_PX, "b": 4},
        showlegend=False,
        barmode="overlay",
        hovermode="closest",
        hoverlabel={"align": "left"},
        dragmode=False,
        # Zoom and scroll survive a click on another span of the same picture.
        uirevision="|".join((rows[0].span["trace_id"], rows[0].span["span_id"], str(len(rows)))) if rows else "",
        yaxis={"range": [len(rows) - 0.5, -0.5], "visible": False, "fixedrange": True},
        xaxis={"domain": [0, _GUTTER], "range": [-_INDENT, 1], "visible": False, "fixedrange": True},
        xaxis2=_time_axis(total_ms),
        shapes=_band(rows, selected),
    )
    return drawing


def _time_axis(total_ms: float) -> dict[str, object]:
    step = _step(total_ms)
    at = [step * tick for tick in range(int(total_ms / step) + 1)]
    return {
        "domain": [_GUTTER, 1],
        "range": [*_span_of_axis(total_ms)],
        "anchor": "y",
        "side": "top",
        "tickvals": at,
        "ticktext": [_tick(tick) for tick in at],
        "tickfont": {"size": 11, "color": palette.GREY_TEXT},
        "gridcolor": "rgba(128,128,128,0.16)",
        "zeroline": False,
        "showline": False,
        "fixedrange": True,
    }


def _step(total_ms: float) -> float:
    unit = 10.0 ** (len(f"{total_ms:.0f}") - 2)
    return next((unit * size for size in (1, 2, 2.5, 5, 10, 20, 25, 50) if total_ms / (unit * size) <= 4.5), unit * 100)


def _span_of_axis(total_ms: float) -> tuple[float, float]:
    # Room on the right for the length that stands after the last bar.
    return -0.01 * total_ms, 1.2 * total_ms


def _touch(rows: list[Row], axis: str, start: float, end: float, *, is_told: bool) -> go.Bar:
    """Unseen bars as wide as the picture: a click anywhere in a row chooses its span, not only one on its bar."""
    return go.Bar(
        orientation="h",
        xaxis=axis,
        y=list(range(len(rows))),
        base=start,
        x=[end - start] * len(rows),
        width=1,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        customdata=[[row.span["span_id"]] for row in rows],
        hovertext=[_hover(row) for row in rows] if is_told else None,
        hovertemplate="%{hovertext}<extra></extra>" if is_told else None,
        hoverinfo=None if is_told else "none",
        **_ALWAYS,
    )


def _tick(ms: float) -> str:
    # Round by choice of the step: 1 s, not 1.00 s.
    return f"{ms / 1000:g} s" if 1000 <= ms < 60_000 else fmt.duration(ms) if ms else "0"


def _bars(rows: list[Row], origin: int, least_ms: float, critical: Collection[str] | None) -> go.Bar:
    return go.Bar(
        orientation="h",
        xaxis="x2",
        y=list(range(len(rows))),
        base=[(row.span["start_ns"] - origin) / 1e6 for row in rows],
        x=[max(row.span["duration_ms"], least_ms) for row in rows],
        marker={
            "color": [
                palette.faded(
                    palette.OTHER if row.is_rest else palette.colour(row.span["operation"]), _weight(row, critical)
                )
                for row in rows
            ],
            "line": {"color": palette.ERROR, "width": [2 if _failed(row) else 0 for row in rows]},
            "cornerradius": 3,
        },
        text=["" if row.is_rest else f" {fmt.duration(row.span['duration_ms'])}" for row in rows],
        textposition="outside",
        textfont={"size": 11, "color": palette.GREY_TEXT},
        cliponaxis=False,
        constraintext="none",
        customdata=[[row.span["span_id"]] for row in rows],
        hovertext=[_hover(row) for row in rows],
        hovertemplate="%{hovertext}<extra></extra>",
        width=0.58,
        **_ALWAYS,
    )


def _weight(row: Row, critical: Collection[str] | None) -> float:
    return 0.22 if row.is_rest or (critical is not None and row.span["span_id"] not in critical) else 0.92


def _failed(row: Row) -> bool:
    return row.span["status"] == "error" and not row.is_rest


def _names(rows: list[Row], is_dark: bool) -> go.Scatter:
    return go.Scatter(
        mode="markers+text",
        x=[_indent(row.depth) for row in rows],
        y=list(range(len(rows))),
        text=["  " + _name(row, is_dark) for row in rows],
        textposition="middle right",
        textfont={"size": 13, "color": "#e8e6e3" if is_dark else "#2f2d2b"},
        marker={
            "color": [palette.ERROR if _failed(row) else palette.colour(row.span["operation"]) for row in rows],
            "symbol": ["x" if _failed(row) else "circle-open" if row.is_rest else "circle" for row in rows],
            "size": 8,
            "line": {"width": 0},
        },
        hoverinfo="skip",
        **_ALWAYS,
    )


def _name(row: Row, is_dark: bool) -> str:
    if row.is_rest:
        failed = f", {fmt.plural(row.sums.errors, 'error')}" if row.sums.errors else ""
        return f"<i>+{fmt.plural(row.hidden, 'more span')}{failed}</i>"
    told = " · ".join(facts.row_facts(row))
    name = fmt.label(facts.title(row.span), length=40)
    if _failed(row):
        name = f"<span style='color:{'#ff8589' if is_dark else '#c62a2f'}'>{name}</span>"
        told = " · ".join(filter(None, [row.span["error_type"] or "error", told]))
    return f"{name}  <span style='color:{palette.GREY_TEXT};font-size:11px'>{fmt.label(told, length=70)}</span>"


def _indent(depth: int) -> float:
    return 0.015 + _INDENT * min(depth, _DEEPEST)


def _hover(row: Row) -> str:
    span = row.span
    if row.is_rest:
        return f"{fmt.plural(row.hidden, 'span')} not drawn; click to go to the first"
    lines = [f"<b>{fmt.label(facts.title(span), length=80)}</b>", fmt.duration(span["duration_ms"])]
    model = span["response_model"] or span["request_model"]
    for name, value in (("model", model), ("provider", span["provider"]), ("service", span["service"])):
        if value:
            lines.append(f"{name} {fmt.label(value)}")
    lines.extend(fmt.label(fact) for fact in facts.facts(span))
    if row.sums.spans > 1:
        lines.append(f"with {fmt.plural(row.sums.spans - 1, 'span')} below: " + " · ".join(facts.rolled_up(row.sums)))
    if span["error_type"]:
        lines.append(f"error {fmt.label(span['error_type'])}")
    return "<br>".join(lines)


def _guides(rows: list[Row]) -> go.Scatter:
    """The lines of the tree: down from a parent, across to each child."""
    x: list[float | None] = []
    y: list[float | None] = []
    above: list[float] = []  # by depth: where the line of the next child begins
    for index, row in enumerate(rows):
        del above[row.depth + 1 :]
        if row.depth and len(above) > row.depth - 1 and row.depth <= _DEEPEST:
            trunk = _indent(row.depth - 1)
            begin = above[row.depth] if len(above) > row.depth else above[row.depth - 1] + 0.2
            x += [trunk, trunk, _indent(row.depth), None]
            y += [begin, index, index, None]
        above[row.depth :] = [index]
    line = {"color": palette.FAINT, "width": 1}
    return go.Scatter(mode="lines", x=x, y=y, line=line, hoverinfo="skip")


def _marks(rows: list[Row], origin: int) -> list[go.Scatter]:
    """A tick in the bar where the first token of a stream came."""
    first = [(index, row) for index, row in enumerate(rows) if row.span["ttft_ms"] is not None and not row.is_rest]
    if not first:
        return []
    return [
        go.Scatter(
            mode="markers",
            xaxis="x2",
            x=[(row.span["start_ns"] - origin) / 1e6 + (row.span["ttft_ms"] or 0) for _, row in first],
            y=[index for index, _ in first],
            marker={
                "symbol": "diamond",
                "size": 9,
                "color": palette.FIRST_TOKEN,
                "line": {"color": "#3b3413", "width": 1},
            },
            customdata=[[row.span["span_id"]] for _, row in first],
            hovertext=[f"first token after {fmt.duration(row.span['ttft_ms'])}" for _, row in first],
            hovertemplate="%{hovertext}<extra></extra>",
            **_ALWAYS,
        )
    ]


def _band(rows: list[Row], selected: str | None) -> list[dict[str, object]]:
    return [
        {
            "type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": index - 0.5, "y1": index + 0.5,
            "fillcolor": palette.BAND, "line": {"width": 0}, "layer": "below",
        }
        for index, row in enumerate(rows)
        if row.span["span_id"] == selected and not row.is_rest
    ]  # fmt: skip
