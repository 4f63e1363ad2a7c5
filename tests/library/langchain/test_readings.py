"""What is read from LangChain's own answers, where no SDK's call has the span: the same as the SDK's span would say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from wire.files import body
from wire.server import whole

from otelllm import providers, semconv
from otelllm.frameworks.langchain import readings
from otelllm.frameworks.langchain.messages import as_message

from .apps import Local, attributes, usage

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

FACTS = (
    semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.USAGE_CACHE_READ, semconv.USAGE_REASONING,
    semconv.USAGE_CACHE_WRITE, semconv.RESPONSE_MODEL, semconv.RESPONSE_ID, semconv.RESPONSE_FINISH_REASONS,
    semconv.FINISH_REASONS, semconv.REQUEST_MODEL, semconv.COST,
)  # fmt: skip
FILES = [
    "openai/chat.json", "openai/chat_tools.json", "openai/chat_two.json", "openai/chat_refusal.json",
    "openai/chat_flex.json", "openai/chat_filtered.json", "openai/chat_no_usage.json", "openai/chat_no_details.json",
    "openai/chat_function_call.json", "openai/chat_reasoning.json", "openai/responses.json",
    "openai/responses_incomplete.json", "openai/responses_refusal.json", "anthropic/message.json",
    "anthropic/message_tools.json", "anthropic/message_thinking.json", "anthropic/message_zeros.json",
    "anthropic/message_cut.json",
]  # fmt: skip


def _is_new() -> bool:
    from importlib.metadata import version

    return version("langchain-core").startswith("1.")


def _said(otel: Telemetry) -> list[Any]:
    """The answer's messages; one without a part says no more than none."""
    return [it for it in json.loads(str(otel.attributes.get(semconv.OUTPUT_MESSAGES, "[]"))) if it["parts"]]


@pytest.mark.skipif(not _is_new(), reason="what LangChain told was less")
@pytest.mark.parametrize("file", FILES)
def test_it_says_what_the_sdks_span_says(
    otel: Telemetry, provider: Provider, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    provider.always = whole(body(file))
    model = request.getfixturevalue(file.partition("/")[0] + "_model")
    if "responses" in file:
        model.use_responses_api = True
    otel.instrument(capture="full")
    model.invoke("hi")
    theirs, said = dict(otel.attributes), _said(otel)
    otel.clear()
    monkeypatch.setattr(providers, "found", list)  # an SDK that we do not know
    otel.instrument(capture="full")
    model.invoke("hi")
    ours = otel.attributes
    assert {name: ours.get(name) for name in FACTS} == {name: theirs.get(name) for name in FACTS}
    assert _said(otel) == said


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"cache_creation": 5}, {semconv.USAGE_CACHE_WRITE: 5}),
        (
            {"cache_creation": 0, "ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
            {semconv.USAGE_CACHE_WRITE: 5, semconv.USAGE_CACHE_WRITE_1H: 2},
        ),
        ({"cache_read": 0}, {semconv.USAGE_CACHE_READ: 0}),
        ({"audio": 4}, {semconv.USAGE_AUDIO_INPUT: 4}),
    ],
)
def test_the_parts_of_an_input(otel: Telemetry, counts: dict[str, int], expected: dict[str, int]) -> None:
    answer = AIMessage("hi", usage_metadata=usage(20, 2, input_token_details=counts))  # type: ignore[arg-type]
    Local(said=[answer]).invoke("hi")
    found = {name: value for name, value in otel.attributes.items() if name in expected}
    assert found == expected
    assert otel.attributes[semconv.USAGE_INPUT] == 20


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"token_usage": {"prompt_tokens": 3, "completion_tokens": 4}}, (3, 4)),
        ({"usage": {"input_tokens": 3, "output_tokens": 4}}, (3, 4)),
        ({"token_usage": {}}, (None, None)),
        ({"token_usage": None}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_the_older_ways_to_say_usage(said: dict[str, Any], expected: tuple[Any, Any]) -> None:
    from uuid import uuid4

    from otelllm.call import Call, Request, Scope

    call = Call("p", semconv.CHAT, Request(), Scope())
    readings.answer(call, LLMResult(generations=[[Generation(text="x")]], llm_output=said), uuid4())
    counted = call.reading.usage
    assert (counted and counted.input, counted and counted.output) == expected


@pytest.mark.parametrize("generations", [[], [[]], [[ChatGeneration(message=AIMessage(""))]]])
def test_answers_of_odd_shapes(otel: Telemetry, generations: Any) -> None:
    from uuid import uuid4

    from otelllm.call import Call, Request, Scope

    for response in (LLMResult(generations=generations), LLMResult(generations=generations, llm_output=None), None):
        call = Call("p", semconv.CHAT, Request(), Scope(), captures=True)
        readings.answer(call, response, uuid4())
        assert call.reading.usage is None
        assert call.reading.messages == []


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image", "base64": "aGk=", "mime_type": "image/png"}, ("blob", "image/png")),
        ({"type": "image", "source_type": "base64", "data": "aGk=", "mime_type": "image/png"}, ("blob", "image/png")),
        ({"type": "image", "source": {"type": "base64", "data": "aGk=", "media_type": "image/png"}},
         ("blob", "image/png")),
        ({"type": "image", "url": "https://a.example/x.png"}, ("uri", None)),
        ({"type": "image_url", "image_url": "https://a.example/x.png"}, ("uri", None)),
        ({"type": "file", "file_id": "f-1"}, ("file", None)),
        ({"type": "audio", "data": "aGk=", "mime_type": "audio/wav"}, ("blob", "audio/wav")),
        ({"type": "hologram"}, ("hologram", None)),
    ],
)  # fmt: skip
def test_blocks_that_are_no_text(block: dict[str, Any], part: tuple[str, str | None]) -> None:
    (made,) = as_message(HumanMessage([block]))["parts"]
    assert (made["type"], made.get("mime_type")) == part
    assert "data" not in made


@pytest.mark.parametrize(
    "given",
    ["hi", ("user", "hi"), ("human", "hi"), {"role": "user", "content": "hi"}, HumanMessage("hi"),
     HumanMessage([{"type": "text", "text": "hi"}]), HumanMessage(["hi"])],
)  # fmt: skip
def test_all_that_langchain_takes_for_a_message(given: Any) -> None:
    assert as_message(given) == {"role": "user", "parts": [{"type": "text", "content": "hi"}]}


def test_an_invalid_tool_call_keeps_its_text() -> None:
    chunk = AIMessageChunk("", tool_call_chunks=[{"name": "f", "args": '{"a": ', "id": "c", "index": 0}])  # type: ignore[list-item]
    message = AIMessage("", invalid_tool_calls=[{"name": "f", "args": '{"a"', "id": "c", "error": None}])  # type: ignore[list-item]
    assert as_message(message)["parts"] == [{"type": "tool_call", "id": "c", "name": "f", "arguments": '{"a"'}]
    assert as_message(chunk)["parts"][0]["name"] == "f"


def test_the_tools_that_were_offered(full: Telemetry) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    Local().invoke("hi", tools=[tool])
    assert json.loads(str(attributes(full.span)[semconv.TOOL_DEFINITIONS])) == [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    ]  # fmt: skip
