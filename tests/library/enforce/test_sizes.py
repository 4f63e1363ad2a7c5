"""How large a request is before it is sent: in each provider's shape, as it is likely, and at most."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pydantic
import pytest

from otelllm.attempt import AS_ASKED, Target
from otelllm.call import Call, Request, Scope, Usage
from otelllm.enforce.measuring import measure
from otelllm.enforce.sizes import Size, Sizes, Unbounded

PICTURE = base64.b64encode(b"\x89PNG" + bytes(30_000)).decode()
TEXT = "x" * 1000
MAX_TOKENS = "gen_ai.request.max_tokens"


@dataclass
class Part:
    """As google-genai's types are: objects with fields."""

    text: str


class Content(pydantic.BaseModel):
    role: str = "user"
    parts: list[Part]


SHAPES = {
    "openai chat": {"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]},
    "openai responses": {"instructions": TEXT[:400], "input": TEXT[400:]},
    "openai completions": {"prompt": [TEXT[:500], TEXT[500:]]},
    "anthropic": {"system": TEXT[:500], "messages": [{"role": "user", "content": TEXT[500:]}]},
    "anthropic document": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}}],
            }
        ]
    },
    "gemini": {"contents": [Content(parts=[Part(TEXT)])]},
    "gemini dicts": {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]},
    "bedrock converse": {
        "system": [{"text": TEXT[:1]}],
        "messages": [{"role": "user", "content": [{"text": TEXT[1:]}]}],
    },
    "ollama": {"messages": [{"role": "user", "content": TEXT}]},
    "embeddings": {"input": [TEXT]},
    "tools": {"messages": [], "tools": [{"type": "function", "function": {"name": "f", "description": TEXT}}]},
}


@pytest.mark.parametrize("kwargs", SHAPES.values(), ids=SHAPES)
def test_the_text_of_each_provider_is_found(kwargs):
    """All of it, and not much around it; by bytes never less than it is."""
    found = measure({"model": "m", "metadata": {"note": "y" * 5000}, **kwargs}, bound=True)
    assert 1000 <= found.chars <= 1060
    assert found.bytes >= 1000
    assert found.unseen == ""


PICTURES = {
    "openai chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
    "openai responses": {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
    "gemini": {"inline_data": {"mime_type": "image/png", "data": PICTURE}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + bytes(30_000)}}},
}


@pytest.mark.parametrize("part", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_no_text(part):
    found = measure(
        {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "what is it?"}]}]}, bound=True
    )
    assert found.pictures == 1
    assert found.bytes < 300


def test_sounds_and_files_are_told_by_their_bytes():
    sound = {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}}
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PICTURE}"}}
    found = measure({"messages": [{"role": "user", "content": [sound, file]}]})
    assert found.sounds == pytest.approx(30_004, rel=0.01)
    assert found.files == pytest.approx(30_004, rel=0.01)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"input": "go on", "previous_response_id": "resp_1"},
        {"input": "hi", "conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": "hi", "tools": [{"type": "web_search"}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://x"}}]}
            ]
        },
        {"contents": [{"parts": [{"file_data": {"file_uri": "https://x"}}]}]},
        {"contents": "hi", "config": {"cached_content": "caches/1"}},
        {"messages": [{"content": [{"document": {"source": {"s3Location": {"uri": "s3://b/k"}}}}]}]},
    ],
    ids=str,
)
def test_what_the_provider_adds_by_itself_has_no_bound(kwargs):
    call = a_call(max_tokens=10)
    with pytest.raises(Unbounded, match="can't be counted"):
        Sizes().at_most(call, AS_ASKED, measure(kwargs, bound=True))
    assert Sizes().likely(call, AS_ASKED, measure(kwargs)).output == 10


def a_call(max_tokens: int | None = None, feature: str | None = "f", model: str = "m", **attributes) -> Call:
    if max_tokens is not None:
        attributes[MAX_TOKENS] = max_tokens
    return Call("openai", "chat", Request(model=model, attributes=attributes), Scope(feature=feature))


@pytest.mark.parametrize("text", ["hello", "日本語のテキスト", "🦊🦊", "\ud800", "a" * 5000])
def test_a_bound_is_above_any_tokenizer(text):
    """A token has at least one byte; around a message are some more."""
    at_most = Sizes().at_most(
        a_call(100), AS_ASKED, measure({"messages": [{"role": "user", "content": text}]}, bound=True)
    )
    assert at_most.input >= len(text.encode("utf-8", "surrogatepass")) + 8
    assert at_most.output == 100


def test_the_bound_of_an_answer_is_what_is_sent_with_it():
    """For each of several answers; the policy's own limit counts where it sets one."""
    sizes, found = Sizes(), measure({"messages": []}, bound=True)
    assert sizes.at_most(a_call(100, **{"gen_ai.request.choice.count": 3}), AS_ASKED, found).output == 300
    assert sizes.at_most(a_call(100), Target(max_tokens=40), found).output == 40
    with pytest.raises(Unbounded, match=r"send max_tokens, or set default_max_tokens in \[\[outputs\]\]"):
        sizes.at_most(a_call(), AS_ASKED, found)


def test_pictures_cost_at_most_what_their_model_takes():
    part = PICTURES["openai chat"]
    found = measure({"messages": [{"role": "user", "content": [part]}]}, bound=True)
    most = {
        name: Sizes().at_most(a_call(1, model=name), AS_ASKED, found).input
        for name in ("gpt-4o", "gpt-4o-mini", "claude-x")
    }
    assert most["gpt-4o"] < 1_800 < most["claude-x"] < 6_000 < most["gpt-4o-mini"]


def test_twenty_calls_teach_how_dense_a_models_texts_are():
    """A bias of 1.4 is met within 5 %."""
    sizes, found = Sizes(), measure({"messages": [{"role": "user", "content": TEXT}]})
    for _ in range(20):
        call = a_call(10)
        call.reading.usage = Usage(input=round(found.chars / 4 * 1.4), output=5)
        sizes.learn(call, found)
    assert sizes.likely(a_call(10), AS_ASKED, found).input == pytest.approx(found.chars / 4 * 1.4, rel=0.05)
    assert sizes.likely(a_call(10, model="other"), AS_ASKED, found).input == found.chars / 4


def test_a_features_answers_are_reserved_by_their_95th_percentile():
    sizes, found = Sizes(), measure({"messages": []})
    assert sizes.likely(a_call(), AS_ASKED, found).output == 1024
    for length in range(1, 101):
        call = a_call()
        call.reading.usage = Usage(input=1, output=length)
        sizes.learn(call, found)
    assert sizes.likely(a_call(), AS_ASKED, found).output == 96
    assert sizes.likely(a_call(50), AS_ASKED, found).output == 50
    assert sizes.likely(a_call(feature="other"), AS_ASKED, found).output == 1024
    for _ in range(200):
        call = a_call()
        call.reading.usage = Usage(input=1, output=7)
        sizes.learn(call, found)
    assert sizes.likely(a_call(), AS_ASKED, found).output == 7


def test_what_was_only_estimated_teaches_nothing():
    sizes, found = Sizes(), measure({"messages": [{"content": TEXT}]})
    call = a_call()
    call.reading.usage = Usage(input=9999, output=9999, estimated=True)
    sizes.learn(call, found)
    assert sizes.likely(a_call(), AS_ASKED, found) == Size(found.chars / 4, 1024)


def test_no_more_than_so_many_models_and_features_are_remembered():
    sizes, found = Sizes(), measure({"messages": [{"content": TEXT}]})
    for number in range(3000):
        call = a_call(feature=f"f{number}", model=f"m{number}")
        call.reading.usage = Usage(input=100, output=5)
        sizes.learn(call, found)
    assert len(sizes._ratios) == len(sizes._answers) == 1024


def test_a_class_counts_as_its_schema_and_a_function_as_its_text():
    class Invoice(pydantic.BaseModel):
        number: str
        total: float

    def pay(invoice: str) -> None:
        """Pay an invoice."""

    with_class = measure({"messages": [], "response_format": Invoice}, bound=True)
    assert 100 < with_class.bytes < 500
    assert measure({"contents": "hi", "config": {"tools": [pay]}}, bound=True).bytes > 500
    assert measure({"messages": [], "timeout": object()}, bound=True).bytes == 0


def test_a_body_that_is_serialised_already_is_its_length():
    assert measure({"modelId": "m", "body": b'{"prompt": "hi"}'}, bound=True).bytes == 16
    assert measure({"modelId": "m", "body": '{"data": "...", "type": "base64"}'}).unseen
