"""Messages as bubbles, whoever wrote them."""

from __future__ import annotations

import pytest
from dashboard.records import detail

from otelllm_dashboard.charts.conversation import Bubble, Part, bubbles


def test_instructions_come_first_then_input_then_the_answer() -> None:
    found = bubbles(
        detail(
            system_instructions=[{"type": "text", "content": "Be kind."}],
            input_messages=[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}],
            output_messages=[{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}],
        )
    )
    assert found == [
        Bubble("system", [Part("text", "Be kind.")]),
        Bubble("user", [Part("text", "Hi")]),
        Bubble("assistant", [Part("text", "Hello")], is_answer=True),
    ]


@pytest.mark.parametrize(
    ("part", "kind", "head", "body"),
    [
        ({"type": "reasoning", "content": "Hm."}, "reasoning", "", "Hm."),
        ({"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}, "call", "f · c1", '{\n  "a": 1\n}'),
        ({"type": "tool_call", "name": "f", "arguments": '{"a": '}, "call", "f", '{"a": '),
        ({"type": "tool_call_response", "id": "c1", "response": "done"}, "result", "result · c1", "done"),
        ({"type": "tool_call_response", "response": [{"type": "text", "content": "done"}]}, "result", "result", "done"),
        ({"type": "blob", "mime_type": "image/png", "size": 2048}, "media", "blob · image/png · 2.0 kB", ""),
        ({"type": "uri", "modality": "image", "uri": "http://x/y.png"}, "media", "image · http://x/y.png", ""),
        ({"type": "file", "modality": "document", "file_id": "f-1"}, "media", "document · f-1", ""),
        ({"type": "hologram", "x": 1}, "json", "hologram", '{\n  "type": "hologram",\n  "x": 1\n}'),
        ("bare", "text", "", "bare"),
    ],
)  # fmt: skip
def test_each_kind_of_part(part: object, kind: str, head: str, body: str) -> None:
    (bubble,) = bubbles(detail(input_messages=[{"role": "user", "parts": [part]}]))
    assert bubble.parts == [Part(kind, body, head)]  # type: ignore[arg-type]  # a parametrised literal


def test_a_base64_blob_is_measured_and_not_shown() -> None:
    (bubble,) = bubbles(
        detail(input_messages=[{"role": "user", "parts": [{"type": "blob", "content": "QUJD" * 1000}]}])
    )
    assert bubble.parts == [Part("media", "", "blob · 3.0 kB")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "user", "content": "old shape"}, "old shape"),
        ("just text", "just text"),
        (17, "17"),
        ({"role": "user", "x": 1}, '"x": 1'),
    ],
)
def test_messages_of_other_shapes_are_shown(message: object, text: str) -> None:
    (bubble,) = bubbles(detail(input_messages=[message]))
    assert text in bubble.parts[0].body


def test_nothing_captured_is_no_conversation() -> None:
    assert bubbles(detail()) == []
