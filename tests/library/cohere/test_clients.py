"""Every client and every way to a method: old clients, raw views, batches in threads, the clouds' clients."""

from __future__ import annotations

import base64
import contextlib
import gc
import inspect
import json
import types
from typing import TYPE_CHECKING, Any

import cohere
import httpx
import pytest
from opentelemetry import trace
from wire import files
from wire.server import Gate, Reply, sse, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION, AsyncApp, LegacyAsyncApp, LegacySyncApp, SyncApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry
    from wire.server import Provider, Request

    from .app import App

EVENTS = files.events("cohere/chat_stream.sse")
EMBEDDER = "embed-v4.0"
ASKED: dict[str, Any] = {"model": MODEL, "messages": QUESTION}


@pytest.fixture(params=[LegacySyncApp, LegacyAsyncApp], ids=["sync", "async"])
def legacy_app(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Any]:
    """An app of version 1 of the API."""
    it = request.param(provider.url)
    yield it
    it.stop()


def test_a_client_and_methods_from_before_us(otel: Telemetry, app: App, provider: Provider) -> None:
    """The client bound its methods when it was built, and the app took one of them, too."""
    otelllm.uninstrument()
    older = type(app)(provider.url)
    bound = older.client.chat
    otel.instrument()
    provider.reply(whole(files.body("cohere/chat.json")), sse(EVENTS))
    older.call(bound, **ASKED)
    older.read(older.call(older.client.chat_stream, **ASKED))
    assert [it.name for it in otel.spans] == [f"chat {MODEL}"] * 2
    older.stop()


def test_version_2_of_an_older_client(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """`client.v2` and `client.chat` side by side."""
    provider.reply(whole(files.body("cohere/chat.json")), whole(files.body("cohere/v1_chat.json")))
    legacy_app.call(legacy_app.client.v2.chat, **ASKED)
    legacy_app.call(legacy_app.client.chat, message="Skagen?")
    assert [it.name for it in otel.spans] == [f"chat {MODEL}", "chat"]


def test_raw_views(otel: Telemetry, app: App, provider: Provider) -> None:
    """Headers and data, as the SDK gives them."""
    provider.reply(whole(files.body("cohere/chat.json")))
    raw = app.call(app.client.with_raw_response.chat, **ASKED)
    assert (raw.headers["x-request-id"], raw.data.id) == ("req_wire", otel.attributes[semconv.RESPONSE_ID])
    assert otel.attributes[semconv.PROVIDER_REQUEST_ID] == "req_wire"


@pytest.mark.parametrize("count", [2, None], ids=["left", "read"])
def test_raw_streams(otel: Telemetry, app: App, provider: Provider, count: int | None) -> None:
    """A manager, whose data may be read to the end or left."""
    provider.reply(sse(EVENTS) if count is None else sse(EVENTS[:3], Gate()))
    manager = app.client.with_raw_response.chat_stream(**ASKED)
    assert provider.requests == []

    def read(raw: Any) -> Any:
        assert raw.headers["content-type"] == "text/event-stream"
        if app.kind == "async":
            return _taken(raw.data, count)
        return [next(raw.data) for _ in range(count or len(EVENTS))]

    chunks = app.within(manager, read)
    assert len(chunks) == (count or len(EVENTS))
    kind = contextlib.AbstractContextManager if app.kind == "sync" else contextlib.AbstractAsyncContextManager
    assert isinstance(manager, kind)
    app.settle()
    # Read to the last event, but not to the end that comes after it.
    assert otel.attributes[semconv.STREAM_END] == "closed"
    assert (semconv.USAGE_INPUT in otel.attributes) is True
    assert (otel.attributes.get(semconv.USAGE_ESTIMATED) is True) is (count is not None)


async def _taken(data: Any, count: int | None) -> list[Any]:
    return [await anext(data) for _ in range(count or len(EVENTS))]


def test_a_stream_is_lazy_and_the_sdks_own(otel: Telemetry, app: App, provider: Provider) -> None:
    """A generator of the SDK's, which sends nothing and is no call before it is read."""
    stream = app.client.chat_stream(**ASKED)
    assert type(stream) is (types.GeneratorType if app.kind == "sync" else types.AsyncGeneratorType)
    assert stream.__qualname__.endswith("V2Client.chat_stream")
    del stream
    app.settle()
    assert (provider.requests, otel.spans) == ([], [])


def test_throwing_into_a_stream(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """As bare: the SDK takes an exception at its own `yield` for a bad event, logs it and goes on."""
    provider.reply(sse(EVENTS))
    stream = sync_app.client.chat_stream(**ASKED)
    next(stream)
    assert stream.throw(RuntimeError("the app's own")).type == "content-start"
    stream.close()
    assert otel.attributes[semconv.STREAM_END] == "closed"


def test_a_stream_that_another_generator_reads(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """Dropped by the app's own generator, which was collected: nobody closed it."""
    provider.reply(sse(EVENTS[:3], Gate()))

    async def tokens() -> Any:
        async for chunk in async_app.client.chat_stream(**ASKED):
            yield chunk

    async def go() -> None:
        reader = tokens()
        await anext(reader)
        del reader
        gc.collect()

    async_app.runner.run(go())
    async_app.settle()
    gc.collect()
    async_app.settle()
    assert otel.attributes[semconv.STREAM_END] == "abandoned"


def _embedded(request: Request) -> Reply:
    texts = request.json["texts"]
    meta = {"billed_units": {"input_tokens": float(len(texts))}}
    body = {"id": f"e{len(texts)}", "response_type": "embeddings_floats", "texts": texts, "meta": meta}
    return whole({**body, "embeddings": [[0.5, 0.25]] * len(texts)})


def test_older_embeddings_are_one_call(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """200 texts are three requests in threads of a pool, and one span with what all of them read."""
    otel.instrument(capture="full")
    provider.always = _embedded
    texts = [f"text {number}" for number in range(200)]
    with otel.tracer.start_as_current_span("app") as above:
        answer = legacy_app.call(legacy_app.client.embed, texts=texts, model=EMBEDDER, input_type="search_document")
    assert (len(provider.requests), len(answer.embeddings)) == (3, 200)
    assert otel.span.name == f"embeddings {EMBEDDER}"
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == above.get_span_context().span_id
    assert otel.attributes[semconv.USAGE_INPUT] == 200
    assert otel.attributes[semconv.RESPONSE_ID] == answer.id
    assert len(otel.messages(semconv.INPUT_MESSAGES)) == 200


def test_older_embeddings_without_batches(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """One request, one span; the same by the raw view."""
    provider.always = _embedded
    legacy_app.call(legacy_app.client.embed, texts=["Skagen"], model=EMBEDDER, batching=False)
    legacy_app.call(legacy_app.client.with_raw_response.embed, texts=["Skagen"], model=EMBEDDER)
    assert [it.name for it in otel.spans] == [f"embeddings {EMBEDDER}"] * 2
    assert [it.attributes[semconv.USAGE_INPUT] for it in otel.spans if it.attributes] == [1, 1]


def test_embeddings_that_come_batch_by_batch(otel: Telemetry, provider: Provider) -> None:
    """A newer method: each of its requests is a call, made when its batch is read."""
    app = LegacySyncApp(provider.url)
    if not hasattr(app.client, "embed_stream"):
        pytest.skip("not in this version")
    provider.always = _embedded
    given = app.client.embed_stream(texts=["a", "b", "c"], model=EMBEDDER, batch_size=2)
    assert [next(given).text, len(otel.spans)] == ["a", 1]
    assert len(list(given)) == 2
    assert [it.attributes[semconv.USAGE_INPUT] for it in otel.spans if it.attributes] == [2, 1]
    app.stop()


def test_older_embeddings_switched_off(otel: Telemetry, legacy_app: Any, provider: Provider) -> None:
    """Refused before the first batch goes out."""
    otel.instrument(policy={"kill": [{"when": {"provider": "cohere"}, "answer": "Back soon."}]})
    with pytest.raises(otelllm.KillSwitchOn):
        legacy_app.call(legacy_app.client.embed, texts=["Skagen"] * 200, model=EMBEDDER)
    assert provider.requests == []


def test_retries_are_the_same_call(otel: Telemetry, make_app: Any, provider: Provider) -> None:
    """A refusal and an answer: one span."""
    if "max_retries" not in inspect.signature(cohere.Client.__init__).parameters:
        pytest.skip("this version retries nothing here, bare as well")
    busy = Reply(body=files.body("cohere/error_429.json"), status=429, headers={"retry-after-ms": "1"})
    provider.reply(busy, whole(files.body("cohere/chat.json")))
    app = make_app()
    app.call(app.client.chat, **ASKED, request_options={"max_retries": 2})
    assert len(provider.requests) == 2
    assert otel.attributes[semconv.USAGE_INPUT] == 1200


@pytest.mark.parametrize("status", [400, 401, 429])
def test_errors(otel: Telemetry, app: App, provider: Provider, status: int) -> None:
    """By the provider's status, with the request's id; what it says is content, a key may be in it."""
    provider.reply(whole(files.body(f"cohere/error_{status}.json"), status=status, x_debug_trace_id="trace-1"))
    with pytest.raises(cohere.core.ApiError):
        app.call(app.client.chat, **ASKED, request_options={"max_retries": 0})
    assert otel.attributes[semconv.ERROR_TYPE] == str(status)
    assert otel.attributes[semconv.PROVIDER_REQUEST_ID] == "req_wire"
    assert "co-secret" not in otel.everything()
    assert "command-x" not in otel.everything()


def test_the_key_and_the_trace_context(otel: Telemetry, app: App, provider: Provider) -> None:
    """The key as a short hash; trace context in the request where it is asked for, below the app's own headers."""
    otel.instrument(propagate=True)
    provider.reply(whole(files.body("cohere/chat.json")), sse(EVENTS))
    app.call(app.client.chat, **ASKED, request_options={"additional_headers": {"x-own": "1"}})
    app.read(app.call(app.client.chat_stream, **ASKED))
    ids = [f"{it.context.trace_id:032x}" for it in otel.spans if it.context]
    assert [it.headers["traceparent"].split("-")[1] for it in provider.requests] == ids
    assert provider.requests[0].headers["x-own"] == "1"
    assert "co-test" not in otel.everything()


def test_a_key_that_is_fetched(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """A callable is asked by the SDK alone: not by us, and not for an answer that is here already."""
    asked: list[int] = []

    def key() -> str:
        asked.append(1)
        return "co-fetched"

    app = SyncApp(provider.url, api_key=key)
    provider.reply(whole(files.body("cohere/chat.json")))
    app.client.chat(**ASKED)
    assert len(asked) == 1
    otel.instrument(policy={"kill": [{"when": {"provider": "cohere"}, "answer": "Back soon."}]})
    assert app.client.chat(**ASKED).message.content[0].text == "Back soon."
    assert "".join(_text(one) for one in app.client.chat_stream(**ASKED)) == "Back soon."
    assert len(asked) == 1
    app.stop()


def _text(event: Any) -> str:
    return event.delta.message.content.text if event.type == "content-delta" else ""


def test_the_request_goes_out_under_our_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """Also where the first read sends it: an HTTP instrumentation's span goes below ours."""
    seen: list[int] = []
    build = app.http.build_request

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return build(*args, **kwargs)

    app.http.build_request = watched
    provider.reply(whole(files.body("cohere/chat.json")), sse(EVENTS))
    app.call(app.client.chat, **ASKED)
    app.read(app.call(app.client.chat_stream, **ASKED))
    assert seen == [it.context.span_id for it in otel.spans if it.context]


class _ToLoopback(httpx.HTTPTransport):
    """Sends what was meant for a cloud to the test's provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.hosts: list[str] = []
        self._port = provider.port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


@pytest.fixture
def aws(provider: Provider) -> Iterator[Callable[[str], tuple[Any, _ToLoopback]]]:
    """Makes clients of Amazon's clouds, by the names of their classes."""
    pytest.importorskip("boto3")
    made: list[httpx.Client] = []

    def make(kind: str) -> tuple[Any, _ToLoopback]:
        client = getattr(cohere, kind)(aws_access_key="a", aws_secret_key="s", aws_region="eu-west-1")
        http = client._client_wrapper.httpx_client.httpx_client
        made.append(http)
        http._transport.close()
        http._transport = transport = _ToLoopback(provider)
        return client, transport

    yield make
    for http in made:
        http.close()


def test_bedrock(otel: Telemetry, aws: Any, provider: Provider) -> None:
    """Its clients sign and send with hooks of their HTTP client; tokens are in the answer's headers."""
    client, transport = aws("BedrockClient")
    counts = {"x_amzn_bedrock_input_token_count": "11", "x_amzn_bedrock_output_token_count": "4"}
    body = {"text": "In 1858.", "generation_id": "g", "finish_reason": "COMPLETE"}
    provider.reply(whole(body, **counts), whole(body))
    client.chat(message="Skagen?", model="cohere.command-r-v1:0")
    client.chat(message="Skagen?", model="cohere.command-r-v1:0")
    first, second = (it.attributes or {} for it in otel.spans)
    assert (first[semconv.PROVIDER], first[semconv.SERVER_ADDRESS]) == ("aws.bedrock", transport.hosts[0])
    assert first[semconv.SERVER_PORT] == 443
    assert (first[semconv.USAGE_INPUT], first[semconv.USAGE_OUTPUT]) == (11, 4)
    assert semconv.USAGE_INPUT not in second  # the SDK says -1 where it was not told


def test_bedrock_streams(otel: Telemetry, aws: Any, provider: Provider) -> None:
    """Events of Amazon's own kind, which the SDK turns into those of version 1."""
    client, _ = aws("BedrockClient")
    events = [json.loads(line) for line in files.lines("cohere/v1_chat_stream_bedrock.ndjson")]
    lines = [b"\x00:event" + json.dumps({"bytes": base64.b64encode(json.dumps(it).encode()).decode()}).encode() + b"\n"
             for it in events]  # fmt: skip
    provider.reply(Reply(steps=lines, content_type="application/vnd.amazon.eventstream"))
    texts = [it.text for it in client.chat_stream(message="Skagen?", model="c") if it.event_type == "text-generation"]
    assert texts == ["In 1858."]
    found = otel.attributes
    assert (found[semconv.PROVIDER], found[semconv.STREAM_END]) == ("aws.bedrock", "complete")
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (11, 4)


@pytest.mark.parametrize(
    ("kind", "owner"),
    [("BedrockClientV2", "aws.bedrock"), ("SagemakerClient", "aws.sagemaker"), ("SagemakerClientV2", "aws.sagemaker")],
)
def test_other_clients_of_amazon(otel: Telemetry, aws: Any, provider: Provider, kind: str, owner: str) -> None:
    """Whose service it is, and where, as the SDK's own hook decides it."""
    client, transport = aws(kind)
    legacy = {"text": "In 1858.", "generation_id": "g", "finish_reason": "COMPLETE"}
    asked = ASKED if kind.endswith("V2") else {"message": "Skagen?", "model": "m"}
    body = files.edited("cohere/chat.json", usage=None) if kind.endswith("V2") else legacy
    provider.reply(whole(body, x_amzn_bedrock_input_token_count="11", x_amzn_bedrock_output_token_count="4"))
    client.chat(**asked)
    assert (otel.attributes[semconv.PROVIDER], otel.attributes[semconv.SERVER_ADDRESS]) == (owner, transport.hosts[0])
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (11, 4)


def test_a_static_answer_of_a_client_of_amazon(otel: Telemetry, aws: Any) -> None:
    """Nothing is signed, nothing is sent."""
    client, transport = aws("BedrockClient")
    otel.instrument(policy={"kill": [{"when": {"provider": "aws.bedrock"}, "answer": "Back soon."}]})
    assert client.chat(message="Skagen?", model="c").text == "Back soon."
    streamed = [it.text for it in client.chat_stream(message="?", model="c") if it.event_type == "text-generation"]
    assert streamed == ["Back soon."]
    assert transport.hosts == []


def test_the_wrappers_keep_their_names(otel: Telemetry) -> None:
    """They pickle by their names, as functions of the class do."""
    from cohere.v2 import raw_client

    for name in ("chat", "chat_stream", "embed", "rerank"):
        assert getattr(raw_client.RawV2Client, name).__qualname__ == f"RawV2Client.{name}"
