"""What the calls of a range of time came to: how many, how dear, how fast, how often wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from otelllm_dashboard import address, filters, source
from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import enforcement, series, tables
from otelllm_dashboard.client import Aggregate
from otelllm_dashboard.empty import explained, no_traces

TITLE = "Overview"
ICON = ":material/monitoring:"
ORDER = 1

_DIMENSIONS = ("Model", "Provider", "User", "Session", "Feature", "Service", "Operation", "Error type")
_LINKED = frozenset({"model", "provider", "user", "session", "feature", "service", "operation"})
_CHART = {"displayModeBar": False}


def draw() -> None:
    """Sums at the top, charts over time, and a table by model, user, feature and more."""
    st.title("Overview", anchor=False)
    chosen = filters.ask()
    totals = source.aggregates("none", "none", chosen.query)
    if not totals or not totals[0]["calls"]:
        no_traces(is_filtered=bool(chosen.narrowed))
        return
    before = source.aggregates("none", "none", chosen.before())
    _sums(totals[0], before[0] if before and before[0]["calls"] else None)
    _charts(chosen)
    _breakdown(chosen)
    _decisions(chosen)


def _sums(now: Aggregate, before: Aggregate | None) -> None:
    with st.grid(7, min_column_width=135):
        _metric("Calls", fmt.count(now["calls"]), _change(now, before, "calls"))
        _metric(
            "Errors", fmt.count(now["errors"]), _change(now, before, "errors"), is_bad=True,
            note=fmt.percent(now["errors"], now["calls"]) + " of calls",
        )  # fmt: skip
        _metric(
            "Input tokens", fmt.count(now["input_tokens"]), _change(now, before, "input_tokens"),
            note=fmt.percent(now["cache_read_tokens"], now["input_tokens"]) + " from cache",
        )  # fmt: skip
        _metric("Output tokens", fmt.count(now["output_tokens"]), _change(now, before, "output_tokens"))
        unpriced = now["unpriced_calls"]
        _metric(
            "Cost", fmt.money(now["cost_usd"]), _change(now, before, "cost_usd"), is_bad=True,
            note=f"{fmt.plural(unpriced, 'call')} without a price" if unpriced else "every call has a price",
        )  # fmt: skip
        _metric(
            "First token, p50", fmt.duration(now["ttft_p50_ms"]), _change(now, before, "ttft_p50_ms"), is_bad=True,
            note=f"p95 {fmt.duration(now['ttft_p95_ms'])}",
        )  # fmt: skip
        _metric(
            "Latency, p50", fmt.duration(now["duration_p50_ms"]), _change(now, before, "duration_p50_ms"), is_bad=True,
            note=f"p95 {fmt.duration(now['duration_p95_ms'])}",
        )  # fmt: skip


def _metric(name: str, value: str, change: str | None, *, is_bad: bool = False, note: str = "") -> None:
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.metric(name, value, change, delta_color="inverse" if is_bad else "off")
        st.caption(note or " ")


def _change(now: Aggregate, before: Aggregate | None, field: str) -> str | None:
    """How a number moved against the range of equal length before."""
    new, old = now.get(field), before.get(field) if before else None
    if not isinstance(new, int | float) or not isinstance(old, int | float) or not old:
        return None
    return f"{100 * (new - old) / old:+.0f} %"


def _charts(chosen: filters.Chosen) -> None:
    rows = source.aggregates("none", chosen.bucket, chosen.query, limit=2000)
    end_ns = chosen.end_ns or time.time_ns()
    buckets = series.filled(rows, chosen.bucket, start_ns=chosen.start_ns, end_ns=end_ns)
    zone = filters.zone()
    drawn = (
        ("Calls", series.bars(buckets, series.CALLS, zone=zone)),
        ("Cost", series.bars(buckets, series.COST, shown=fmt.money, zone=zone)),
        ("Tokens", series.bars(buckets, series.TOKENS, zone=zone)),
        ("Time to first token", series.lines(buckets, series.FIRST_TOKEN, zone=zone)),
        ("Latency", series.lines(buckets, series.LATENCY, zone=zone)),
        ("Error rate", series.lines(buckets, series.ERROR_RATE, shown=lambda rate: fmt.percent(rate, 1), zone=zone)),
    )
    with st.grid(min_column_width=400):
        for name, figure in drawn:
            with st.container(border=True):
                st.markdown(f"**{name}** :gray[per {chosen.bucket}]")
                st.plotly_chart(figure, key=f"chart-{name}", config=_CHART, alt=f"{name} per {chosen.bucket}")


@st.fragment
def _breakdown(chosen: filters.Chosen) -> None:
    st.subheader("Breakdown", anchor=False)
    by = st.segmented_control(
        "By", _DIMENSIONS, required=True, label_visibility="collapsed",
        **address.kept("by", address.one_of(_DIMENSIONS), _DIMENSIONS[0]),
    )  # fmt: skip
    by = str(by).lower().replace(" ", "_")
    with explained():
        rows = source.aggregates(by, "none", chosen.query)
        if by == "error_type":
            rows = [row for row in rows if row["key"]]
        _table(rows, by)


def _table(rows: Sequence[Aggregate], by: str) -> None:
    if not rows:
        st.caption("No errors in this range." if by == "error_type" else "Nothing to break down.")
        return
    picked = st.dataframe(
        tables.breakdown(rows, by.replace("_", " ")), hide_index=True, key=f"breakdown-{by}", on_select="rerun",
        selection_mode="single-cell", row_height=36, placeholder=fmt.NOTHING, alt=f"Model calls by {by}",
    )  # fmt: skip
    st.caption("A click on a row lists its traces.")
    cells = picked["selection"].get("cells")
    if not cells or int(cells[0][0]) >= len(rows):
        return
    _open(rows[int(cells[0][0])]["key"], by)


def _decisions(chosen: filters.Chosen) -> None:
    with explained():
        if rows := source.decisions(chosen.query):
            st.subheader("What the policy did", anchor=False)
            st.dataframe(
                enforcement.summed(rows), hide_index=True, key="decisions", alt="Decisions by rule and outcome"
            )


def _open(key: str | None, by: str) -> None:
    """The trace list with this row's filter added to those that are set."""
    query = filters.carried()
    if by == "error_type":
        query["error"] = "true"
    elif by in _LINKED and key:
        query[by] = key
    st.switch_page("app_pages/traces.py", query_params=query)


if __name__ == "__main__":
    draw()
