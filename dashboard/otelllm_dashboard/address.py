"""Widgets whose values stand in the page's address, so that a link or a reload shows the same.

Streamlit's own `bind="query-params"` refuses `st.switch_page` to a page with a value for a bound name (1.67), which is
just what a row that links to a filtered list needs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import streamlit as st

_T = TypeVar("_T")


def kept(name: str, read: Callable[[str], _T | None], default: _T) -> dict[str, Any]:
    """The key and callback of a widget that shows what the address says under `name`, and changes it.

    `read` gives None for a text that is no value of this widget: somebody typed it, and the default holds.
    """
    key = f"address-{name}"
    text = st.query_params.get(name)
    said = None if text is None else read(text)
    value = default if said is None else said
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return {"key": key, "on_change": _write, "args": (name, key, default)}


def put(name: str, value: object) -> None:
    """Change what the address says; None takes the name out of it."""
    if value is None or value == "":
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = _text(value)


def _write(name: str, key: str, default: object) -> None:
    value = st.session_state[key]
    put(name, None if value == default else value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return value.isoformat(timespec="minutes") if isinstance(value, datetime) else str(value)


def one_of(choices: tuple[str, ...]) -> Callable[[str], str | None]:
    """Reads a text that must be one of these."""
    return lambda text: text if text in choices else None


def number(text: str) -> float | None:
    """Reads a number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


def flag(text: str) -> bool | None:
    """Reads true or false."""
    return {"true": True, "false": False}.get(text.lower())


def instant(text: str) -> datetime | None:
    """Reads a date and time without a zone."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None, second=0, microsecond=0)
    except ValueError:
        return None
