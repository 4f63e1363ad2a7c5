"""Numbers, money, times and strangers' text, as a person reads them on the screen."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, tzinfo

NOTHING = "\N{EN DASH}"

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# What Streamlit's Markdown turns into links even where every character of it is escaped.
_LINKED = re.compile(r"(?i)(https?:|www|@)(?=[/.\w])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def count(number: float | None) -> str:
    """A quantity in at most four digits: 950, 1.2 k, 34 M."""
    if number is None:
        return NOTHING
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= size * 0.9995:
            return f"{number / size:.{1 if abs(number) < size * 99.95 else 0}f}".removesuffix(".0") + unit
    return f"{number:.0f}"


def money(usd: float | None) -> str:
    """US dollars with two digits that mean something; unknown is a dash, never $0."""
    if usd is None:
        return NOTHING
    if usd == 0:
        return "$0"
    sign, amount = ("-" if usd < 0 else ""), abs(usd)
    if amount >= 9_999.5:
        return f"{sign}${count(amount)}"
    if amount >= 0.995:
        return f"{sign}${amount:,.2f}"
    if amount < 0.000_009_95:
        return f"{sign}<$0.00001"
    digits = next(places for places in range(2, 7) if amount >= 10.0 ** (1 - places) * 0.995 or places == 6)
    return f"{sign}${amount:.{digits}f}"


def duration(ms: float | None) -> str:
    """A length of time in the unit that fits it: 0.4 ms, 340 ms, 1.24 s, 2 min 5 s, 3 h 2 min."""
    if ms is None:
        return NOTHING
    if ms < 9.95:
        return f"{ms:.1f}".removesuffix(".0") + " ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_995:
        return f"{ms / 1000:.{2 if ms < 9_995 else 1}f} s"
    seconds = round(ms / 1000)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def ago(ns: int, *, now_ns: int) -> str:
    """How long before now a moment was, in one word and a unit."""
    seconds = max(0, (now_ns - ns) // 1_000_000_000)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def moment(ns: int, *, zone: tzinfo = UTC) -> str:
    """A point in time with its milliseconds, in the reader's own zone."""
    at = datetime.fromtimestamp(ns // 1_000_000_000, tz=zone)
    return f"{at:%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d}"


def size(size_bytes: float | None) -> str:
    """A size in bytes, kB or MB."""
    if size_bytes is None:
        return NOTHING
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1_000_000:.1f} MB"


def percent(part: float | None, whole: float | None) -> str:
    """A share; a dash where there is no whole to share."""
    if part is None or not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 9.95 else f"{share:.0f} %"


def plural(number: int, noun: str) -> str:
    """A count with its noun: 1 span, 2 spans, 1.2 k spans."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def clipped(text: str, length: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def plain(text: object, *, length: int = 200) -> str:
    """Text for a place that reads Markdown, so that nothing in it is read as Markdown, HTML, colour or icon.

    Names and models come from whoever sends spans: an image in one of them must not be fetched by the reader's browser.
    """
    unlinked = _LINKED.sub("\\1\N{WORD JOINER}", clipped(str(text), length))
    return _PUNCTUATION.sub(r"\\\1", unlinked)


def badge(text: object, *, length: int = 60) -> str:
    """Plain text for `st.badge`, which escapes square brackets itself: escaped twice they would be brackets again."""
    return plain(text, length=length).replace("\\[", "[").replace("\\]", "]")


def label(text: object, *, length: int = 60) -> str:
    """Text for a Plotly figure, which reads a few HTML tags (links among them) in every string."""
    return clipped(str(text), length).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def pretty(value: object) -> str:
    """JSON with an indent; text that holds JSON is opened first, other text stays as it is."""
    if isinstance(value, str):
        opened = opened_json(value)
        if opened is None:
            return value
        value = opened
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def opened_json(text: str) -> dict[str, object] | list[object] | None:
    """The object or list that a text spells, if it spells one."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
