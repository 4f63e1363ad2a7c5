"""One trace: its waterfall, and the span that is chosen in it."""

from __future__ import annotations

import time
from collections.abc import Collection
from urllib.parse import urlencode, urlsplit

import streamlit as st

from otelllm_dashboard import filters, source
from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import facts, span, tree, waterfall
from otelllm_dashboard.charts.palette import CALLS
from otelllm_dashboard.client import TraceSummary
from otelllm_dashboard.empty import explained

TITLE = "Trace"
ICON = ":material/waterfall_chart:"
ORDER = None  # reached from the list or by a link

_PICTURE = "waterfall"
_TALL_PX = 640


def draw() -> None:
    """The trace that the address names."""
    trace_id = st.query_params.get("trace_id", "").strip().lower()
    if not trace_id:
        st.title("Trace", anchor=False)
        st.info(
            "Choose a trace in the list, or open a link that names one: `/trace?trace_id=…`.", icon=":material/info:"
        )
        st.page_link("app_pages/traces.py", label="All traces", icon=":material/arrow_back:")
        return
    answer = source.trace(trace_id)
    grown = tree.grow(answer["spans"])
    _way_back(trace_id)
    _head(answer["trace"])
    _body(grown)


def _way_back(trace_id: str) -> None:
    listed: list[str] = st.session_state.get("listed", [])
    at = listed.index(trace_id) if trace_id in listed else None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "app_pages/traces.py", label="All traces", icon=":material/arrow_back:", width="stretch",
            query_params=filters.carried(),
        )  # fmt: skip
        if at is None:
            return
        for label, icon, to, key in (
            ("Newer", ":material/chevron_left:", at - 1, "left"),
            ("Older", ":material/chevron_right:", at + 1, "right"),
        ):
            if st.button(label, icon=icon, type="tertiary", disabled=not 0 <= to < len(listed), shortcut=f"alt+{key}"):
                st.switch_page("app_pages/trace.py", query_params={**filters.carried(), "trace_id": listed[to]})


def _head(trace: TraceSummary) -> None:
    st.title(fmt.plain(trace["name"] or "(no name)", length=120), anchor=False)
    began = (
        f"{fmt.moment(trace['start_ns'], zone=filters.zone())} ({fmt.ago(trace['start_ns'], now_ns=time.time_ns())})"
    )
    about = [began, trace["service"]]
    for values in (trace["users"], trace["sessions"], trace["features"]):
        about.extend(values[:3])
    st.caption(" · ".join(fmt.plain(one, length=60) for one in about if one))
    cached = f", {fmt.count(trace['cache_read_tokens'])} cached" if trace["cache_read_tokens"] else ""
    unpriced = f", {fmt.count(trace['unpriced_calls'])} without a price" if trace["unpriced_calls"] else ""
    with st.grid(min_column_width=120):
        st.metric("Time", fmt.duration(trace["duration_ms"]))
        st.metric("Cost", fmt.money(trace["cost_usd"]), help=f"Sum over the model calls{unpriced}")
        st.metric("Tokens in", fmt.count(trace["input_tokens"]), help=f"Input tokens{cached}")
        st.metric("Tokens out", fmt.count(trace["output_tokens"]))
        st.metric("First token", fmt.duration(trace["ttft_ms"]), help="Of the first streamed call")
        st.metric("Calls", fmt.count(trace["calls"]), help=f"Model calls; {fmt.plural(trace['spans'], 'span')} in all")
        st.metric("Errors", fmt.count(trace["errors"]))


@st.fragment
def _body(grown: tree.Tree) -> None:
    selected = _selected(grown)
    left, right = st.columns([58, 42], gap="medium")
    with left:
        matches, critical = _tools(grown, selected)
        _waterfall(grown, selected, matches, critical)
    with right, explained(), st.container(border=True):
        detail = source.span(grown.spans[selected]["trace_id"], selected)
        span.draw(detail, link=_link(detail["trace_id"], selected))


def _selected(grown: tree.Tree) -> str:
    """The span that the address names, else the call that said the most, else the root."""
    named = st.query_params.get("span_id", "").strip().lower()
    if named in grown.spans:
        return named
    order = list(grown.order())
    talks = CALLS - {"embeddings", "rerank"}
    said = [one for one in order if grown.spans[one]["operation"] in talks]
    return max(said, key=lambda one: grown.spans[one]["output_tokens"] or 0, default=order[0])


def _select(span_id: str) -> None:
    st.query_params["span_id"] = span_id


def _tools(grown: tree.Tree, selected: str) -> tuple[Collection[str] | None, Collection[str] | None]:
    """Search, ways to jump and fold; what matches, and the critical path where it is asked for."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        wanted = st.text_input(
            "Find spans", key="find", placeholder="Find by name, model, tool, error", icon=":material/search:",
            label_visibility="collapsed", width=230, type="search",
        )  # fmt: skip
        path = st.toggle("Critical path", key="critical", help="Fade what the whole did not wait for")
        failed = [one for one in grown.order() if grown.spans[one]["status"] == "error"]
        if failed:
            # The deepest failure is where it began: its parents only report it.
            first = next(
                one
                for one in failed
                if not any(grown.spans[c]["status"] == "error" for c in grown.children.get(one, ()))
            )
            st.button(
                "First error", icon=":material/error:", on_click=_select, args=(first,), type="tertiary",
                help="Go to the first span that failed", shortcut="alt+e",
            )  # fmt: skip
        _folding(grown, selected)
    words = (wanted or "").lower().split()
    matches = None
    if words:
        matches = {one for one, each in grown.spans.items() if all(word in facts.searchable(each) for word in words)}
        st.caption(f"{fmt.plural(len(matches), 'span')} found")
    return matches, tree.critical_path(grown) if path else None


def _folding(grown: tree.Tree, selected: str) -> None:
    folded: set[str] = st.session_state.setdefault("folded", set())
    if grown.children.get(selected):
        is_folded = selected in folded
        st.button(
            "Unfold" if is_folded else "Fold", type="tertiary",
            icon=":material/unfold_more:" if is_folded else ":material/unfold_less:",
            help="Hide or show what is below the chosen span",
            on_click=folded.discard if is_folded else folded.add, args=(selected,),
        )  # fmt: skip
        if len(grown.spans) > tree.MOST_ROWS and st.session_state.get("top") != selected:
            st.button(
                "Only this", icon=":material/center_focus_strong:", type="tertiary", on_click=_look_at,
                args=(selected,), help="Draw only the chosen span and what is below it",
            )  # fmt: skip
    if st.session_state.get("top") in grown.spans:
        st.button("Whole trace", icon=":material/zoom_out_map:", type="tertiary", on_click=_look_at, args=(None,))


def _look_at(span_id: str | None) -> None:
    st.session_state["top"] = span_id


def _waterfall(
    grown: tree.Tree, selected: str, matches: Collection[str] | None, critical: Collection[str] | None
) -> None:
    top = st.session_state.get("top")
    inside = not top or top not in grown.spans or selected in set(grown.below(top))
    rows = tree.rows(
        grown, top=top, collapsed=st.session_state["folded"], keep=[selected] if inside else [], matches=matches
    )  # fmt: skip
    if not rows:
        st.caption("No span matches.")
        return
    drawn = sum(not row.is_rest for row in rows)
    if len(grown.spans) > tree.MOST_ROWS and drawn < len(grown.spans):
        st.caption(
            f"{drawn} of {len(grown.spans)} spans drawn; the rest is counted beside its parent. Search finds all."
        )
    is_dark = st.context.theme.type == "dark"
    figure = waterfall.figure(rows, selected=selected, critical=critical, is_dark=is_dark)
    is_tall = figure.layout.height > _TALL_PX
    with st.container(height=_TALL_PX if is_tall else "content", border=False):
        st.plotly_chart(
            figure, key=_PICTURE, on_select=_picked, selection_mode="points",
            config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
            alt="Waterfall of the trace; a click on a row shows its span",
        )  # fmt: skip


def _picked() -> None:
    """A click on a bar or a name: the address names the span from now on."""
    points = st.session_state[_PICTURE]["selection"]["points"]
    if points and points[0].get("customdata"):
        chosen = points[0]["customdata"]
        _select(str(chosen[0] if isinstance(chosen, list | tuple) else chosen))


def _link(trace_id: str, span_id: str) -> str:
    here = urlsplit(st.context.url or "http://127.0.0.1:8501/trace")
    return f"{here.scheme}://{here.netloc}{here.path}?{urlencode({'trace_id': trace_id, 'span_id': span_id})}"


if __name__ == "__main__":
    draw()
