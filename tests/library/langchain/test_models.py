"""Model calls: one span each, whoever makes it; what the span says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from wire.files import body, events
from wire.server import sse, whole

from otelllm import semconv

from .apps import Local, attributes, calls, clients, content, run, usage

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

WAYS = ["sync", "async"]
STREAMS = ["stream", "astream"]


@pytest.mark.parametrize("way", WAYS)
def test_a_call_of_openais_sdk_has_one_span_with_one_cost(
    otel: Telemetry, provider: Provider, openai_model: Any, way: str
) -> None:
    provider.reply(whole(body("openai/chat.json")))
    message = run(way, openai_model, "hi", {"metadata": {"thread_id": "t-1"}})
    assert isinstance(message, AIMessage)
    found = otel.attributes
    assert found[semconv.USAGE_INPUT] == message.usage_metadata["input_tokens"]  # type: ignore[index]
    assert found[semconv.COST] > 0
    assert found[semconv.CONVERSATION_ID] == "t-1"
    assert found[semconv.PROVIDER] == "openai"
    (cost,) = otel.metrics()[semconv.METRIC_COST]
    assert cost.value == pytest.approx(found[semconv.COST])


@pytest.mark.parametrize("way", WAYS)
def test_a_call_of_anthropics_sdk_has_one_span_with_one_cost(
    otel: Telemetry, provider: Provider, anthropic_model: Any, way: str
) -> None:
    provider.reply(whole(body("anthropic/message.json")))
    run(way, anthropic_model, "hi")
    assert len(otel.all_spans) == 1
    assert otel.attributes[semconv.PROVIDER] == "anthropic"
    assert len(otel.metrics()[semconv.METRIC_DURATION]) == 1


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("which", ["openai", "anthropic"])
def test_a_stream_of_an_sdk_has_one_span(
    otel: Telemetry, provider: Provider, request: pytest.FixtureRequest, way: str, which: str
) -> None:
    model = request.getfixturevalue(f"{which}_model")
    provider.reply(
        sse(events("openai/chat_stream.sse" if which == "openai" else "anthropic/message_stream_cached.sse"))
    )
    chunks = run(way, model, "hi")
    assert len(chunks) > 1
    found = otel.attributes
    assert found[semconv.REQUEST_STREAM] is True
    assert found[semconv.STREAM_END] == "complete"
    assert found[semconv.TTFT] > 0
    assert found[semconv.USAGE_OUTPUT] > 0


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_call_of_an_sdk_has_one_span(otel: Telemetry, provider: Provider, openai_model: Any, way: str) -> None:
    provider.reply(whole(body("openai/error_401.json"), status=401))
    with pytest.raises(Exception, match="401"):
        run(way, openai_model, "hi")
    assert len(otel.spans) == 1
    assert otel.attributes[semconv.ERROR_TYPE]


@pytest.mark.parametrize("way", WAYS)
def test_a_local_model_has_a_span_of_langchains_own_words(otel: Telemetry, way: str) -> None:
    details = {"input_token_details": {"cache_read": 2, "cache_creation": 1}, "output_token_details": {"reasoning": 0}}
    answer = AIMessage(
        "hello",
        id="answer-1",
        usage_metadata=usage(10, 4, **details),  # type: ignore[arg-type]
        response_metadata={"model_name": "local-1-2026", "finish_reason": "tool_calls"},
    )
    run(way, Local(said=[answer], temperature=0.5), "hi", stop=["END"])
    span, found = otel.span, otel.attributes
    assert span.name == "chat local-1"
    assert {name: found.get(name) for name in (
        semconv.PROVIDER, semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL, semconv.RESPONSE_ID, semconv.USAGE_INPUT,
        semconv.USAGE_OUTPUT, semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE, semconv.USAGE_REASONING,
        semconv.RESPONSE_FINISH_REASONS, semconv.FINISH_REASONS, semconv.REQUEST_TEMPERATURE,
        semconv.REQUEST_STOP_SEQUENCES,
    )} == {
        semconv.PROVIDER: "local", semconv.REQUEST_MODEL: "local-1", semconv.RESPONSE_MODEL: "local-1-2026",
        semconv.RESPONSE_ID: "answer-1", semconv.USAGE_INPUT: 10, semconv.USAGE_OUTPUT: 4,
        semconv.USAGE_CACHE_READ: 2, semconv.USAGE_CACHE_WRITE: 1, semconv.USAGE_REASONING: 0,
        semconv.RESPONSE_FINISH_REASONS: ("tool_call",), semconv.FINISH_REASONS: ("tool_calls",),
        semconv.REQUEST_TEMPERATURE: 0.5, semconv.REQUEST_STOP_SEQUENCES: ("END",),
    }  # fmt: skip
    assert otel.metrics()[semconv.METRIC_TOKENS]


def test_what_is_unknown_of_a_fake_model_is_absent(otel: Telemetry) -> None:
    from langchain_core.language_models import FakeListChatModel

    FakeListChatModel(responses=["hello"]).invoke("hi")
    found = otel.attributes
    assert otel.span.name == "chat"
    for name in (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL, semconv.RESPONSE_ID, semconv.USAGE_INPUT, semconv.COST,
                 semconv.RESPONSE_FINISH_REASONS, semconv.REQUEST_STREAM):  # fmt: skip
        assert name not in found


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_local_model_keeps_the_apps_error(otel: Telemetry, way: str) -> None:
    error = ValueError("secret")
    with pytest.raises(ValueError, match="secret") as raised:
        run(way, Local(said=[error]), "hi")
    assert raised.value is error
    assert otel.attributes[semconv.ERROR_TYPE] == "ValueError"
    assert "secret" not in otel.everything()


def test_messages_are_kept_in_the_conventions_shape(full: Telemetry) -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    sent = [
        SystemMessage("be brief"),
        HumanMessage([{"type": "text", "text": "what is it?"},
                      {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]),
        AIMessage("", tool_calls=[call]),  # type: ignore[list-item]
        ToolMessage("3", tool_call_id="c1"),
    ]  # fmt: skip
    thinking = {"type": "thinking", "thinking": "hm"}
    Local(said=[AIMessage([thinking, {"type": "text", "text": "a dog"}])]).invoke(sent)
    system, user, assistant, tool = full.messages(semconv.INPUT_MESSAGES)
    assert system == {"role": "system", "parts": [{"type": "text", "content": "be brief"}]}
    assert user["parts"][0] == {"type": "text", "content": "what is it?"}
    assert (user["parts"][1]["type"], user["parts"][1]["mime_type"]) == ("blob", "image/png")
    assert assistant["parts"] == [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}]
    assert tool == {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "3"}]}
    (said,) = full.messages(semconv.OUTPUT_MESSAGES)
    assert said["parts"] == [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "a dog"}]


@pytest.mark.filterwarnings("ignore:Unexpected type for token usage")
def test_several_prompts_are_several_calls(otel: Telemetry, provider: Provider, openai_model: Any) -> None:
    provider.reply(whole(body("openai/chat.json")), whole(body("openai/chat.json")))
    openai_model.generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert [span.name for span in otel.spans] == ["chat gpt-4o-mini"] * 2
    otel.clear()
    Local().generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert [span.name for span in otel.spans] == ["chat local-1"] * 2


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_of_langchains_cache_is_no_call(otel: Telemetry, way: str) -> None:
    from langchain_core.caches import InMemoryCache

    model = Local(cache=InMemoryCache())
    run(way, model, "hi")
    otel.clear()
    run(way, model, "hi")
    found = otel.attributes
    assert found[semconv.CACHE_OUTCOME] == "hit"
    assert found[semconv.COST_STATUS] == "cached"
    assert found[semconv.COST] == 0
    assert semconv.USAGE_INPUT not in found


@pytest.mark.parametrize("way", [*WAYS, *STREAMS])
def test_completions_in_one_request_are_one_span(otel: Telemetry, provider: Provider, way: str) -> None:
    from langchain_openai import OpenAI

    model = OpenAI(model="gpt-3.5-turbo-instruct", api_key="sk", base_url=provider.url, max_retries=0)  # type: ignore[arg-type]
    clients.append(lambda: model.async_client._client)
    streams = way in STREAMS
    provider.reply(sse(events("openai/completions_stream.sse")) if streams else whole(body("openai/completions.json")))
    run(way, model, "once")
    assert otel.span.name == "text_completion gpt-3.5-turbo-instruct"
    if not streams:
        otel.clear()
        two = {"choices": [{"text": t, "index": n, "finish_reason": "stop"} for n, t in enumerate("ab")],
               "id": "c", "object": "text_completion", "created": 1, "model": "m",
               "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}}  # fmt: skip
        provider.reply(whole(two))
        model.generate(["a", "b"])
        assert len(otel.spans) == 1
    model.client._client.close()


def test_texts_completed_in_this_process_are_spans(full: Telemetry) -> None:
    from langchain_core.language_models import FakeListLLM

    FakeListLLM(responses=["x", "y"]).generate(["a", "b"])
    assert [span.name for span in full.spans] == ["text_completion"] * 2
    assert content(full.spans[1], semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "b"
    assert content(full.spans[1], semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "y"


def test_a_model_that_another_model_is_made_of_has_one_span(otel: Telemetry) -> None:
    inner = Local(model="inner")
    outer = Local(model="outer", hook=lambda: inner.invoke("hi") and None)
    outer.invoke("hi")
    assert [span.name for span in calls(otel)] == ["chat inner"]
    assert attributes(otel.span)[semconv.USAGE_INPUT] == 7
