"""What was asked, in every way of asking: parameters, messages, tools, and the module's own functions."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import inspect
import subprocess
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import ollama
import pytest
from ollama import chat as bound_early
from opentelemetry import trace
from wire import files
from wire.server import Gate, ndjson, whole

import otelllm
from otelllm import semconv

from .app import MODEL, QUESTION

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, AsyncApp, SyncApp

STREAM = files.lines("ollama/chat_stream.ndjson")
PNG = b"\x89PNG\r\n\x1a\n picture"
PICTURE = {
    "type": "blob", "mime_type": "image/png", "modality": "image", "size": len(PNG),
    "sha256": hashlib.sha256(PNG).hexdigest(),
}  # fmt: skip


def get_weather(city: str, days: int = 1) -> str:
    """How the weather is.

    Args:
      city: Where.
      days: For how long.
    """
    return f"windy in {city} for {days}"


def test_parameters(otel: Telemetry, app: App, provider: Provider) -> None:
    """By the conventions' names; only what the app set."""
    provider.reply(whole(files.body("ollama/chat.json")), whole(files.body("ollama/chat.json")))
    options = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7, "stop": ["END"], "num_predict": 100,
               "presence_penalty": 0.1, "frequency_penalty": 0.2, "num_ctx": 4096}  # fmt: skip
    app.call(app.client.chat, model=MODEL, messages=QUESTION, options=options, format="json")
    found = otel.attributes
    expected = {
        semconv.REQUEST_TEMPERATURE: 0.5, semconv.REQUEST_TOP_P: 0.9, semconv.REQUEST_TOP_K: 40.0,
        semconv.REQUEST_SEED: 7, semconv.REQUEST_STOP_SEQUENCES: ("END",), semconv.REQUEST_MAX_TOKENS: 100,
        semconv.REQUEST_PRESENCE_PENALTY: 0.1, semconv.REQUEST_FREQUENCY_PENALTY: 0.2, semconv.OUTPUT_TYPE: "json",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    otel.clear()
    app.call(app.client.chat, model=MODEL, messages=QUESTION, options={"num_predict": -1})
    assert [name for name in otel.attributes if name.startswith("gen_ai.request.")] == [semconv.REQUEST_MODEL]


@pytest.mark.parametrize(("think", "level"), [(True, "enabled"), (False, "disabled"), ("high", "high"), (None, None)])
def test_thinking(otel: Telemetry, sync_app: SyncApp, provider: Provider, think: Any, level: str | None) -> None:
    """A switch, or a level."""
    if "think" not in inspect.signature(ollama.Client.chat).parameters:
        pytest.skip("not in this version")
    provider.reply(whole(files.body("ollama/chat.json")))
    sync_app.client.chat(MODEL, QUESTION, think=think)
    assert otel.attributes.get(semconv.REQUEST_REASONING_LEVEL) == level


def test_messages_and_tools(otel: Telemetry, app: App, provider: Provider) -> None:
    """A loop of tools with a picture; functions are described as the SDK describes them."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("ollama/chat_tools.json")))
    call = {"function": {"name": "get_weather", "arguments": {"city": "Skagen"}}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "And here?", "images": [PNG]},
        ollama.Message(role="assistant", content="", tool_calls=[ollama.Message.ToolCall(**call)]),
        {"role": "tool", "content": "windy", "tool_name": "get_weather"},
    ]
    app.call(app.client.chat, model=MODEL, messages=messages, tools=[get_weather])
    found = otel.messages(semconv.INPUT_MESSAGES)
    result = found[3]["parts"][0]
    assert (result["type"], result["response"]) == ("tool_call_response", "windy")
    assert found[:3] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "And here?"}, PICTURE]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "get_weather", "arguments": {"city": "Skagen"}}],
        },
    ]
    (tool,) = otel.messages(semconv.TOOL_DEFINITIONS)
    assert (tool["type"], tool["name"]) == ("function", "get_weather")
    assert tool["description"].startswith("How the weather is.")
    assert set(tool["parameters"]["properties"]) == {"city", "days"}


def test_a_prompt(otel: Telemetry, app: App, provider: Provider) -> None:
    """Prompt, suffix, pictures and system of a completion."""
    otel.instrument(capture="full")
    provider.reply(whole(files.body("ollama/generate.json")))
    app.call(app.client.generate, model=MODEL, prompt="def f():", suffix="return 1", system="Be brief.", images=[PNG])
    parts = [{"type": "text", "content": "def f():"}, {"type": "text", "content": "return 1"}, PICTURE]
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": parts}]
    assert otel.messages(semconv.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]


def test_nothing_is_kept_where_capture_is_off(otel: Telemetry, app: App, provider: Provider) -> None:
    """Neither of the question nor of the answer."""
    provider.reply(whole(files.body("ollama/chat_tools.json")), ndjson(STREAM))
    app.call(app.client.chat, model=MODEL, messages=QUESTION)
    app.read(app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True))
    assert "Skagen" not in otel.everything()


def test_functions_of_the_module_bound_before_us(
    otel: Telemetry, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`from ollama import chat` is a method of a client made at import, long before anything was patched."""
    client = bound_early.__self__
    monkeypatch.setattr(client._client, "base_url", provider.url.removesuffix("/v1"))
    provider.reply(whole(files.body("ollama/chat.json")), ndjson(STREAM), whole(files.body("ollama/embed.json")))
    bound_early(MODEL, QUESTION)
    list(ollama.chat(MODEL, QUESTION, stream=True))
    ollama.embed("all-minilm", "Skagen")
    client._client._transport.close()
    assert [it.name for it in otel.spans] == [f"chat {MODEL}", f"chat {MODEL}", "embeddings all-minilm"]


def test_a_stream_is_lazy_and_the_sdks_own(otel: Telemetry, app: App, provider: Provider) -> None:
    """A generator, which sends nothing and is no call before it is read."""
    stream = app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True)
    assert type(stream) is (types.GeneratorType if app.kind == "sync" else types.AsyncGeneratorType)
    assert stream.__qualname__.endswith("Client._request.<locals>.inner")
    del stream
    app.settle()
    assert (provider.requests, otel.spans) == ([], [])


def test_throwing_into_a_stream(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The app's own error goes through the SDK's generator and comes back out."""
    provider.reply(ndjson(STREAM[:2], Gate()))
    stream = sync_app.client.chat(MODEL, QUESTION, stream=True)
    next(stream)
    with pytest.raises(RuntimeError, match="the app's own"):
        stream.throw(RuntimeError("the app's own"))
    provider.last.wait_left()
    assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}


def test_throwing_into_an_async_stream(otel: Telemetry, async_app: AsyncApp, provider: Provider) -> None:
    """The same; and a value sent in is let through to where the SDK ignores it."""
    provider.reply(ndjson(STREAM[:3], Gate()))

    async def go() -> None:
        stream = await async_app.client.chat(MODEL, QUESTION, stream=True)
        await anext(stream)
        assert (await stream.asend("ignored")).message.content == "lighthouse "
        with pytest.raises(RuntimeError, match="the app's own"):
            await stream.athrow(RuntimeError("the app's own"))

    async_app.runner.run(go())
    gc.collect()
    async_app.settle()
    assert otel.attributes[semconv.STREAM_END] in {"closed", "abandoned"}


# The loop is closed before the connection is, bare as well.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_the_loop_closes_at_its_end(otel: Telemetry, provider: Provider) -> None:
    """Left behind when the loop shuts down: nobody closed it."""
    provider.reply(ndjson(STREAM[:2], Gate()))
    kept: list[Any] = []

    async def go() -> None:
        client = ollama.AsyncClient(provider.url.removesuffix("/v1"))
        kept.append(await client.chat(MODEL, QUESTION, stream=True))
        await anext(kept[0])

    asyncio.run(go())
    assert otel.attributes[semconv.STREAM_END] == "abandoned"
    kept.clear()
    gc.collect()


def test_the_context_is_that_of_the_call(otel: Telemetry, app: App, provider: Provider) -> None:
    """Not of the first read, which sends: the parent and the scope are those that held when the app asked."""
    provider.reply(ndjson(STREAM))
    with otel.tracer.start_as_current_span("asking") as asking, otelllm.context(feature="search"):
        stream = app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True)
    with otel.tracer.start_as_current_span("reading"):
        app.read(stream)
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == asking.get_span_context().span_id
    assert otel.attributes[semconv.FEATURE] == "search"


def test_a_stream_read_in_another_thread(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """The parent is still that of the call."""
    provider.reply(ndjson(STREAM))
    with otel.tracer.start_as_current_span("asking") as asking:
        stream = sync_app.client.chat(MODEL, QUESTION, stream=True)
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()
    reader.join()
    assert otel.span.parent is not None
    assert otel.span.parent.span_id == asking.get_span_context().span_id


def test_the_request_goes_out_under_our_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """Whichever read sends it: an HTTP instrumentation's span goes below ours; later reads are the app's."""
    seen: list[int] = []
    http = app.client._client
    build = http.build_request

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return build(*args, **kwargs)

    http.build_request = watched
    provider.reply(whole(files.body("ollama/chat.json")), ndjson(STREAM))
    app.call(app.client.chat, model=MODEL, messages=QUESTION)
    app.read(app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True))
    assert seen == [it.context.span_id for it in otel.spans if it.context]


def test_the_trace_context_is_sent_where_asked_for(otel: Telemetry, app: App, provider: Provider) -> None:
    """Among the request's headers."""
    otel.instrument(propagate=True)
    provider.reply(whole(files.body("ollama/chat.json")), ndjson(STREAM))
    app.call(app.client.chat, model=MODEL, messages=QUESTION)
    app.read(app.call(app.client.chat, model=MODEL, messages=QUESTION, stream=True))
    ids = [f"{it.context.trace_id:032x}" for it in otel.spans if it.context]
    assert [it.headers["traceparent"].split("-")[1] for it in provider.requests] == ids


PROGRAM = """
import sys
import otelllm
otelllm.instrument()
assert "ollama" not in sys.modules
import ollama
print(type(ollama.Client())._request.__wrapped__.__qualname__)
"""


def test_patched_when_it_is_imported_later() -> None:
    """The package's attribute `_client` is a client, which hides the module of that name from an import."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("Client._request", 0), done.stderr


def test_the_wrapper_keeps_its_kind(otel: Telemetry) -> None:
    """To inspect, and by its signature."""
    module = sys.modules["ollama._client"]
    assert not inspect.iscoroutinefunction(module.Client._request)
    assert inspect.iscoroutinefunction(module.AsyncClient._request)
    assert list(inspect.signature(module.Client._request).parameters) == ["self", "cls", "args", "stream", "kwargs"]
