"""The Anthropic SDK's own spans."""

from __future__ import annotations

import pytest
from collector.vocabularies.spans import stored, stored_span

from otelllm_collector.enrich import summarise

SCOPE = "com.anthropic.sdk.python"
CALL = {"id": "toolu_1", "name": "get_weather", "arguments": {"city": "Paris"}, "type": "tool_call"}
LOOK = {"type": "text", "content": "Let me look."}
ASKED = {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}
RESULT = {"type": "tool_call_response", "id": "toolu_1", "response": [{"type": "text", "text": "sunny"}]}


def test_every_span_is_a_call_with_its_usage() -> None:
    spans = stored("anthropic-sdk-native")
    for one in spans:
        row = one.row
        assert (row.operation, row.provider, row.request_model, row.response_model) == (
            "chat", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5",
        )  # fmt: skip
        assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens) == (125, 30, 40, 25)
        assert (row.error_type, row.cost_usd, row.status) == (None, None, "ok")
        assert (row.vocabulary or "").startswith("anthropic-sdk")
        assert one.made["otelllm.usage.cache_write_1h.input_tokens"] == 0
        # What came is there as it came.
        assert one.attributes["anthropic.usage.cache_creation.ephemeral_5m_input_tokens"] == 25
    assert [one.row.finish_reasons for one in spans] == [["tool_call"], ["stop"], ["stop"]]
    assert [one.row.response_id for one in spans] == ["msg_70", "msg_71", "msg_72"]
    assert [one.row.first_chunk_s for one in spans] == [None, None, 0.280033217]
    assert spans[2].attributes["gen_ai.request.stream"] is True
    (trace,) = summarise([one.row for one in spans]).values()
    assert (trace.calls, trace.input_tokens, trace.output_tokens, trace.cache_read_tokens) == (3, 375, 90, 120)


def test_messages_are_its_own_as_they_came() -> None:
    first, second, streamed = stored("anthropic-sdk-native")
    assert (first.input, first.output) == ([ASKED], [{"role": "assistant", "parts": [LOOK, CALL]}])
    assert second.input == [
        ASKED, {"role": "assistant", "parts": [CALL]}, {"role": "user", "parts": [RESULT]},
    ]  # fmt: skip
    assert second.output == [{"role": "assistant", "parts": [LOOK]}]
    assert first.system == second.system == [{"type": "text", "content": "Be brief."}]
    assert (streamed.input, streamed.output, streamed.system) == (
        [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}], None, None,
    )  # fmt: skip


def test_a_sessions_thread_is_the_conversation() -> None:
    found = stored_span({"anthropic.session.thread.id": "sthr_1", "anthropic.request.id": "req_1"}, scope=SCOPE)
    assert (found.row.conversation_id, found.row.session_id) == ("sthr_1", "sthr_1")
    assert found.made["otelllm.provider.request_id"] == "req_1"
    named = stored_span({"anthropic.session.thread.id": "t", "gen_ai.conversation.id": "c"}, scope=SCOPE)
    assert (named.row.conversation_id, named.row.session_id) == ("c", "t")


def test_thinking_and_cache_for_an_hour_have_names() -> None:
    found = stored_span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_write.input_tokens": 60,
            "gen_ai.usage.reasoning.output_tokens": 9,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 60,
            "gen_ai.request.reasoning.level": "high",
        },
        scope=SCOPE,
    )
    assert (found.row.input_tokens, found.row.cache_write_tokens, found.row.reasoning_tokens) == (100, 60, 9)
    assert found.made["otelllm.usage.cache_write_1h.input_tokens"] == 60
    assert found.attributes["gen_ai.request.reasoning.level"] == "high"


def test_other_calls_of_the_api_are_no_calls_of_a_model() -> None:
    for attributes in (
        {"anthropic.message.count_tokens.input_tokens": 12, "gen_ai.request.model": "m"},
        {"anthropic.session.environment.id": "env", "gen_ai.agent.name": "a"},
    ):
        found = stored_span({"gen_ai.provider.name": "anthropic", **attributes}, scope=SCOPE, name="anthropic.x")
        assert found.row.operation is None
        (trace,) = summarise([found.row]).values()
        assert (trace.calls, trace.input_tokens) == (0, None)


def test_it_is_known_without_its_scope() -> None:
    found = stored_span({"anthropic.message.stop_reason": "max_tokens", "gen_ai.operation.name": "chat"})
    assert found.row.finish_reasons == ["length"]


@pytest.mark.parametrize("odd", ["", "  ", 5, 1.5, True, ["x"], {"kvlistValue": {"a": 1}}, None])
def test_odd_values_are_left_out(odd: object) -> None:
    keys = ("anthropic.message.stop_reason", "anthropic.session.thread.id", "anthropic.request.id")
    found = stored_span(dict.fromkeys(keys, odd), scope=SCOPE)
    assert found.row.session_id is None
    assert "otelllm.provider.request_id" not in found.made
    assert found.row.finish_reasons in (None, ["x"])
    cached = stored_span({"anthropic.usage.cache_creation.ephemeral_1h_input_tokens": odd}, scope=SCOPE)
    assert cached.made.get("otelllm.usage.cache_write_1h.input_tokens", 5) == 5  # 5 is no odd number of tokens
