"""The example agent on a real model, seen through the collector: the picture that otelllm promises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from end_to_end.app import otelllm, tree

if TYPE_CHECKING:
    from end_to_end.app import Program
    from end_to_end.conftest import Api

pytestmark = pytest.mark.slow

PICTURE = """\
invoke_workflow support
  retrieval
    embeddings gemma-3-270m: input tokens, cost
    retrieval product-notes: 5 results
    rerank shared-words: 5 -> 3
  invoke_agent generation
    chat gemma-3-270m: input tokens, output tokens, cost, tool_call
    execute_tool order_status
    chat gemma-3-270m: TTFT, input tokens, output tokens, cost, stop, complete
  output check
    chat gemma-3-270m: input tokens, output tokens, cost, stop
"""


def describe(span: dict[str, Any]) -> str:
    """A span's name, and which facts it has; not how long it took or what the model said."""
    facts = []
    if span["ttft_ms"] is not None:
        assert 0 < span["ttft_ms"] <= span["duration_ms"]
        facts.append("TTFT")
    for field in ("input_tokens", "output_tokens"):
        if span[field] is not None:
            assert span[field] > 0
            facts.append(field.replace("_", " "))
    if span["cost_usd"] is not None:
        # The example's own price: 0.02 and 0.04 USD a million tokens.
        assert math.isclose(span["cost_usd"], (span["input_tokens"] * 0.02 + (span["output_tokens"] or 0) * 0.04) / 1e6)
        facts.append("cost")
    if span["retrieval_count"] is not None:
        facts.append(f"{span['retrieval_count']} results")
    if span["rerank_in"] is not None:
        facts.append(f"{span['rerank_in']} -> {span['rerank_out']}")
    facts += [*span["finish_reasons"], *([span["stream_end"]] if span["stream_end"] else [])]
    assert span["status"] != "error"
    return f"{span['name']}: {', '.join(facts)}" if facts else span["name"]


def the_trace(api: Api, **filters: Any) -> dict[str, Any]:
    [trace] = api.traces(**filters)
    return trace


def test_the_demo_ends_cleanly_and_leaves_no_process(demo: Program) -> None:
    assert demo.process.returncode == 0, demo.output
    assert demo.left() == []
    assert "9 went well; 3 failed as meant" in demo.output


def test_an_answer_is_the_golden_picture(api: Api) -> None:
    trace = the_trace(api, name="execute_tool order_status", error="false")
    assert tree(api.spans(trace["trace_id"]), describe) == PICTURE


def test_the_trace_has_the_total_time_and_cost_at_its_top(api: Api) -> None:
    trace = the_trace(api, name="execute_tool order_status", error="false")
    spans = api.spans(trace["trace_id"])
    root = next(span for span in spans if span["parent_span_id"] is None)
    assert trace["name"] == "invoke_workflow support"
    assert trace["duration_ms"] == pytest.approx(root["duration_ms"])
    assert trace["cost_usd"] == pytest.approx(sum(span["cost_usd"] or 0 for span in spans))
    assert trace["input_tokens"] == sum(span["input_tokens"] or 0 for span in spans)
    assert trace["output_tokens"] == sum(span["output_tokens"] or 0 for span in spans)
    assert trace["ttft_ms"] == next(span["ttft_ms"] for span in spans if span["ttft_ms"])
    assert (trace["spans"], trace["calls"], trace["errors"], trace["unpriced_calls"]) == (
        11,
        4,
        0,
        0,
    )  # the rerank, which the app does itself, is no call
    assert (trace["users"], trace["sessions"], trace["features"]) == (["ada"], ["s-1"], ["support"])
    assert trace["models"] == ["gemma-3-270m"]


def test_the_tool_that_the_model_called_really_ran_and_its_result_went_into_the_last_call(api: Api) -> None:
    trace = the_trace(api, name="execute_tool order_status", error="false")
    spans = [api.span(trace["trace_id"], span["span_id"]) for span in api.spans(trace["trace_id"])]
    tool = next(span for span in spans if span["tool_name"] == "order_status")
    asking, telling = (span for span in spans if span["operation"] == "chat" and span["agent_name"] == "generation")
    [asked] = [part for part in asking["output_messages"][0]["parts"] if part["type"] == "tool_call"]
    assert (asked["name"], asked["arguments"]) == ("order_status", {"order": "A-1002"})
    assert asking["tool_definitions"][0]["name"] == "order_status"
    assert tool["tool_arguments"] == {"order": "A-1002"}
    assert tool["tool_result"] == "Order A-1002 is on its way, due tomorrow."
    assert tool["tool_result"] in telling["input_messages"][0]["parts"][0]["content"]
    [said] = telling["output_messages"]
    assert said["role"] == "assistant"
    assert said["parts"][0]["content"].strip()


def test_the_search_tells_its_query_and_documents(api: Api) -> None:
    trace = the_trace(api, name="execute_tool order_status", error="false")
    [found] = [span for span in api.spans(trace["trace_id"]) if span["operation"] == "retrieval"]
    search = api.span(trace["trace_id"], found["span_id"])
    assert search["retrieval_query"] == "Where is my order A-1002, and how long does delivery take?"
    assert len(search["retrieval_documents"]) == 5
    assert all(set(document) == {"id", "score", "content"} for document in search["retrieval_documents"])


@pytest.mark.parametrize(
    ("feature", "error_type", "failed"),
    [
        ("support", "LookupError", "execute_tool order_status"),
        ("triage", "400", "chat gemma-3-270m"),
        ("suggest", "cancelled", "chat gemma-3-270m"),
    ],
)
def test_what_went_wrong_is_an_error_where_it_went_wrong(api: Api, feature: str, error_type: str, failed: str) -> None:
    trace = the_trace(api, feature=feature, error="true")
    spans = api.spans(trace["trace_id"])
    parents = {span["parent_span_id"] for span in spans if span["status"] == "error"}
    [deepest] = [span for span in spans if span["status"] == "error" and span["span_id"] not in parents]
    assert (deepest["name"], deepest["error_type"]) == (failed, error_type)
    assert trace["status"] == "error"


def test_a_stream_that_the_reader_left_is_closed_and_no_error(api: Api) -> None:
    trace = the_trace(api, feature="summary", user="cleo")
    [call] = [span for span in api.spans(trace["trace_id"]) if span["operation"] == "chat"]
    assert (call["stream_end"], call["status"]) == ("closed", "unset")
    assert call["ttft_ms"] > 0


def test_calls_are_counted_by_user_session_and_feature(api: Api) -> None:
    def calls(by: str) -> dict[str, int]:
        return {row["key"]: row["calls"] for row in api.get("/api/aggregates", by=by)["rows"]}

    assert calls("user") == {"ada": 9, "ben": 8, "cleo": 4, "cron": 1, "dora": 2}
    assert calls("feature") == {"index": 1, "support": 15, "summary": 2, "search": 3, "suggest": 1, "triage": 2}
    assert calls("session")["s-1"] == 7


def test_query_prints_real_rows(api: Api) -> None:
    sql = "select name, request_model, input_tokens, output_tokens, ttft_ms from spans order by start_time desc limit 5"
    program = otelllm("query", sql, "--url", api.url)
    assert program.wait() == 0
    header, _, *rows = program.output.splitlines()
    assert header.split() == ["name", "request_model", "input_tokens", "output_tokens", "ttft_ms"]
    assert len(rows) == 5
