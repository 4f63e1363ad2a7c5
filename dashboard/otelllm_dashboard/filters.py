"""Which calls a page is about: a range of time and filters, kept in the address so that a link shows the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from otelllm_dashboard import source
from otelllm_dashboard.client import Filters
from otelllm_dashboard.format import plain

Bucket = Literal["minute", "hour", "day"]

RANGES = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 h", timedelta(hours=1)),
    "24h": ("24 h", timedelta(hours=24)),
    "7d": ("7 d", timedelta(days=7)),
    "30d": ("30 d", timedelta(days=30)),
    "custom": ("Custom", timedelta()),
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


def zone() -> tzinfo:
    """The reader's own time zone, as the browser says it."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError):  # a browser may name a zone that this machine's tables do not have
        return UTC


def ask(*, with_text: bool = False) -> Chosen:
    """Draw the range and the filters, and say what is chosen. `with_text` adds those that only a list has."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.segmented_control(
            "Time range", list(RANGES), default=_DEFAULT_RANGE, required=True, key="range", bind="query-params",
            format_func=lambda name: RANGES[name][0], label_visibility="collapsed",
        )  # fmt: skip
        start_ns, end_ns = _custom() if chosen == "custom" else (_now_ns() - _length_ns(str(chosen)), None)
        limits: Filters = {"start": start_ns} if end_ns is None else {"start": start_ns, "end": end_ns}
        with st.popover("Filters", icon=":material/filter_list:"):
            narrowed = _narrowed(limits)
        if with_text:
            narrowed |= _list_only()
        st.button("Refresh", icon=":material/refresh:", type="tertiary", on_click=st.cache_data.clear, help="Ask again")
    _chips(narrowed)
    return Chosen(start_ns, end_ns, narrowed)


def _length_ns(name: str) -> int:
    return int(RANGES[name][1].total_seconds() * 1e9)


def _now_ns() -> int:
    return int(time.time() // _ROUNDED_S * _ROUNDED_S) * 1_000_000_000


def _custom() -> tuple[int, int]:
    now = datetime.now(zone()).replace(tzinfo=None, second=0, microsecond=0)
    first = st.datetime_input("From", now - timedelta(days=1), key="from", bind="query-params", width=200)
    last = st.datetime_input("To", now + timedelta(minutes=1), key="to", bind="query-params", width=200)
    start, end = sorted((first or now - timedelta(days=1), last or now))
    return _ns(start), _ns(end)


def _ns(naive: datetime) -> int:
    return int(naive.replace(tzinfo=zone()).timestamp()) * 1_000_000_000


def _narrowed(limits: Filters) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for name in _CHOICES:
        values = [facet["value"] for facet in source.facets(name, limits) if facet["value"]]
        value = st.selectbox(
            name.capitalize(), values, index=None, key=name, bind="query-params", accept_new_options=True,
            placeholder=f"Any {name}",
        )  # fmt: skip
        if value:
            found[name] = value
    return found


def _list_only() -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    text = st.text_input(
        "Text", key="q", bind="query-params", placeholder="Search prompts and answers", label_visibility="collapsed",
        icon=":material/search:", width=260, type="search",
    )  # fmt: skip
    least = st.number_input(
        "Longer than (ms)", min_value=0.0, value=None, step=100.0, format="%.0f", key="min_ms", bind="query-params",
        placeholder="Longer than … ms", label_visibility="collapsed", width=170,
    )  # fmt: skip
    if text:
        found["q"] = text
    if least:
        found["min_ms"] = least
    if st.toggle("Errors only", key="error", bind="query-params"):
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
                on_click=_clear, args=(name,), help=f"Remove the filter on {name}",
            )  # fmt: skip


def _clear(name: str) -> None:
    st.session_state[name] = None
