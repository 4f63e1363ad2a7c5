"""What a policy did to a call: its rules' decisions, the attempts at it, what a cache saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from otelllm_dashboard import format as fmt
from otelllm_dashboard.client import Decisions, Json, SpanDetail

_DECISION, _ATTEMPT = "otelllm.decision", "otelllm.attempt"
_SAVED_USD, _SAVED_S = "otelllm.cache.saved.usd", "otelllm.cache.saved.seconds"

_DECISIONS = {
    "stage": "Stage", "rule": "Rule", "outcome": "Outcome", "mode": "Mode", "waited": "Waited", "scope": "Scope",
    "reason": "Reason", "reserved": "Reserved", "settled": "Settled",
}  # fmt: skip
_ATTEMPTS = {
    "number": "Attempt", "model": "Model", "endpoint": "Endpoint", "status": "Status", "error.type": "Error",
    "waited": "Waited", "duration": "Duration", "provider": "Provider", "key": "Key", "request_id": "Request",
}  # fmt: skip
_TIMES = frozenset({"waited", "duration"})


def decisions(span: SpanDetail) -> list[dict[str, str]]:
    """A row a rule that changed something, or would have."""
    return _rows(span, _DECISION, _DECISIONS)


def attempts(span: SpanDetail) -> list[dict[str, str]]:
    """A row an attempt; none where there was but one, which succeeded."""
    return _rows(span, _ATTEMPT, _ATTEMPTS)


def saved(span: SpanDetail) -> str | None:
    """What the answer of a cache was worth: `saved $0.0012 and 1.24 s`."""
    usd, seconds = (_number(span["attributes"].get(name)) for name in (_SAVED_USD, _SAVED_S))
    told = [] if usd is None else [fmt.money(usd)]
    told += [] if seconds is None else [fmt.duration(seconds * 1000)]
    return "saved " + " and ".join(told) if told else None


def draw(span: SpanDetail) -> None:
    """Both tables, those that there are."""
    for title, rows in (("What the policy did", decisions(span)), ("Attempts", attempts(span))):
        if rows:
            st.markdown(f"**{title}**")
            st.dataframe(rows, hide_index=True, key=f"policy-{title}", alt=title)
    if told := saved(span):
        st.caption(f"Answered by a cache: {fmt.plain(told)}")


def summed(rows: Sequence[Decisions]) -> pd.DataFrame:
    """Decisions of many calls."""
    return pd.DataFrame(
        {
            "Stage": [row["stage"] for row in rows],
            "Rule": [row["rule"] for row in rows],
            "Outcome": [row["outcome"] for row in rows],
            "Mode": [row["mode"] for row in rows],
            "Times": [row["count"] for row in rows],
            "Waited": [fmt.duration(row["waited_s"] * 1000) if row["waited_s"] else fmt.NOTHING for row in rows],
        }
    )


def _rows(span: SpanDetail, event: str, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """The columns that any of the events fills."""
    told: list[dict[str, Json]] = [one["attributes"] or {} for one in span["events"] if one["name"] == event]
    filled = {name: title for name, title in columns.items() if any(one.get(name) not in (None, "") for one in told)}
    return [{title: _shown(name)(one.get(name)) for name, title in filled.items()} for one in told]


def _shown(name: str) -> Callable[[Json], str]:
    if name in _TIMES:
        return lambda seconds: fmt.duration(1000 * number) if (number := _number(seconds)) is not None else fmt.NOTHING
    return _text


def _text(value: Json) -> str:
    if value in (None, ""):
        return fmt.NOTHING
    return f"{value:,.6g}" if isinstance(value, float) else fmt.clipped(str(value), 500)


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) else None
