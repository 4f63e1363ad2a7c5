"""Read-only SQL over everything that the collector keeps."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from otelllm_dashboard import format as fmt
from otelllm_dashboard import source
from otelllm_dashboard.client import SqlAnswer
from otelllm_dashboard.empty import explained

TITLE = "SQL"
ICON = ":material/database:"
ORDER = 5

_MOST_ROWS = 10_000

_EXAMPLES = {
    "Latest calls": """\
select start_time, name, request_model, input_tokens, output_tokens, ttft_ms, cost_usd
from spans
where operation in ('chat', 'generate_content', 'text_completion')
order by start_time desc
limit 20""",
    "Cost by user": """\
select user_id, count(*) as calls, sum(cost_usd) as cost, sum(input_tokens) as input, sum(output_tokens) as output
from spans
where cost_usd is not null
group by user_id
order by cost desc""",
    "Slowest first tokens": """\
select trace_id, span_id, request_model, ttft_ms, duration_ms
from spans
where ttft_ms is not null
order by ttft_ms desc
limit 20""",
    "Errors by kind": """\
select error_type, name, count(*) as times, max(start_time) as latest
from spans
where status = 'error'
group by error_type, name
order by times desc""",
    "Cache share by model": """\
select request_model, sum(cache_read_tokens) / sum(input_tokens) as cached
from spans
where input_tokens > 0
group by request_model
order by cached desc nulls last""",
}


def draw() -> None:
    """A statement, examples to begin with, and the table that it gives."""
    st.title("SQL", anchor=False)
    st.caption(
        "One read-only SELECT over `spans`, `traces`, `messages`, `events`, `links`, `metrics`, `logs`, `scores`."
    )
    st.pills("Examples", list(_EXAMPLES), key="example", label_visibility="collapsed", on_change=_take_example)
    st.session_state.setdefault("sql", _EXAMPLES["Latest calls"])
    with st.form("statement", border=False):
        statement = st.text_area("Statement", key="sql", height=190, label_visibility="collapsed")
        asked = st.form_submit_button("Run", icon=":material/play_arrow:", type="primary", shortcut="ctrl+enter")
    if asked and statement.strip():
        st.session_state["sql-answer"] = None
        with explained(), st.spinner("Asking the collector…"):
            st.session_state["sql-answer"] = source.sql(statement, limit=_MOST_ROWS)
    if answer := st.session_state.get("sql-answer"):
        _table(answer)


def _take_example() -> None:
    if name := st.session_state["example"]:
        st.session_state["sql"] = _EXAMPLES[name]


def _table(answer: SqlAnswer) -> None:
    frame = pd.DataFrame(answer["rows"], columns=_names(answer))
    with st.container(horizontal=True, vertical_alignment="center"):
        cut = f", cut at {_MOST_ROWS:,}" if answer["truncated"] else ""
        st.caption(f"{len(frame):,} rows{cut} in {fmt.duration(answer['elapsed_ms'])}", width="stretch")
        st.download_button(
            "CSV", frame.to_csv(index=False), file_name="otelllm.csv", mime="text/csv", icon=":material/download:",
            on_click="ignore",
        )  # fmt: skip
    types = {
        name: st.column_config.Column(help=column["type"])
        for name, column in zip(frame, answer["columns"], strict=True)
    }
    st.dataframe(frame, hide_index=True, column_config=types, alt="The answer to the statement")


def _names(answer: SqlAnswer) -> list[str]:
    """The columns' names; two of one name are told apart, for the table needs them to be."""
    names: list[str] = []
    for column in answer["columns"]:
        name, number = column["name"], 2
        while name in names:
            name, number = f"{column['name']} ({number})", number + 1
        names.append(name)
    return names


if __name__ == "__main__":
    draw()
