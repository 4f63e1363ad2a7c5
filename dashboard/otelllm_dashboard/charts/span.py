"""One span in full: its conversation, attributes, events, links, resource and raw JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import conversation, enforcement, facts
from otelllm_dashboard.charts.palette import CALLS
from otelllm_dashboard.client import Json, SpanDetail
from otelllm_dashboard.empty import no_content

Colour = Literal["blue", "violet", "gray", "green", "orange"]

_TALKS = CALLS - {"embeddings", "rerank"}
_RAW_SHOWN = 200_000  # characters: the browser's JSON view takes seconds over more


def draw(span: SpanDetail, *, link: str) -> None:
    """The span's head and its tabs."""
    _head(span, link)
    names = ["Conversation" if span["operation"] in _TALKS else "Content"]
    has_policy = any((enforcement.decisions(span), enforcement.attempts(span), enforcement.saved(span)))
    names += ["Policy", "Attributes"] if has_policy else ["Attributes"]
    names += [f"Events {len(span['events'])}" if span["events"] else "Events"]
    names += [f"Links {len(span['links'])}" if span["links"] else "Links", "Resource", "Raw"]
    content, *policy, attributes, events, links, resource, raw = st.tabs(names)
    with content:
        _content(span)
    for tab in policy:
        with tab:
            enforcement.draw(span)
    with attributes:
        _table("Attributes", span["attributes"], key="attributes")
    with events:
        _events(span["events"], span["start_ns"])
    with links:
        _links(span["links"])
    with resource:
        _table("Resource", span["resource"], key="resource")
        _table("Scope", _flat(span["scope"]), key="scope")
    with raw:
        _raw(span)


def _head(span: SpanDetail, link: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {fmt.plain(facts.title(span), length=80)}", width="stretch")
        with st.popover("Share", icon=":material/link:", type="tertiary"):
            for name, value in (("Link to this span", link), ("Span", span["span_id"]), ("Trace", span["trace_id"])):
                st.caption(name)
                st.code(value, language=None, wrap_lines=True)
    with st.container(horizontal=True, gap="xsmall"):
        for text, icon, colour in _badges(span):
            st.badge(fmt.badge(text), icon=icon, color=colour)
    if span["status"] == "error":
        told = ": ".join(filter(None, [span["error_type"] or "error", span["status_message"]]))
        st.error(fmt.plain(told, length=600), icon=":material/error:")


def _badges(span: SpanDetail) -> list[tuple[str, str, Colour]]:
    found: list[tuple[str, str, Colour]] = [(fmt.duration(span["duration_ms"]), ":material/timer:", "blue")]
    model = span["response_model"] or span["request_model"]
    if model:
        found.append((model, ":material/neurology:", "violet"))
    if span["provider"]:
        found.append((span["provider"], ":material/dns:", "gray"))
    found += [(fact, ":material/sell:", "gray") for fact in facts.facts(span)]
    if span["cache_read_tokens"]:
        found.append((f"{fmt.count(span['cache_read_tokens'])} cached", ":material/cached:", "green"))
    if span["reasoning_tokens"]:
        found.append((f"{fmt.count(span['reasoning_tokens'])} reasoning", ":material/psychology:", "gray"))
    if span["cost_usd"] is None and span["cost_status"]:
        found.append((f"no price: {span['cost_status'].replace('_', ' ')}", ":material/money_off:", "orange"))
    if told := enforcement.saved(span):
        found.append((told, ":material/savings:", "green"))
    found += [(reason, ":material/flag:", "gray") for reason in span["finish_reasons"]]
    for name, icon in (
        ("user_id", ":material/person:"),
        ("session_id", ":material/forum:"),
        ("feature", ":material/category:"),
    ):
        if span.get(name):
            found.append((str(span.get(name)), icon, "gray"))
    return found


def _content(span: SpanDetail) -> None:
    is_empty = True
    if span["retrieval_query"] or span["retrieval_documents"]:
        is_empty = False
        _documents(span)
    for name, value in (("Arguments", span["tool_arguments"]), ("Result", span["tool_result"])):
        if value is not None:
            is_empty = False
            st.caption(name)
            conversation.draw_text(fmt.pretty(value), is_code=True)
    bubbles = conversation.bubbles(span)
    if bubbles:
        is_empty = False
        conversation.draw(bubbles, key=span["span_id"])
    if span["tool_definitions"]:
        with st.expander(f"Tools offered: {len(span['tool_definitions'])}", icon=":material/construction:"):
            conversation.draw_text(fmt.pretty(span["tool_definitions"]), is_code=True)
    for score in span["scores"]:
        told = " ".join(str(score[part]) for part in ("name", "value", "label") if score.get(part) is not None)
        st.badge(fmt.badge(told), icon=":material/star:", color="green")
        if score.get("explanation"):
            st.text(str(score["explanation"]))
    if is_empty and span["operation"] in _TALKS | {"retrieval", "execute_tool", "embeddings", "rerank"}:
        no_content()
    elif is_empty:
        st.caption("This span is a step of its own: its calls, tools and searches carry the content.")


def _documents(span: SpanDetail) -> None:
    if span["retrieval_query"]:
        st.caption("Query")
        st.text(span["retrieval_query"])
    for number, document in enumerate(span["retrieval_documents"] or (), 1):
        held = document if isinstance(document, dict) else {"content": document}
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge(
                    fmt.badge(held.get("id") or f"document {number}"),
                    icon=":material/article:",
                    color="blue",
                )
                if isinstance(held.get("score"), int | float):
                    st.caption(f"score {held['score']:.3f}", width="content")
            if held.get("content") is not None:
                conversation.draw_text(fmt.pretty(held["content"]))


def _table(name: str, values: Mapping[str, Json], *, key: str) -> None:
    if not values:
        st.caption(f"No {name.lower()}.")
        return
    wanted = ""
    if len(values) > 8:
        wanted = st.text_input(
            f"Search {name.lower()}", key=f"search-{key}", placeholder=f"Search {len(values)} {name.lower()}",
            icon=":material/search:", label_visibility="collapsed",
        ) or ""  # fmt: skip
    rows = [
        {name: attribute, "Value": fmt.pretty(value) if isinstance(value, dict | list) else str(value)}
        for attribute, value in sorted(values.items())
        if wanted.lower() in f"{attribute} {value}".lower()
    ]
    wide = st.column_config.TextColumn(width="large")
    st.dataframe(rows, hide_index=True, key=f"table-{key}", column_config={"Value": wide}, alt=name)


def _flat(scope: Mapping[str, Json]) -> dict[str, Json]:
    inside = scope.get("attributes")
    own = {f"scope.{part}": scope[part] for part in ("name", "version") if scope.get(part)}
    return {**own, **(inside if isinstance(inside, dict) else {})}


def _events(events: Sequence[Mapping[str, Json]], start_ns: int) -> None:
    if not events:
        st.caption("No events.")
    for event in events:
        after = fmt.duration((event["time_ns"] - start_ns) / 1e6)
        with st.container(border=True):
            st.markdown(f"**{fmt.plain(event['name'])}** :gray[after {after}]")
            if event["attributes"]:
                st.code(fmt.pretty(event["attributes"]), language="json", wrap_lines=True)


def _links(links: Sequence[Mapping[str, Json]]) -> None:
    if not links:
        st.caption("No links.")
    for link in links:
        with st.container(border=True):
            st.page_link(
                "app_pages/trace.py", label=f"Span {fmt.plain(link['span_id'])} of trace {fmt.plain(link['trace_id'])}",
                icon=":material/arrow_outward:",
                query_params={"trace_id": str(link["trace_id"]), "span_id": str(link["span_id"])},
            )  # fmt: skip
            if link["attributes"]:
                st.code(fmt.pretty(link["attributes"]), language="json", wrap_lines=True)


def _raw(span: SpanDetail) -> None:
    text = json.dumps(span, indent=2, ensure_ascii=False, default=str)
    st.download_button(
        "Download JSON", text, file_name=f"span-{span['span_id']}.json", mime="application/json",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    if len(text) > _RAW_SHOWN:
        st.caption(f"{fmt.size(len(text))} of JSON: download it to read all.")
        st.code(text[:_RAW_SHOWN], language=None, height=480)
    else:
        st.code(text, language="json", height=480)
