"""Sessions: what each conversation of calls came to."""

from __future__ import annotations

import streamlit as st

from otelllm_dashboard import filters, source
from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts import tables
from otelllm_dashboard.empty import no_traces

TITLE = "Sessions"
ICON = ":material/forum:"
ORDER = 3


def draw() -> None:
    """The sessions of the range, the busiest first; a click lists a session's traces."""
    st.title("Sessions", anchor=False)
    chosen = filters.ask()
    every = source.aggregates("session", "none", chosen.query)
    rows = [row for row in every if row["key"]]
    if not rows and every:
        st.info(
            'These calls carry no session. Give them one: `with otelllm.context(session="s-9"): …`',
            icon=":material/info:",
        )
        return
    if not rows:
        no_traces(is_filtered=bool(chosen.narrowed))
        return
    picked = st.dataframe(
        tables.breakdown(rows, "session"), hide_index=True, key="sessions-table", on_select="rerun",
        selection_mode="single-cell", row_height=36, placeholder=fmt.NOTHING,
        height=min(38 + 36 * len(rows), 760), alt="Sessions, the busiest first",
    )  # fmt: skip
    st.caption("A click on a row lists its traces.")
    cells = picked["selection"].get("cells")
    if cells and int(cells[0][0]) < len(rows):
        session = str(rows[int(cells[0][0])]["key"])
        st.switch_page("app_pages/traces.py", query_params={**filters.carried(), "session": session})


if __name__ == "__main__":
    draw()
