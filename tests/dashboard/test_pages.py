"""Every page against a real collector, as Streamlit runs it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from dashboard.seeds import ANSWER, HOSTILE, QUESTION
from streamlit.testing.v1 import AppTest

from otelllm_dashboard import format as fmt
from otelllm_dashboard.app_pages import listed

if TYPE_CHECKING:
    from collector.process import Collector
    from dashboard.seeds import Seeds

pytestmark = pytest.mark.slow

Page = Callable[..., AppTest]
PAGES = [page.file.stem for page in listed()]


def _said(at: AppTest) -> str:
    kinds = ("text", "code", "markdown", "caption", "title", "info", "warning", "error", "subheader", "button", "badge")
    found = [str(getattr(element, "value", "")) for kind in kinds for element in at.get(kind)]
    found += [element.label for element in at.button]
    return "\n".join(found)


def _metrics(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def test_the_pages_are_listed_in_order_and_the_trace_page_is_reached_by_links_only() -> None:
    assert [(page.title, page.order) for page in listed()] == [
        ("Overview", 1), ("Traces", 2), ("Sessions", 3), ("Policy", 4), ("SQL", 5), ("Trace", None),
    ]  # fmt: skip


def test_the_overview_sums_the_calls_of_the_range(page: Page, url: str) -> None:
    at = page(url)
    metrics = _metrics(at)
    assert int(metrics["Calls"]) == 169
    assert metrics["Cost"].startswith("$0.0")
    assert metrics["First token, p50"].endswith("ms")
    assert "calls without a price" in _said(at)
    assert len(at.get("plotly_chart")) == 6
    assert "gpt-5-mini-2026-08" in at.dataframe[0].value["Model"].tolist()


def test_the_overview_is_narrowed_by_the_address(page: Page, url: str) -> None:
    at = page(url, range="7d", user="grace", by="Error type")
    assert 0 < int(_metrics(at)["Calls"]) < 169
    assert "user: grace" in _said(at)
    assert "429" in at.dataframe[0].value["Error type"].tolist()


def test_a_filter_is_taken_off_by_its_chip(page: Page, url: str) -> None:
    at = page(url, user="grace")
    at.button(key="clear-user").click().run()
    assert "user" not in at.query_params
    assert int(_metrics(at)["Calls"]) == 169


def test_choosing_a_range_writes_it_into_the_address(page: Page, url: str) -> None:
    at = page(url)
    at.segmented_control(key="address-range").set_value("15m").run()
    assert at.query_params["range"] == "15m"
    assert int(_metrics(at)["Calls"]) < 169


def test_a_range_that_nobody_offers_is_the_default(page: Page, url: str) -> None:
    assert int(_metrics(page(url, range="forever"))["Calls"]) == 169


def test_a_custom_range_is_read_from_the_address(page: Page, url: str) -> None:
    query = {"range": "Custom", "from": "2001-01-01T00:00", "to": "2001-01-02T00:00"}
    assert "Nothing came in this time range" in _said(page(url, **query))


def test_the_overview_counts_what_rules_decided(page: Page, url: str) -> None:
    table = page(url).dataframe[1].value
    assert table[table["Rule"] == "team rpm"].to_dict("records") == [
        {"Stage": "limits", "Rule": "team rpm", "Outcome": "queued", "Mode": "enforce", "Times": 1, "Waited": "250 ms"}
    ]
    assert len(page(url, user="alan").dataframe) == 1  # no rule decided anything there


def test_a_breakdown_row_leads_to_its_traces(page: Page, url: str) -> None:
    at = page(url, by="User", range="7d")
    users = at.dataframe[0].value["User"].tolist()
    at.session_state["breakdown-user"] = {
        "selection": {"cells": [(users.index("ada"), "Calls")], "rows": [], "columns": []}
    }
    at.run()
    assert at.title[0].value == "Traces"
    assert (at.query_params["user"], at.query_params["range"]) == ("ada", "7d")
    assert set(at.dataframe[0].value["User"]) == {"ada"}


def test_the_list_shows_the_newest_trace_first(page: Page, url: str) -> None:
    table = page(url, "traces").dataframe[0].value
    assert table["Trace"].tolist()[:2] == ["invoke_workflow support", "invoke_agent writer"]
    assert table["Status"].tolist()[:2] == ["● ok", "● error"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"q": "hiss after the update"}, 1),
        ({"error": "true", "user": "grace", "feature": "drafts", "q": ""}, None),
        ({"min_ms": "3400"}, None),
    ],
)
def test_the_list_is_narrowed_by_the_address(page: Page, url: str, query: dict[str, str], count: int | None) -> None:
    table = page(url, "traces", **query).dataframe[0].value
    assert 0 < len(table) < 50
    assert count in (None, len(table))


def test_nothing_found_says_so(page: Page, url: str) -> None:
    assert "Nothing matches these filters" in _said(page(url, "traces", q="no such words anywhere"))


def test_a_live_list_has_no_older_pages(page: Page, url: str) -> None:
    at = page(url, "traces")
    at.toggle(key="live").set_value(True).run()
    assert not at.exception
    assert len(at.dataframe[0].value) == 50
    assert "Older" not in [button.label for button in at.button]


def test_older_and_newer_pages_of_the_list(page: Page, url: str) -> None:
    at = page(url, "traces")
    first = at.dataframe[0].value["Time"].tolist()
    next(button for button in at.button if button.label == "Older").click().run()
    second = at.dataframe[0].value["Time"].tolist()
    assert max(second) <= min(first)
    next(button for button in at.button if button.label == "Newer").click().run()
    assert at.dataframe[0].value["Time"].tolist() == first


def test_a_row_opens_its_trace_and_keeps_the_filters_for_the_way_back(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "traces", feature="support", range="1h")
    at.session_state["traces-table"] = {"selection": {"cells": [(0, "Trace")], "rows": [], "columns": []}}
    at.run()
    assert at.query_params["trace_id"] == seeds.agent
    assert at.query_params["feature"] == "support"
    assert at.title[0].value == r"invoke\_workflow support"


def test_the_trace_shows_its_sums_and_the_answer(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.agent)
    assert _metrics(at) == {
        "Time": "3.42 s", "Cost": "$0.0026", "Tokens in": "1.8 k", "Tokens out": "124", "First token": "312 ms",
        "Calls": "5", "Errors": "0",
    }  # fmt: skip
    said = _said(at)
    assert ANSWER in said
    assert QUESTION in said
    assert '"order": "A-1001"' in said
    assert r"image · image\/jpeg · 48\.2 kB" in said
    assert len(at.get("plotly_chart")) == 1


def test_a_deep_link_opens_its_span(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.agent.upper(), span_id=seeds.ids["tool"])
    said = _said(at)
    assert '"returnable": true' in said
    assert f"trace_id={seeds.agent}&span_id={seeds.ids['tool']}" in said


def test_found_documents_are_shown_with_their_scores(page: Page, url: str, seeds: Seeds) -> None:
    said = _said(page(url, "trace", trace_id=seeds.agent, span_id=seeds.ids["search"]))
    assert r"kb\:returns\-3" in said
    assert "score 0.910" in said
    assert "Firmware 2.2 removes it." in said


def test_a_click_in_the_waterfall_chooses_a_span(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.agent)
    at.query_params["span_id"] = seeds.ids["search"]
    at.run()
    assert "score 0.910" in _said(at)


def test_an_unknown_span_falls_back_to_the_call_that_said_most(page: Page, url: str, seeds: Seeds) -> None:
    assert ANSWER in _said(page(url, "trace", trace_id=seeds.agent, span_id="feedfeedfeedfeed"))


def test_the_first_error_is_where_it_began(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.failed)
    next(button for button in at.button if button.label == "First error").click().run()
    assert at.query_params["span_id"] == seeds.ids["failed"]
    said = _said(at)
    assert "429" in said
    assert r"gen\_ai\.client\.operation\.exception" in said


def test_decisions_and_attempts_of_a_span_are_tables(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.failed, span_id=seeds.ids["failed"])
    decided, tried = (table.value.to_dict("records") for table in at.dataframe[:2])
    assert decided[0] == {
        "Stage": "limits", "Rule": "team rpm", "Outcome": "queued", "Mode": "enforce", "Waited": "250 ms",
        "Scope": "user=grace", "Reason": "requests_per_minute 60 of 60", "Reserved": "1,200", "Settled": "0",
    }  # fmt: skip
    assert (decided[1]["Rule"], decided[1]["Waited"]) == (HOSTILE, fmt.NOTHING)
    assert [(one["Attempt"], one["Status"], one["Waited"], one["Duration"]) for one in tried] == [
        ("1", "429", fmt.NOTHING, "200 ms"), ("2", "429", "400 ms", "300 ms"),
    ]  # fmt: skip
    assert "Endpoint" not in tried[0]


def test_what_a_cache_saved_is_said(page: Page, url: str, seeds: Seeds) -> None:
    said = _said(page(url, "trace", trace_id=seeds.uncaptured)).replace("\\", "")
    assert "Answered by a cache: saved $0.0021 and 1.50 s" in said


def test_search_in_a_trace_says_how_many_match(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.agent)
    at.text_input(key="find").set_value("gpt-5-mini").run()
    assert "2 spans found" in _said(at)
    at.text_input(key="find").set_value("nothing like it").run()
    assert "No span matches." in _said(at)


def test_a_call_without_content_says_how_to_capture_it(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.uncaptured)
    said = _said(at)
    assert 'otelllm.instrument(capture="full")' in said
    assert '[capture]\ncontent = "redacted"' in said
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY" in said
    assert "no price: unknown model" in said.replace("\\", "")


def test_a_cancelled_stream_says_so(page: Page, url: str, seeds: Seeds) -> None:
    assert "stream cancelled" in _said(page(url, "trace", trace_id=seeds.cancelled))


def test_a_strangers_markdown_is_nowhere_read_as_markdown(page: Page, url: str, seeds: Seeds) -> None:
    at = page(url, "trace", trace_id=seeds.hostile)
    for kind in ("markdown", "caption", "title", "subheader", "error", "button", "badge"):
        for element in at.get(kind):
            told = str(getattr(element, "value", "") or getattr(element, "label", ""))
            assert "![pixel]" not in told
            assert not re.search(r"(?<!\\)[<*$]|:red", told), told
    assert HOSTILE in [element.value for element in at.text]


def test_a_large_trace_says_what_is_not_drawn(page: Page, url: str, large: str) -> None:
    at = page(url, "trace", trace_id=large)
    assert "500 of 1200 spans drawn" in _said(at)
    next(button for button in at.button if button.label == "Fold").click().run()
    assert "1 of 1200 spans drawn" in _said(at)


def test_an_unknown_trace_says_so(page: Page, url: str) -> None:
    at = page(url, "trace", trace_id="0" * 31 + "1")
    assert at.warning[0].value
    assert not at.error


def test_the_trace_page_without_a_trace_leads_to_the_list(page: Page, url: str) -> None:
    assert "Choose a trace in the list" in _said(page(url, "trace"))


def test_sessions_lead_to_their_traces(page: Page, url: str) -> None:
    at = page(url, "sessions")
    sessions = at.dataframe[0].value["Session"].tolist()
    at.session_state["sessions-table"] = {"selection": {"cells": [(0, "Calls")], "rows": [], "columns": []}}
    at.run()
    assert at.title[0].value == "Traces"
    assert set(at.dataframe[0].value["Session"]) == {sessions[0]}


def test_sql_gives_a_table(page: Page, url: str) -> None:
    at = page(url, "sql")
    at.text_area(key="sql").set_value("select feature, count(*) as n, 1 as n from spans group by all order by 1")
    at.button[0].click().run()
    assert list(at.dataframe[0].value.columns) == ["feature", "n", "n (2)"]


def test_each_sql_example_runs(page: Page, url: str) -> None:
    from otelllm_dashboard.app_pages.sql import _EXAMPLES

    at = page(url, "sql")
    for name in _EXAMPLES:
        at.pills(key="example").set_value(name).run()
        at.button[0].click().run()
        assert not at.error, (name, [each.value for each in at.error])
        assert len(at.dataframe[0].value), name


def test_sql_that_writes_is_refused_with_the_reason(page: Page, url: str) -> None:
    at = page(url, "sql")
    at.text_area(key="sql").set_value("drop table spans")
    at.button[0].click().run()
    assert at.error[0].value
    assert not at.dataframe


@pytest.mark.parametrize("name", [name for name in PAGES if name not in ("policy", "sql", "trace")])
def test_a_collector_without_calls_shows_what_to_send(page: Page, empty_collector: Collector, name: str) -> None:
    said = _said(page(empty_collector.url, name))
    assert f'otelllm.instrument(endpoint="{empty_collector.url}"' in said


@pytest.mark.parametrize("name", PAGES)
def test_a_collector_that_is_away_shows_its_address_and_how_to_start_one(page: Page, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        at = page(url, name, trace_id="a" * 32)
        if name == "sql":
            at.button[0].click().run()
        said = _said(at)
    assert f"otelllm collector --http {url.removeprefix('http://')}" in said
