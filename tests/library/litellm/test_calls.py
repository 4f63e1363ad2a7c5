"""What is one call and what is several; what was used and what was not; how a stream ends."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from driving import replay
from wire import files
from wire.server import CUT, PATIENCE_S, sse, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

GPT, LLAMA = "openai/gpt-4o-mini", "groq/llama-3.3-70b-versatile"
ASKED: dict[str, Any] = {"model": GPT, "messages": [{"role": "user", "content": "When was the lighthouse lit?"}]}
QUIET = (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.USAGE_ESTIMATED, semconv.COST)


def test_text_completions(otel: Telemetry, app: App, provider: Provider) -> None:
    """By a chat model: one span, of what the app called."""
    otel.instrument(capture="full")
    asked = {"model": GPT, "prompt": "When was it lit?"}
    provider.reply(whole(files.body("openai/chat.json")))
    answer = app.call(app.client.text_completion, **asked)
    assert answer.choices[0].text == "The lighthouse at Skagen was lit in 1858."
    assert (otel.span.name, otel.attributes[semconv.USAGE_INPUT]) == ("text_completion gpt-4o-mini", 1200)
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"] == answer.choices[0].text


def test_streamed_text_completions(otel: Telemetry, app: App, provider: Provider) -> None:
    """Through two streams of LiteLLM's, one in the other."""
    otel.instrument(capture="full")
    asked = {"model": GPT, "prompt": "When was it lit?", "stream_options": {"include_usage": True}}
    replay(app, provider, app.client.text_completion, "openai/chat_stream.sse", **asked)
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"].startswith("The lighthouse")
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.USAGE_OUTPUT]) == ("complete", 50)


def test_responses(otel: Telemetry, app: App, provider: Provider) -> None:
    """LiteLLM's own HTTP; the id is the provider's, not the one that LiteLLM makes of it."""
    for file in ("openai/responses.json", "openai/responses_stream.sse"):
        otel.instrument(capture="full")
        replay(app, provider, app.client.responses, file, model="openai/gpt-4o-mini", input="When?")
        found = otel.attributes
        assert (found[semconv.OPERATION], found[semconv.RESPONSE_ID]) == ("chat", "resp_wire1")
        assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
        assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (1200, 50)
        assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"]
        otel.clear()


def test_responses_by_completions(otel: Telemetry, app: App, provider: Provider) -> None:
    """Where a provider has no Responses API LiteLLM calls its own completion for it: still one span."""
    for file in ("groq/chat.json", "groq/chat_stream_usage.sse"):
        otel.instrument(capture="full")
        replay(app, provider, app.client.responses, file, model=LLAMA, input="When?")
        found = otel.attributes
        assert (found[semconv.PROVIDER], found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == ("groq", 1200, 50)
        otel.clear()


def test_embeddings(otel: Telemetry, app: App, provider: Provider) -> None:
    """Input tokens only, and the size of a vector."""
    for more in ({}, {"encoding_format": "float"}):
        file = "openai/embeddings_float.json"
        replay(app, provider, app.client.embedding, file, model="openai/text-embedding-3-small", input=["a"], **more)
        found = otel.attributes
        assert (found[semconv.OPERATION], found[semconv.PROVIDER]) == ("embeddings", "openai")
        assert found[semconv.USAGE_INPUT]
        assert semconv.USAGE_OUTPUT not in found
        assert found[semconv.EMBEDDINGS_DIMENSIONS] > 0
        otel.clear()


def test_reranking(otel: Telemetry, app: App, provider: Provider) -> None:
    """Billed by the search."""
    otel.instrument(capture="full")
    asked = {"model": "cohere/rerank-v3.5", "query": "lighthouse", "documents": ["a", "b", "c"], "top_n": 2}
    replay(app, provider, app.client.rerank, "cohere/rerank.json", **asked)
    found = otel.attributes
    assert (found[semconv.OPERATION], found[semconv.PROVIDER]) == (semconv.RERANK, "cohere")
    assert (found["otelllm.usage.searches"], found[semconv.RERANK_IN]) == (1, 3)
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS)


def test_a_mock_response_uses_nothing(otel: Telemetry, app: App) -> None:
    """LiteLLM makes up 10 and 20 tokens, and a cost."""
    for more in ({}, {"stream": True}):
        result = app.call(app.client.completion, **ASKED, mock_response="Made up.", **more)
        if more:
            app.read(result)
        assert not any(name in otel.attributes for name in QUIET)
        otel.clear()


def test_an_answer_out_of_the_cache_is_marked_and_costs_nothing(otel: Telemetry, app: App, provider: Provider) -> None:
    """Whole; the first one was paid for."""
    litellm.cache = litellm.Cache()
    replay(app, provider, app.client.completion, "openai/chat.json", **ASKED, caching=True)
    app.call(app.client.completion, **ASKED, caching=True)
    first, second = (span.attributes or {} for span in otel.spans)
    assert (first[semconv.COST_STATUS], first[semconv.USAGE_INPUT]) == ("exact", 1200)
    assert (second[semconv.COST_STATUS], second[semconv.COST], second[semconv.CACHE_OUTCOME]) == ("cached", 0.0, "hit")
    assert semconv.USAGE_INPUT not in second
    assert len(provider.requests) == 1


def test_a_stream_out_of_the_cache(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its chunks are made of the answer that was kept; which LiteLLM does after the last one, elsewhere."""
    litellm.cache = litellm.Cache()
    asked = {**ASKED, "caching": True}
    replay(app, provider, app.client.completion, "openai/chat_stream.sse", **asked)
    until = time.monotonic() + PATIENCE_S
    while not litellm.cache.cache.cache_dict and time.monotonic() < until:
        app.settle()
    chunks = app.read(app.call(app.client.completion, **asked, stream=True))
    found = otel.spans[-1].attributes or {}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("The lighthouse")
    assert (found[semconv.COST_STATUS], found[semconv.CACHE_OUTCOME]) == ("cached", "hit")
    assert not {semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.USAGE_ESTIMATED} & set(found)
    assert len(provider.requests) == 1


def test_its_own_price_where_we_have_none(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app told LiteLLM what its own model costs: whole and streamed."""
    asked = {**ASKED, "model": "openai/house-model", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    body = files.body("openai/chat.json").replace(b"gpt-4o-mini-2024-07-18", b"house-model-2")
    stream = [
        one.replace(b"gpt-4o-mini-2024-07-18", b"house-model-2") for one in files.events("openai/chat_stream.sse")
    ]
    for reply, more in ((whole(body), {}), (sse(stream), {"stream": True})):
        provider.reply(reply)
        result = app.call(app.client.completion, **asked, **more)
        if more:
            app.read(result)
        found = otel.attributes
        assert (found[semconv.COST_SOURCE], found[semconv.COST_STATUS]) == ("provider", "approximate")
        assert found[semconv.COST] == pytest.approx(1200e-6 + 100e-6)
        otel.clear()


def test_retries_inside_a_call_are_that_call(otel: Telemetry, app: App, provider: Provider) -> None:
    """`num_retries` and `fallbacks` of a call: one span, of whoever answered."""
    provider.reply(whole(files.body("openai/error_500.json"), status=500), whole(files.body("openai/chat.json")))
    app.call(app.client.completion, **ASKED, num_retries=1)
    assert otel.attributes[semconv.USAGE_INPUT] == 1200
    assert len(provider.requests) == 2


def test_each_fallback_of_a_call_is_a_call(otel: Telemetry, app: App, provider: Provider) -> None:
    """As a router's: each is of another provider's model."""
    provider.reply(whole(files.body("openai/error_500.json"), status=500), whole(files.body("groq/chat.json")))
    with otel.tracer.start_as_current_span("request") as above:
        app.call(app.client.completion, **ASKED, fallbacks=[LLAMA])
    told = [(span.attributes or {}).get(semconv.PROVIDER) for span in otel.spans]
    assert told == ["openai", "groq"]
    assert [(span.attributes or {}).get(semconv.USAGE_INPUT) for span in otel.spans] == [None, 1200]
    if app.kind == "async":  # a sync one goes to a loop in another thread, which has not our context
        assert {span.parent.span_id for span in otel.spans if span.parent} == {above.get_span_context().span_id}


def test_a_stream_that_breaks(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app gets LiteLLM's error; the span says that it broke."""
    provider.reply(sse([*files.events("openai/chat_stream.sse")[:4], CUT]))
    stream = app.call(app.client.completion, **ASKED, stream=True)
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        app.read(stream)
    assert otel.attributes[semconv.STREAM_END] == "broken"
    assert otel.attributes[semconv.ERROR_TYPE] == "litellm.exceptions.MidStreamFallbackError"


def test_no_key_is_written(otel: Telemetry, app: App, provider: Provider) -> None:
    """Of the arguments; a short hash of it is."""
    otel.instrument(capture="full")
    replay(app, provider, app.client.completion, "openai/chat.json", **ASKED)
    assert "sk-test-litellm" not in otel.everything()
    assert len(str(otel.attributes[semconv.KEY])) == 8


@pytest.mark.parametrize(
    ("model", "file", "status", "kind"),
    [
        (GPT, "openai/error_429.json", 429, "rate_limit_exceeded"),
        (GPT, "openai/error_401.json", 401, "invalid_api_key"),
        (GPT, "openai/error_quota.json", 429, "insufficient_quota"),
        ("anthropic/claude-sonnet-4-6", "anthropic/error_529.json", 529, "529"),
    ],
)
def test_errors(otel: Telemetry, app: App, provider: Provider, model: str, file: str, status: int, kind: str) -> None:
    """By the provider's word where LiteLLM's error was made of one that has it; the app gets LiteLLM's."""
    provider.reply(whole(files.body(file), status=status))
    with pytest.raises(Exception) as caught:  # noqa: PT011  its class is LiteLLM's
        app.call(app.client.completion, **{**ASKED, "model": model})
    assert type(caught.value).__module__.startswith("litellm")
    assert otel.attributes[semconv.ERROR_TYPE] == kind


def test_the_error_is_that_of_the_last_attempt(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """It was raised while LiteLLM handled the one before. (Async, LiteLLM itself raises the first one's.)"""
    for status in (529, 429):
        provider.reply(whole(files.body(f"anthropic/error_{status}.json"), status=status))
    with pytest.raises(litellm.RateLimitError):
        sync_app.call(sync_app.client.completion, **{**ASKED, "model": "anthropic/claude-sonnet-4-6"}, num_retries=1)
    assert otel.attributes[semconv.ERROR_TYPE] == "429"


def test_a_stream_that_is_dropped(otel: Telemetry, app: App, provider: Provider) -> None:
    """It is LiteLLM's own object until then."""
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    stream = app.call(app.client.completion, **ASKED, stream=True)
    assert type(stream) is litellm.CustomStreamWrapper
    app.take(stream, 3)
    del stream
    _wait(app, otel)
    assert (otel.attributes[semconv.STREAM_END], otel.attributes[semconv.STREAM_CHUNKS]) == ("abandoned", 3)
    assert otel.attributes[semconv.USAGE_ESTIMATED] is True


def _wait(app: App, otel: Telemetry) -> None:
    """LiteLLM's thread for logs holds a stream for as long as it writes of its last chunk."""
    until = time.monotonic() + PATIENCE_S
    while not otel.spans and time.monotonic() < until:
        app.settle()
        gc.collect()


def test_a_stream_that_is_closed(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Sync ones have no close."""
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    stream = async_app.call(async_app.client.completion, **ASKED, stream=True)
    async_app.take(stream, 3)
    async_app.call(stream.aclose)
    assert otel.attributes[semconv.STREAM_END] == "closed"


class _Louder(litellm.CustomStreamWrapper):
    """Of a class that reads by the one that it is made of, as LiteLLM's own for some providers do."""

    def __next__(self) -> Any:
        return super().__next__()

    async def __anext__(self) -> Any:
        return await super().__anext__()


def test_a_chunk_counts_once(otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the classes of a stream are watched."""
    replay(app, provider, app.client.completion, "openai/chat_stream.sse", **ASKED)
    otel.clear()
    monkeypatch.setattr("litellm.llms.openai.openai.CustomStreamWrapper", _Louder)
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    stream = app.call(app.client.completion, **ASKED, stream=True)
    assert type(stream) is _Louder
    chunks = app.read(stream)
    assert otel.attributes[semconv.STREAM_CHUNKS] == len(chunks)


def _router(url: str, **more: Any) -> Any:
    def deployment(name: str, model: str) -> dict[str, Any]:
        return {
            "model_name": name,
            "litellm_params": {"model": model, "api_base": url, "api_key": "sk", "max_retries": 0},
        }

    return litellm.Router(model_list=[deployment("first", GPT), deployment("second", LLAMA)], num_retries=0, **more)


def test_each_attempt_of_a_router_is_a_call(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The refused one and the one of the fallback: each was sent, and each is a span."""
    router = _router(provider.url, fallbacks=[{"first": ["second"]}])
    provider.reply(whole(files.body("openai/error_429.json"), status=429), whole(files.body("groq/chat.json")))
    router.completion(model="first", messages=ASKED["messages"])
    told = [
        ((it.attributes or {})[semconv.PROVIDER], (it.attributes or {}).get(semconv.ERROR_TYPE)) for it in otel.spans
    ]
    assert told == [("openai", "rate_limit_exceeded"), ("groq", None)]


def test_a_router_async(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Streamed; a router made before us too."""
    otelllm.uninstrument()
    router = _router(provider.url)
    otel.instrument()
    provider.reply(sse(files.events("groq/chat_stream_usage.sse")))
    stream = async_app.call(router.acompletion, model="second", messages=ASKED["messages"], stream=True)
    async_app.read(stream)
    assert (otel.attributes[semconv.PROVIDER], otel.attributes[semconv.USAGE_OUTPUT]) == ("groq", 50)


def test_a_function_that_was_imported_before_us(otel: Telemetry, app: App, provider: Provider) -> None:
    """`from litellm import completion`, then `instrument()`."""
    otelllm.uninstrument()
    early = {"sync": litellm.completion, "async": litellm.acompletion}[app.kind]
    otel.instrument()
    provider.reply(whole(files.body("openai/chat.json")))
    app.call(early, **ASKED, api_base=provider.url, api_key="sk")
    assert otel.attributes[semconv.USAGE_INPUT] == 1200


def test_arguments_without_names(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """As LiteLLM's own examples write them."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("openai/chat.json")))
    litellm.completion(GPT, ASKED["messages"], api_base=provider.url, api_key="sk")
    assert otel.span.name == "chat gpt-4o-mini"
    assert otel.messages(semconv.INPUT_MESSAGES)[0]["parts"][0]["content"] == "When was the lighthouse lit?"


KILL = {"kill": [{"when": {"provider": "openai"}, "answer": "Back soon."}]}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_static_answer(otel: Telemetry, app: App, streamed: bool) -> None:
    """In LiteLLM's own types, and nothing is sent or charged."""
    otel.instrument(policy=KILL)
    result = app.call(app.client.completion, **ASKED, stream=streamed)
    if streamed:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in app.read(result))
    else:
        text = result.choices[0].message.content
    assert text == "Back soon."
    assert otel.attributes[semconv.VERDICT] == "block"
    assert not any(name in otel.attributes for name in QUIET)


def _told(thing: Any) -> Any:
    dumped = thing.model_dump()
    dumped.pop("created", None)  # the second in which LiteLLM made it
    return type(thing), dumped


@pytest.mark.parametrize("file", ["openai/chat.json", "openai/chat_stream.sse", "openai/chat_stream_tools.sse"])
def test_nothing_changes_for_the_app(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """Answers, chunks and what is sent are as without us."""
    otelllm.uninstrument()
    bare = [_told(one) for one in replay(app, provider, app.client.completion, file, **ASKED)]
    otel.instrument(capture="full")
    assert [_told(one) for one in replay(app, provider, app.client.completion, file, **ASKED)] == bare
    first, second = provider.requests
    assert (first.path, first.headers, first.body) == (second.path, second.headers, second.body)


def test_an_error_is_the_same_error(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its type, text, status and where it was raised."""
    told = []
    for is_on in (False, True):
        otelllm.uninstrument()
        if is_on:
            otel.instrument()
        provider.reply(whole(files.body("openai/error_429.json"), status=429))
        with pytest.raises(litellm.RateLimitError) as caught:
            app.call(app.client.completion, **ASKED)
        error = caught.value
        told.append((type(error), str(error), error.status_code, caught.traceback[-1].name, type(error.__context__)))
    assert told[0] == told[1]
