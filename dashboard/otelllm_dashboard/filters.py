"""Which calls a page is about: a range of time and filters, kept in the address so that a link shows the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import streamlit as st

from otelllm_dashboard import address, source
from otelllm_dashboard.client import Filters
from otelllm_dashboard.format import plain

Bucket = Literal["minute", "hour", "day"]

# The words on the buttons are the words in the address.
CUSTOM = "Custom"
RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_DEFAULT_RANGE = "24h"
_CHOICES = ("service", "provider", "model", "operation", "user", "session", "feature")

# Times are rounded to this, so that the reruns of a few seconds ask the same question and the cache can answer it.
_ROUNDED_S = 5


@dataclass(frozen=True, slots=True)
class Chosen:
    """A range of time and filters, as the API takes them."""

    start_ns: int
    end_ns: int | None
    narrowed: dict[str, str | float]
    is_live: bool = False

    @property
    def query(self) -> Filters:
        """The filters of a question."""
        limits: Filters = {"start": self.start_ns}
        if self.end_ns is not None:
            limits["end"] = self.end_ns
        return {**limits, **self.narrowed}

    @property
    def length_s(self) -> float:
        """How long the range is."""
        return ((self.end_ns or time.time_ns()) - self.start_ns) / 1e9

    @property
    def bucket(self) -> Bucket:
        """The bucket that gives a chart between ten and two hundred points."""
        if self.length_s <= 2 * 3600:
            return "minute"
        return "hour" if self.length_s <= 8 * 86_400 else "day"

    def before(self) -> Filters:
        """The same question about the range of equal length just before."""
        length_ns = (self.end_ns or _now_ns()) - self.start_ns
        return {**self.query, "start": self.start_ns - length_ns, "end": self.start_ns}


def carried() -> dict[str, str]:
    """The range and filters of the address, to give to a page that is opened from here: its way back leads here."""
    names = ("range", "from", "to", "q", "min_ms", "error", *_CHOICES)
    return {name: st.query_params[name] for name in names if name in st.query_params}


def zone() -> tzinfo:
    """The reader's own time zone, as the browser says it."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError):  # a browser may name a zone that this machine's tables do not have
        return UTC


def ask(*, with_text: bool = False) -> Chosen:
    """Draw the range and the filters, and say what is chosen. `with_text` adds those that only a list has."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = _range()
        start_ns, end_ns = _custom() if chosen == CUSTOM else (_now_ns() - _length_ns(chosen), None)
        limits: Filters = {"start": start_ns} if end_ns is None else {"start": start_ns, "end": end_ns}
        with st.popover("Filters", icon=":material/filter_list:"):
            narrowed = _narrowed(limits)
        if with_text:
            narrowed |= _list_only()
        is_live = with_text and st.toggle("Live", key="live", help="Ask for new traces every two seconds")
        st.button("Refresh", icon=":material/refresh:", type="tertiary", on_click=st.cache_data.clear, help="Ask again")
    _chips(narrowed)
    return Chosen(start_ns, end_ns, narrowed, is_live)


def _range() -> str:
    """The range of the address, else the one of the page before: the navigation's links carry none."""
    choices = (*RANGES, CUSTOM)
    remembered = st.session_state.get("range", _DEFAULT_RANGE)
    if "range" not in st.query_params and remembered != _DEFAULT_RANGE and st.session_state.get("page") != _page():
        st.query_params["range"] = remembered
    st.session_state["page"] = _page()
    chosen = st.segmented_control(
        "Time range", choices, required=True, label_visibility="collapsed",
        **address.kept("range", address.one_of(choices), _DEFAULT_RANGE),
    )  # fmt: skip
    st.session_state["range"] = chosen or _DEFAULT_RANGE
    return str(st.session_state["range"])


def _page() -> str:
    return urlsplit(st.context.url or "").path


def _length_ns(name: str) -> int:
    return int(RANGES[name].total_seconds() * 1e9)


def _now_ns() -> int:
    return int(time.time() // _ROUNDED_S * _ROUNDED_S) * 1_000_000_000


def _custom() -> tuple[int, int]:
    now = datetime.now(zone()).replace(tzinfo=None, second=0, microsecond=0)
    day_before = now - timedelta(days=1)
    first = st.datetime_input(
        "From", width=200, label_visibility="collapsed", **address.kept("from", address.instant, day_before)
    )  # fmt: skip
    last = st.datetime_input("To", width=200, label_visibility="collapsed", **address.kept("to", address.instant, now))
    start, end = sorted((first or day_before, last or now))
    return _ns(start), _ns(end) + 60_000_000_000  # to the end of the minute that is named


def _ns(naive: datetime) -> int:
    return int(naive.replace(tzinfo=zone()).timestamp()) * 1_000_000_000


def _narrowed(limits: Filters) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for name in _CHOICES:
        values = [facet["value"] for facet in source.facets(name, limits) if facet["value"]]
        value = st.selectbox(
            name.capitalize(), values, index=None, accept_new_options=True, placeholder=f"Any {name}",
            **address.kept(name, str, None),
        )  # fmt: skip
        if value:
            found[name] = value
    return found


def _list_only() -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    text = st.text_input(
        "Text", placeholder="Search prompts and answers", label_visibility="collapsed", icon=":material/search:",
        width=250, type="search", **address.kept("q", str, ""),
    )  # fmt: skip
    least = st.number_input(
        "Longer than (ms)", min_value=0.0, value=None, step=100.0, format="%.0f", label_visibility="collapsed",
        placeholder="Longer than … ms", width=200, **address.kept("min_ms", address.number, None),
    )  # fmt: skip
    if text:
        found["q"] = text
    if least:
        found["min_ms"] = least
    if st.toggle("Errors only", **address.kept("error", address.flag, default=False)):
        found["error"] = "true"
    return found


def _chips(narrowed: dict[str, str | float]) -> None:
    """What narrows the view now, each with a way to take it off."""
    taken = [name for name in narrowed if name in _CHOICES]
    if not taken:
        return
    with st.container(horizontal=True, gap="small"):
        for name in taken:
            st.button(
                f"{name}: {plain(narrowed[name], length=60)}", icon=":material/close:", key=f"clear-{name}",
                on_click=address.put, args=(name, None), help=f"Remove the filter on {name}",
            )  # fmt: skip
