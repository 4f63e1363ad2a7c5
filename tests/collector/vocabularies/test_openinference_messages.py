"""OpenInference's leaves: messages, tools and documents put together again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from collector.vocabularies.spans import says, stored_span

from otelllm import semconv
from otelllm_collector.normalise.openinference import VOCABULARY, leaves
from otelllm_collector.normalise.spec import Foreign

CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]  # fmt: skip


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"openinference.span.kind": kind, **{name.replace("__", "."): value for name, value in more.items()}}


def test_messages_of_all_kinds() -> None:
    prefix = "llm.input_messages."
    attributes = of("LLM", llm__model_name="m")
    attributes |= {
        f"{prefix}11.message.role": "human", f"{prefix}11.message.content": "last",
        f"{prefix}2.message.role": "ai", f"{prefix}2.message.function_call_name": "f",
        f"{prefix}2.message.function_call_arguments_json": '{"a": 1}',
        f"{prefix}3.message.role": "function", f"{prefix}3.message.tool_call_id": "c",
        f"{prefix}3.message.contents.0.message_content.type": "text",
        f"{prefix}3.message.contents.0.message_content.text": "done",
        f"{prefix}4.message.role": "developer", f"{prefix}4.message.content": "Be brief.",
        f"{prefix}5.message.role": "user",
        f"{prefix}5.message.contents.0.message_content.type": "image",
        f"{prefix}5.message.contents.0.message_content.image.image.url": "https://x/a.png",
        f"{prefix}6.message.role": "assistant", f"{prefix}6.message.name": "ann",
        f"{prefix}6.message.contents.0.message_content.type": "reasoning",
        f"{prefix}6.message.contents.0.message_content.text": "hm",
        f"{prefix}7.message.role": "user", f"{prefix}7.message.content": "__REDACTED__",
        f"{prefix}x.message.role": "user",
    }  # fmt: skip
    assert stored_span(attributes).input == [
        says("assistant", {"type": "tool_call", "name": "f", "arguments": {"a": 1}}),
        says("tool", {"type": "tool_call_response", "id": "c", "response": "done"}),
        says("system", "Be brief."),
        says("user", {"type": "uri", "modality": "image", "uri": "https://x/a.png"}),
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}], "name": "ann"},
        says("user", "last"),
    ]


def test_text_completions() -> None:
    found = stored_span({**of("LLM"), "llm.prompts.0.prompt.text": "Once", "llm.choices.0.completion.text": " upon"})
    assert (found.row.operation, found.input, found.output) == (
        "text_completion", [says("user", "Once")], [says("assistant", " upon")],
    )  # fmt: skip


def answered(*messages: dict[str, Any]) -> dict[str, Any]:
    """Flattened leaves of an answer's messages."""
    return of("LLM") | {
        f"llm.output_messages.{number}.message.{leaf}": value
        for number, message in enumerate(messages)
        for leaf, value in ({"role": "assistant"} | message).items()
    }


def test_choices_stay_apart_and_items_are_joined() -> None:
    call = {"tool_calls.0.tool_call.id": "call_1", "tool_calls.0.tool_call.function.name": "get_weather",
            "tool_calls.0.tool_call.function.arguments": '{"city": "Paris"}'}  # fmt: skip
    thought = {"contents.0.message_content.type": "reasoning", "contents.0.message_content.text": "hm"}
    reasoning, text = {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "one"}
    for given, made in (
        (({"content": "one"}, {"content": "two"}), [says("assistant", "one"), says("assistant", "two")]),
        ((thought, {"content": "one"}, call), [says("assistant", reasoning, text, CALL)]),
        ((thought, call), [says("assistant", reasoning, CALL)]),
        (({"content": "one"}, call, {"content": "two"}), [says("assistant", text, CALL), says("assistant", "two")]),
        (({"content": "one"}, {"content": "__REDACTED__"}), [says("assistant", "one")]),
        (({"content": "one"}, {"role": "tool", "content": "two"}), [says("assistant", "one"), says("tool", "two")]),
    ):
        assert stored_span(answered(*given)).output == made


def test_sounds_and_films() -> None:
    content = "llm.input_messages.0.message.contents.0.message_content."
    for modality, url, mime_type, made in (
        ("audio", "UklGRg==", "audio/wav", {"type": "blob", "mime_type": "audio/wav", "content": "UklGRg=="}),
        ("audio", "data:audio/mpeg;base64,SUQz", None, {"type": "blob", "mime_type": "audio/mpeg", "content": "SUQz"}),
        ("audio", "https://x/a.wav", "audio/wav", {"type": "uri", "uri": "https://x/a.wav"}),
        ("image", "iVBORw0K", None, {"type": "blob", "mime_type": "", "content": "iVBORw0K"}),
        ("video", "gs://x/a.mp4", None, {"type": "uri", "uri": "gs://x/a.mp4"}),
    ):
        given = {f"{content}type": modality, f"{content}{modality}.{modality}.url": url}
        if mime_type:
            given[f"{content}{modality}.{modality}.mime_type"] = mime_type
        assert stored_span(of("LLM") | given).input == [says("user", {"modality": modality, **made})]
    hidden = {f"{content}type": "image", f"{content}image.image.url": "__REDACTED__"}
    assert stored_span(of("LLM") | hidden).input is None


def test_what_is_redacted() -> None:
    before = "llm.input_messages.0.message."
    hidden = of("LLM") | {f"{before}role": "tool", f"{before}tool_call_id": "c", f"{before}content": "__REDACTED__"}
    nothing = {"type": "tool_call_response", "id": "c", "response": None}
    assert stored_span(hidden).input == [says("tool", nothing)]
    del hidden[f"{before}content"]
    hidden[f"{before}contents.0.message_content.text"] = "__REDACTED__"
    assert stored_span(hidden).input == [says("tool", nothing)]
    tool = stored_span(of("TOOL", input__value="__REDACTED__", output__value="__REDACTED__")).row
    assert (tool.tool_arguments, tool.tool_result) == (None, None)
    row = stored_span(of("RETRIEVER") | {"retrieval.documents.0.document.content": "__REDACTED__",
                                         "retrieval.documents.0.document.id": "d"}).row  # fmt: skip
    assert (json.loads(row.retrieval_documents or ""), row.retrieval_count) == ([{"id": "d"}], 1)
    assert stored_span(of("RERANKER", reranker__query="__REDACTED__")).row.retrieval_query is None


def test_lists_that_came_as_one_value() -> None:
    for texts in (["Once", "Twice"], '["Once", "Twice"]'):
        found = stored_span(of("LLM") | {"llm.prompts": texts, "llm.choices": [" upon"]})
        assert found.row.operation == "text_completion"
        assert (found.input, found.output) == (
            [says("user", "Once"), says("user", "Twice")],
            [says("assistant", " upon")],
        )
    dotted = [{"message.role": "user", "message.content": "hi"},
              {"message.role": "assistant", "message.tool_calls": [
                  {"tool_call.id": "call_1", "tool_call.function.name": "get_weather",
                   "tool_call.function.arguments": '{"city": "Paris"}'}]}]  # fmt: skip
    nested = [{"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": "hi"}}]}},
              {"message": {"role": "assistant", "tool_calls": [{"tool_call": {"id": "call_1", "function": {
                  "name": "get_weather", "arguments": {"city": "Paris"}}}}]}}]  # fmt: skip
    plain = [{"role": "user", "content": "hi"},
             {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {
                 "name": "get_weather", "arguments": '{"city": "Paris"}'}}]}]  # fmt: skip
    for given in (dotted, nested, plain, [{"message": one} for one in plain]):
        for value in (json.dumps(given), given):
            found = VOCABULARY.read(Foreign("x", "", of("LLM") | {"llm.input_messages": value}, (), 1, 2, True, False))
            assert found[semconv.INPUT_MESSAGES] == [says("user", "hi"), says("assistant", CALL)]
    found = stored_span(of("LLM") | {"llm.output_messages": json.dumps(plain[:1]), "llm.input_messages": "hi"})
    assert (found.input, found.output) == ([says("user", "hi")], [says("user", "hi")])
    both = {"llm.input_messages": json.dumps(plain), "llm.input_messages.0.message.content": "flat"}
    assert stored_span(of("LLM") | both).input == [says("user", "flat")]
    row = stored_span(of("RETRIEVER") | {"retrieval.documents": json.dumps([{"document.id": "a"}, {"id": "b"}])}).row
    assert json.loads(row.retrieval_documents or "") == [{"id": "a"}, {"id": "b"}]
    for odd in ("__REDACTED__", "", "[", "[null]", "[7]", '[{"message": 7}]', '[{"message.role": {}}]'):
        assert stored_span(of("LLM") | {"llm.output_messages": odd}).row.vocabulary == "openinference"


def test_tools_named_beside_their_schema() -> None:
    schema = {"type": "object", "properties": {}}
    found = stored_span(of("LLM") | {
        "llm.tools.0.tool.name": "look", "llm.tools.0.tool.description": "Looks",
        "llm.tools.2.tool.name": "find", "llm.tools.2.tool.json_schema": json.dumps(schema),
        "llm.tools.10.tool.name": "other", "llm.tools.10.tool.json_schema": json.dumps({"name": "own"}),
        "llm.tools.11.tool.json_schema": "{", "llm.tools.12.tool.description": "nobody",
    })  # fmt: skip
    assert found.tools == [
        {"type": "function", "name": "look", "description": "Looks"},
        {"type": "function", "name": "find", "parameters": schema},
        {"type": "function", "name": "own"},
    ]
    listed = json.dumps([{"tool": {"json_schema": TOOLS[0]}}, {"tool.json_schema": json.dumps(TOOLS[0])}, TOOLS[0]])
    assert stored_span(of("LLM") | {"llm.tools": listed}).tools == TOOLS * 3
    long = {"name": "long", "description": "x" * 20_000}
    assert stored_span(of("LLM") | {"llm.tools.0.tool.json_schema": json.dumps(long)}).tools == [
        {"type": "function", **long}
    ]


def test_keys_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    places: dict[str, Any] = {}
    monkeypatch.setattr(leaves, "_places", places)
    monkeypatch.setattr(leaves, "_MOST", 8)
    for number in range(30):
        key = f"llm.input_messages.{number}.message.content"
        assert leaves.gathered({key: "x", f"own.{number}": 1, "long." * 99: 2}) == {
            leaves.INPUT: {number: {"message.content": "x"}}
        }
        assert len(places) <= 8
