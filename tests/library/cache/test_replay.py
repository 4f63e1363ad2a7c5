"""What comes out of the cache is what came from the provider: the SDKs' own objects, whole and streamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from library.cache.asking import ANTHROPIC, OPENAI, Case, comparable

import otelllm
from otelllm import semconv, stainless_replay

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

Make = Callable[..., Any]
CHAT_STREAM = next(case for case in OPENAI if case.is_stream)
MESSAGE_STREAM = next(case for case in ANTHROPIC if case.is_stream)
# The rest is the same code with other bytes.
FAST = {
    "openai/chat.json", "openai/chat_stream.sse", "openai/chat_stream_reasoning.sse", "openai/chat_stream_tools.sse",
    "openai/responses_stream.sse", "openai/chat_parse.json", "anthropic/message_stream_thinking.sse",
    "anthropic/message_tools.json", "anthropic/message_stream_tools.sse",
}  # fmt: skip
CASES = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[] if case.file in FAST and "beta" not in case.method else [pytest.mark.slow])
        for case in (*OPENAI, *ANTHROPIC)
    ],
    ids=str,
)


@CASES
def test_a_hit_is_what_the_provider_gave(cached: Telemetry, make_app: Make, provider: Provider, case: Case) -> None:
    """Same types, contents, unset fields, ids and chunks as bare and as first asked; nothing is sent, nothing used."""
    otelllm.uninstrument()
    case.answer(provider)
    bare = comparable(case.ask(make_app(case.sdk)))
    cached.instrument(policy={"cache": {"exact": {"scope": "all"}}})
    case.answer(provider)
    app = make_app(case.sdk)
    seen = [comparable(case.ask(app)) for _ in range(3)]
    assert seen == [bare, bare, bare]
    assert len(provider.requests) == 2
    first, *hits = (span.attributes or {} for span in cached.spans)
    assert first[semconv.CACHE_OUTCOME] == "stored"
    for hit in hits:
        assert (hit[semconv.CACHE_OUTCOME], hit[semconv.COST], hit[semconv.COST_STATUS]) == ("hit", 0, "cached")
        assert not [name for name in hit if name.startswith("gen_ai.usage.")]
        assert hit.get(semconv.CACHE_SAVED_USD) == first.get(semconv.COST)
        assert hit[semconv.CACHE_SAVED_SECONDS] > 0
        told = (semconv.RESPONSE_ID, semconv.RESPONSE_MODEL, semconv.RESPONSE_FINISH_REASONS, semconv.STREAM_END,
                semconv.STREAM_CHUNKS, semconv.PROVIDER_REQUEST_ID)  # fmt: skip
        assert {name: hit.get(name) for name in told} == {name: first.get(name) for name in told}


@pytest.mark.slow
@CASES
def test_a_hit_in_another_process(
    otel: Telemetry, make_app: Make, provider: Provider, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has seen no stream of this kind yet, and finds the answer in a file: by the SDK's own way."""
    policy = {"cache": {"exact": {"scope": "all", "where": f"sqlite:{tmp_path / 'cache.db'}"}}}
    otel.instrument(policy=policy)
    case.answer(provider)
    seen = comparable(case.ask(make_app(case.sdk)))
    otel.instrument(policy=policy)
    monkeypatch.setattr(stainless_replay, "_kinds", {})
    monkeypatch.setattr("otelllm.model_records._classes", {})
    assert comparable(case.ask(make_app(case.sdk))) == seen
    assert len(provider.requests) == 1


@pytest.mark.parametrize("case", [OPENAI[0], ANTHROPIC[0]], ids=str)
def test_what_an_app_does_to_its_answer_changes_no_other(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case
) -> None:
    """Every hit is an object of its own, down to the lists in it; so is the first answer."""
    case.answer(provider)
    app = make_app(case.sdk)
    first = case.ask(app)[0]
    before = comparable([first])
    for answer in (first, case.ask(app)[0]):
        parts = answer.choices if case.sdk == "openai" else answer.content
        parts[0].__dict__.clear()
        parts.clear()
        answer.id, answer.model = "changed", "changed"
    assert comparable(case.ask(app)) == before


@pytest.mark.parametrize("case", [CHAT_STREAM, MESSAGE_STREAM], ids=str)
def test_a_cached_stream_can_be_left_like_any_other(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case
) -> None:
    """Closed after two chunks; the next one is whole."""
    case.answer(provider)
    app = make_app(case.sdk)
    whole = case.ask(app)
    method = app.client.chat.completions.create if case.sdk == "openai" else app.client.messages.create
    assert len(app.leave(app.call(method, **case.arguments), 2)) == 2
    assert comparable(case.ask(app)) == comparable(whole)
    assert [(span.attributes or {}).get(semconv.STREAM_END) for span in cached.spans] == [
        "complete", "closed", "complete",
    ]  # fmt: skip
    assert len(provider.requests) == 1


def test_a_stream_is_given_in_the_pieces_in_which_it_came(
    cached: Telemetry, make_app: Make, provider: Provider
) -> None:
    """To whoever reads its bytes, too."""
    case = CHAT_STREAM
    case.answer(provider)
    app = make_app("openai")
    whole = case.ask(app)
    stream = app.call(app.client.chat.completions.create, **case.arguments)
    reader = stream.response.iter_bytes() if app.kind == "sync" else stream.response.aiter_bytes()
    pieces = app.read(reader)
    assert len(whole) - 1 <= len(pieces) <= len(whole) + 1
    assert b"".join(pieces).count(b"data: ") >= len(whole) - 1


def test_usage_that_only_we_asked_for_stays_hidden_from_the_app(
    otel: Telemetry, make_app: Make, provider: Provider
) -> None:
    """The app of a hit sees the chunks that the app of the first call saw."""
    case = CHAT_STREAM
    otel.instrument(policy={"cache": {"exact": {"scope": "all"}}}, include_usage=True)
    case.answer(provider)
    app = make_app("openai")
    first, second = comparable(case.ask(app)), comparable(case.ask(app))
    assert first == second
    assert not any(chunk[1].get("usage") for chunk in first[1:])


@pytest.mark.parametrize("way", ["stream", "whole"])
def test_a_view_that_is_read_later(cached: Telemetry, make_app: Make, provider: Provider, way: str) -> None:
    """`with_streaming_response`: a stream's bytes are given again; a whole answer's, which may be a file's, are not."""
    case = CHAT_STREAM if way == "stream" else OPENAI[0]
    app = make_app("openai")
    bodies = []
    for _ in range(2):
        case.answer(provider)
        manager = app.client.chat.completions.with_streaming_response.create(**case.arguments)
        bodies.append(app.within(manager, lambda view: view.read()))
    assert bodies[0] == bodies[1] != b""
    assert len(provider.requests) == (1 if way == "stream" else 2)
    provider._queue.clear()
