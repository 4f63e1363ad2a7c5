"""Every way of reading a body of InvokeModel: the app gets the same bytes as bare, and the span the whole answer."""

from __future__ import annotations

import io
import json
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody
from wire import files
from wire.server import CUT, Gate, Reply, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import AsyncApp, SyncApp

ANSWER = json.dumps(json.loads(files.body("bedrock/invoke.json")), indent=1).encode()
BODY = json.dumps({"anthropic_version": "v", "max_tokens": 9, "messages": [{"role": "user", "content": QUESTION}]})
ASKED = {"modelId": MODEL, "body": BODY}
COUNTS = {"x_amzn_bedrock_input_token_count": "18", "x_amzn_bedrock_output_token_count": "503",
          "x_amzn_bedrock_cache_read_input_token_count": "7000",
          "x_amzn_bedrock_cache_write_input_token_count": "502"}  # fmt: skip


def _in_pieces(body: Any) -> bytes:
    pieces = []
    while piece := body.read(100):
        pieces.append(piece)
    return b"".join(pieces)


def _just_its_length(body: Any) -> bytes:
    return b"".join([body.read(100), body.read(len(ANSWER) - 100)])


def _into(body: Any) -> bytes:
    room = bytearray(64)
    pieces = []
    while size := body.readinto(room):
        pieces.append(bytes(room[:size]))
    return b"".join(pieces)


def _in_with(body: Any) -> bytes:
    with body as raw:
        return raw.read()  # type: ignore[no-any-return]


def _in_with_streamed(body: Any) -> bytes:
    with body as raw:
        return b"".join(raw.stream(50))


def _buffered(body: Any) -> bytes:
    with body as raw:
        return io.TextIOWrapper(raw).read().encode()


SYNC: list[Callable[[Any], bytes]] = [
    lambda body: body.read(),  # type: ignore[no-any-return]
    lambda body: body.read(amt=None),  # type: ignore[no-any-return]
    _in_pieces,
    _just_its_length,
    b"".join,
    lambda body: b"".join(body.iter_chunks(33)),
    lambda body: b"\n".join(body.iter_lines(20)),
    lambda body: b"".join(body.readlines()),
    lambda body: json.dumps(json.load(body), indent=1).encode(),
    _into,
    _in_with,
    _in_with_streamed,
    _buffered,
]


def _check(otel: Telemetry) -> None:
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (7520, 503)
    assert (found[semconv.USAGE_CACHE_READ], found[semconv.USAGE_CACHE_WRITE]) == (7000, 502)
    assert found[semconv.RESPONSE_ID] == "msg_bdrk_01wire"
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert semconv.STREAM_END not in found
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [{"type": "text", "content": "The lighthouse at Skagen was lit in 1858."}]


def _reply(is_chunked: bool) -> Reply:
    headers = {"x-amzn-requestid": "req_1"}
    return Reply(steps=[ANSWER[:77], ANSWER[77:]], headers=headers) if is_chunked else whole(ANSWER)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("read", SYNC, ids=range(len(SYNC)))
def test_read_in_this_way(
    otel: Telemetry, sync_app: SyncApp, provider: Provider, read: Callable[[Any], bytes], is_chunked: bool
) -> None:
    if read is _into and not hasattr(StreamingBody, "readinto"):
        pytest.skip("bodies of this botocore have no readinto")
    otelllm.uninstrument()
    provider.reply(_reply(is_chunked))
    bare = read(sync_app.client.invoke_model(**ASKED)["body"])
    otel.instrument(capture="full")
    provider.reply(_reply(is_chunked))
    body = sync_app.client.invoke_model(**ASKED)["body"]
    assert otel.spans == []
    assert isinstance(body, StreamingBody)
    assert type(body).__name__ == "StreamingBody"
    assert read(body) == bare == ANSWER
    if read is _just_its_length and is_chunked:
        del body  # only then is it known that no more will be read
    _check(otel)


async def _apieces(body: Any) -> bytes:
    pieces = []
    while piece := await body.read(100):
        pieces.append(piece)
    return b"".join(pieces)


async def _aiter(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


async def _alines(body: Any) -> bytes:
    return b"\n".join([line async for line in body.iter_lines(20)])


async def _areadlines(body: Any) -> bytes:
    return b"\n".join(await body.readlines())


async def _awith(body: Any) -> bytes:
    async with body as entered:
        return await entered.read()  # type: ignore[no-any-return]


async def _aread(body: Any) -> bytes:
    return await body.read()  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend now prefers httpx2:DeprecationWarning")
@pytest.mark.parametrize("backend", ["aiohttp", "httpx"])
@pytest.mark.parametrize("read", [_aread, _apieces, _aiter, _alines, _areadlines, _awith])
def test_read_in_this_way_by_async(
    otel: Telemetry, async_app: AsyncApp, provider: Provider, read: Any, backend: str
) -> None:
    """With aiohttp or with httpx below (whose streams aiobotocore 3.10 cannot read yet, with and without us)."""
    client = async_app.client
    if backend == "httpx":
        library = pytest.importorskip("aiobotocore.httpxsession")
        if library.httpx is None or not hasattr(pytest.importorskip("aiobotocore.response"), "AioHttpxStreamingBody"):
            pytest.skip("httpx is not installed, or its bodies have none of these ways yet")
        client = async_app.again(http_session_cls=library.HttpxSession)
    otel.instrument(capture="full")
    provider.reply(whole(ANSWER))

    async def go() -> bytes:
        return await read((await client.invoke_model(**ASKED))["body"])  # type: ignore[no-any-return]

    assert async_app.runner.run(go()) == ANSWER
    _check(otel)


def test_a_body_that_nobody_reads(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """Its headers say what was used; dropped it ends at once, and the connection with it, as bare."""
    provider.reply(Reply(body=ANSWER, headers={name.replace("_", "-"): value for name, value in COUNTS.items()}))
    response = sync_app.client.invoke_model(**ASKED)
    gone = weakref.ref(response["body"]._raw_stream)
    assert otel.spans == []
    del response
    assert gone() is None
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (7520, 503)
    assert otel.attributes[semconv.USAGE_CACHE_READ] == 7000
    assert semconv.RESPONSE_FINISH_REASONS not in otel.attributes
    assert semconv.ERROR_TYPE not in otel.attributes


def test_a_body_that_is_closed_in_the_middle(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    provider.reply(whole(ANSWER, **COUNTS))
    body = sync_app.client.invoke_model(**ASKED)["body"]
    body.read(10)
    body.close()
    assert otel.attributes[semconv.USAGE_OUTPUT] == 503
    assert semconv.ERROR_TYPE not in otel.attributes


def test_the_answers_time_is_that_of_the_call(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """It is whole at the provider's when the call returns; how long the app waits before it reads is not its time."""
    provider.reply(whole(ANSWER))
    started = time.perf_counter()
    body = sync_app.client.invoke_model(**ASKED)["body"]
    called_s = time.perf_counter() - started
    while time.perf_counter() - started < called_s + 0.05:
        pass
    body.read()
    (point,) = otel.metrics()[semconv.METRIC_DURATION]
    assert point.sum <= called_s
    span = otel.span
    assert span.start_time is not None
    assert span.end_time is not None
    assert 0 < span.end_time - span.start_time <= called_s * 1e9 + 1e6


def test_a_body_that_breaks(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The app is raised botocore's own error; the span says which."""
    from botocore import exceptions

    gate = Gate()
    provider.reply(Reply(steps=[ANSWER[:30], gate, CUT]))
    body = sync_app.client.invoke_model(**ASKED)["body"]
    gate.open()
    with pytest.raises(exceptions.ResponseStreamingError):
        body.read()
    assert otel.attributes[semconv.ERROR_TYPE] == "botocore.exceptions.ResponseStreamingError"


def test_a_body_that_is_no_json(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    provider.reply(whole(b"{not json", **COUNTS), whole(b"", **COUNTS), whole(b"[1, 2]", **COUNTS))
    otelllm.safely.strict(False)
    for expected in (b"{not json", b"", b"[1, 2]"):
        otel.clear()
        assert sync_app.client.invoke_model(**ASKED)["body"].read() == expected
        assert otel.attributes[semconv.USAGE_OUTPUT] == 503


@pytest.mark.parametrize(
    "body",
    [BODY, BODY.encode(), bytearray(BODY.encode()), io.BytesIO(BODY.encode())],
    ids=["str", "bytes", "bytearray", "file"],
)
def test_what_is_sent_is_read_and_left_whole(otel: Telemetry, sync_app: SyncApp, provider: Provider, body: Any) -> None:
    otel.instrument(capture="full")
    provider.reply(whole(ANSWER))
    sync_app.client.invoke_model(modelId=MODEL, body=body)["body"].read()
    assert provider.last.body.decode() == BODY
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    assert otel.attributes[semconv.REQUEST_MAX_TOKENS] == 9


@pytest.mark.parametrize("body", [b"not json", b"", b"[]", None], ids=["no json", "empty", "a list", "none"])
def test_a_body_that_says_nothing(otel: Telemetry, sync_app: SyncApp, provider: Provider, body: Any) -> None:
    """A call all the same: the model, the counts and the request's id."""
    provider.reply(whole(b"{}", **COUNTS, x_amzn_requestid="req_1"))
    asked = {"modelId": "arn:aws:bedrock:us-east-1:1:provisioned-model/x"} | (
        {"body": body} if body is not None else {}
    )
    sync_app.client.invoke_model(**asked)["body"].read()
    found = otel.attributes
    assert (found[semconv.USAGE_INPUT], found[semconv.PROVIDER_REQUEST_ID]) == (7520, "req_1")
