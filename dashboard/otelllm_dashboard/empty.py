"""What a page says when it has nothing to show: why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import streamlit as st

from otelllm_dashboard import format as fmt
from otelllm_dashboard.client import DEFAULT_URL, CollectorAway, NotFound, Refused, configured_url

_SEND = """\
import otelllm

otelllm.instrument(endpoint="{url}", capture="full")
client.chat.completions.create(model="gpt-5-mini", messages=[{{"role": "user", "content": "Hello"}}])
"""

_CAPTURE_CODE = 'otelllm.instrument(capture="full")'
_CAPTURE_FILE = '[capture]\ncontent = "redacted"   # or "full"'
_CAPTURE_ENV = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY"


@contextmanager
def explained() -> Iterator[None]:
    """Draw a page; where the collector is away or refuses, say so in its place."""
    try:
        yield
    except CollectorAway as away:
        collector_away(away)
    except NotFound as missing:
        st.warning(fmt.plain(missing, length=400), icon=":material/search_off:")
    except Refused as refusal:
        st.error(fmt.plain(refusal, length=400), icon=":material/block:")


def collector_away(away: CollectorAway) -> None:
    """The address that was tried, and how to start what should answer there."""
    with st.container(border=True):
        st.subheader(":material/cloud_off: No collector answers", anchor=False)
        st.markdown(f"The explorer reads from this address ({fmt.plain(away.reason)}):")
        st.code(away.url, language=None)
        st.markdown("Start a collector there, or point the explorer at another one:")
        st.code(f"{_collector_command(away.url)}\notelllm dashboard --url http://HOST:PORT", language="shell")
        st.button("Try again", icon=":material/refresh:", type="primary")


def _collector_command(url: str) -> str:
    if url == DEFAULT_URL:
        return "otelllm collector"
    return f"otelllm collector --http {urlsplit(url).netloc}"


def no_traces(*, is_filtered: bool) -> None:
    """Nothing matches, or nothing has come yet."""
    if is_filtered:
        st.info(
            "Nothing matches these filters. Widen the time range, or clear a filter.", icon=":material/filter_alt_off:"
        )
        return
    with st.container(border=True):
        st.subheader(":material/inbox: No calls yet", anchor=False)
        st.markdown("Nothing came in this time range. Send a call: these lines are all that an app needs.")
        st.code(_SEND.format(url=configured_url()), language="python", wrap_lines=True)
        st.markdown("Any program that speaks OTLP/HTTP may send too:")
        st.code(f"OTEL_EXPORTER_OTLP_ENDPOINT={configured_url()}", language="shell")
        st.button("Look again", icon=":material/refresh:", type="primary")


def no_content() -> None:
    """A call without messages: capture is off unless somebody turns it on."""
    with st.container(border=True):
        st.markdown(":material/visibility_off: **The conversation was not captured**")
        st.caption(
            "Prompts and answers are kept only where the app asks: in code, in `otelllm.toml`, or by a variable."
        )
        st.code(_CAPTURE_CODE, language="python")
        st.code(_CAPTURE_FILE, language="toml")
        st.code(_CAPTURE_ENV, language="shell")
