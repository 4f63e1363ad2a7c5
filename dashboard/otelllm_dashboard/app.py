"""The app: which pages there are. Streamlit runs this file anew for every click."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from otelllm_dashboard.app_pages import HOME, listed
from otelllm_dashboard.empty import explained

# Files of our own: Streamlit has the browser fetch a named icon from a font service.
_ICON = Path(__file__).with_name("icon.svg")
_LOGO = Path(__file__).with_name("logo.svg")

# A page of numbers wants the room that Streamlit keeps free for prose. Constant text: nothing of a span ever gets here.
_STYLE = """
<style>
.stMainBlockContainer { padding: 4.25rem 2.25rem 3rem; max-width: 1760px; }
.stMainBlockContainer h1 { padding: 0.25rem 0; }
.stChatMessage { padding: 0.65rem 0.75rem; gap: 0.65rem; }
[data-testid="stText"] { font-size: 0.92rem; }
.stTextArea textarea { font-family: "Source Code Pro", monospace; font-size: 0.88rem; }
@media (max-width: 640px) { .stMainBlockContainer { padding: 4rem 1rem 2rem; } }
</style>
"""


def main() -> None:
    """Draw the navigation and the chosen page."""
    st.set_page_config(page_title="otelllm", page_icon=str(_ICON), layout="wide")
    pages = [
        st.Page(
            page.file,
            title=page.title,
            icon=page.icon,
            url_path="" if page.file.stem == HOME else page.file.stem,
            default=page.file.stem == HOME,
            visibility="hidden" if page.order is None else "visible",
        )
        for page in listed()
    ]
    st.logo(str(_LOGO), size="large")
    chosen = st.navigation(pages, position="top")
    st.html(_STYLE)
    with explained():
        chosen.run()


if __name__ == "__main__":
    main()
