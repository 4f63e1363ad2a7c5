"""The list of traces, newest first."""

from __future__ import annotations

import json

import streamlit as st

from otelllm_dashboard import filters, source
from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import tables
from otelllm_dashboard.client import TraceSummary
from otelllm_dashboard.empty import explained, no_traces

TITLE = "Traces"
ICON = ":material/account_tree:"
ORDER = 2

_PAGE = 50
_LIVE_S = 2.0


def draw() -> None:
    """The filters, and the list that they leave."""
    st.title("Traces", anchor=False)
    chosen = filters.ask(with_text=True)
    st.fragment(_list, run_every=_LIVE_S if chosen.is_live else None)(chosen)


def _list(chosen: filters.Chosen) -> None:
    with explained():
        _draw_list(chosen)


def _draw_list(chosen: filters.Chosen) -> None:
    cursors = _cursors(chosen)
    page = source.traces(chosen.query, limit=_PAGE, cursor=None if chosen.is_live else cursors[-1])
    if not page["traces"]:
        no_traces(is_filtered=bool(chosen.narrowed))
        return
    # The trace page's "newer" and "older" walk along this list.
    st.session_state["listed"] = [one["trace_id"] for one in page["traces"]]
    _table(page["traces"])
    if not chosen.is_live:
        _pager(cursors, page["next"])


def _table(summaries: list[TraceSummary]) -> None:
    small, middle = st.column_config.Column(width="small"), st.column_config.Column(width="medium")
    picked = st.dataframe(
        tables.traces(summaries, zone=filters.zone()),
        hide_index=True,
        key="traces-table",
        on_select="rerun",
        selection_mode="single-cell",
        row_height=36,
        placeholder=fmt.NOTHING,
        height=min(38 + 36 * len(summaries), 760),
        column_config={"Trace": middle, "Models": middle, "Status": small, "User": small, "Feature": small},
        alt="Traces, newest first; a click on a row opens the trace",
    )
    if cells := picked["selection"].get("cells"):
        row = int(cells[0][0])
        if row < len(summaries):
            st.switch_page(
                "app_pages/trace.py", query_params={**filters.carried(), "trace_id": summaries[row]["trace_id"]}
            )


def _cursors(chosen: filters.Chosen) -> list[str | None]:
    """The pages gone through so far, for these filters; others begin anew."""
    asked = json.dumps([chosen.narrowed, st.session_state["range"], chosen.end_ns], sort_keys=True)
    if st.session_state.get("cursors-of") != asked:
        st.session_state["cursors-of"] = asked
        st.session_state["cursors"] = [None]
    cursors: list[str | None] = st.session_state["cursors"]
    return cursors


def _pager(cursors: list[str | None], following: str | None) -> None:
    if len(cursors) == 1 and following is None:
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"Page {len(cursors)}", width="content")
        st.button("Newer", icon=":material/chevron_left:", disabled=len(cursors) == 1, on_click=_newer)
        st.button(
            "Older", icon=":material/chevron_right:", icon_position="right", disabled=following is None,
            on_click=cursors.append, args=(following,),
        )  # fmt: skip


def _newer() -> None:
    st.session_state["cursors"].pop()


if __name__ == "__main__":
    draw()
