"""The real SDK on both sides: one span a request each, in one trace, whatever carries it."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import mcp
import mcp.shared._otel as their_otel
import pytest
import uvicorn
from mcp import Client, MCPError, StdioServerParameters
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import otelllm

from . import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
MODES = ("auto", "legacy")
"""A direct call in this process, and JSON-RPC over memory streams after a handshake."""


def _named(otel: Telemetry, name: str) -> tuple[ReadableSpan, ReadableSpan]:
    """The client's and the server's one span of that name."""
    spans = {span.kind: span for span in otel.spans if span.name == name}
    assert len([span for span in otel.spans if span.name == name]) == 2
    return spans[SpanKind.CLIENT], spans[SpanKind.SERVER]


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_call(otel: Telemetry, mode: str) -> None:
    """Both sides name the tool; the server's span is the client's child, that the app's."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        otel.clear()
        with otel.tracer.start_as_current_span("app") as app:
            result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content == {"result": 3}
    sent, received = _named(otel, "tools/call add")
    assert sent.parent is not None
    assert sent.parent.span_id == app.get_span_context().span_id
    assert received.parent is not None
    assert received.parent.span_id == _id(sent)
    for span in (sent, received):
        attributes = _attributes(span)
        assert attributes["mcp.method.name"] == "tools/call"
        assert attributes["gen_ai.operation.name"] == "execute_tool"
        assert attributes["gen_ai.tool.name"] == "add"
        assert attributes["mcp.protocol.version"] == ("2026-07-28" if mode == "auto" else "2025-11-25")
        assert "network.transport" not in attributes
        assert "gen_ai.tool.call.arguments" not in attributes
        assert span.status.status_code is StatusCode.UNSET
    if mode == "legacy":
        assert _attributes(sent)["jsonrpc.request.id"] == _attributes(received)["jsonrpc.request.id"]


@pytest.mark.parametrize("mode", MODES)
async def test_content(otel: Telemetry, mode: str) -> None:
    """Arguments and result, where content is kept; the structured result rather than its text."""
    otel.instrument(capture="full")
    async with Client(served.make_server(), mode=mode) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
    for span in _named(otel, "tools/call add"):
        attributes = _attributes(span)
        assert json.loads(attributes["gen_ai.tool.call.arguments"]) == {"a": 1, "b": 2}
        assert json.loads(attributes["gen_ai.tool.call.result"]) == {"result": 3}


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_that_fails(otel: Telemetry, mode: str) -> None:
    """`isError` is an error of its own kind, its text content."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        result = await client.call_tool("fail", {})
    assert result.is_error
    for span in _named(otel, "tools/call fail"):
        assert _attributes(span)["error.type"] == "tool_error"
        assert span.status.status_code is StatusCode.ERROR
    assert "Error executing" not in otel.everything()


@pytest.mark.parametrize("mode", MODES)
async def test_an_error_of_the_protocol(otel: Telemetry, mode: str) -> None:
    """Its code is the error's type; the app gets the SDK's own error."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.get_prompt("nothing", {})
    code = str(raised.value.error.code)
    sent, _ = _named(otel, "prompts/get nothing")
    assert _attributes(sent)["error.type"] == code
    assert _attributes(sent)["rpc.response.status_code"] == code
    assert sent.status.status_code is StatusCode.ERROR
    assert str(raised.value) not in otel.everything()


@pytest.mark.parametrize("mode", MODES)
async def test_prompts_and_resources(otel: Telemetry, mode: str) -> None:
    """A prompt is in the name; a resource's address only among the attributes."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        await client.get_prompt("greet", {"name": "ada"})
        await client.read_resource("note://one")
    for span in _named(otel, "prompts/get greet"):
        assert _attributes(span)["gen_ai.prompt.name"] == "greet"
        assert "gen_ai.operation.name" not in _attributes(span)
    for span in _named(otel, "resources/read"):
        assert _attributes(span)["mcp.resource.uri"] == "note://one"


@pytest.mark.parametrize("mode", MODES)
async def test_what_the_handler_sees(otel: Telemetry, mode: str) -> None:
    """The server's span is current in it, and baggage came along."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        token = context.attach(baggage.set_baggage("tenant", "t1"))
        try:
            result = await client.call_tool("look", {})
        finally:
            context.detach(token)
    _, received = _named(otel, "tools/call look")
    assert result.structured_content == {"span": f"{_id(received):016x}", "tenant": "t1"}


@pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")
async def test_what_the_server_asks(otel: Telemetry) -> None:
    """A sample: the server sends, the client answers, inside the tool's call."""
    from mcp import types

    async def sample(*_: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="m", content=types.TextContent(type="text", text="well")
        )

    otel.instrument()
    async with Client(served.make_server(), mode="legacy", sampling_callback=sample) as client:
        result = await client.call_tool("ask", {})
    assert result.content[0].text == "well"  # type: ignore[union-attr]
    sent, received = _named(otel, "sampling/createMessage")
    _, tool = _named(otel, "tools/call ask")
    assert sent.parent is not None
    assert sent.parent.span_id == _id(tool)
    assert received.parent is not None
    assert received.parent.span_id == _id(sent)


async def test_a_call_that_is_cancelled(otel: Telemetry) -> None:
    """It ends as cancelled, on both sides, and nothing of ours stands in the way."""
    otel.instrument()
    async with Client(served.make_server(), mode="legacy") as client:
        with anyio.move_on_after(0.05) as scope:
            await client.call_tool("wait", {})
        assert scope.cancelled_caught
        await client.list_tools()
    for span in _named(otel, "tools/call wait"):
        assert _attributes(span)["error.type"] == "cancelled"


@pytest.mark.parametrize("mode", MODES)
async def test_metrics(otel: Telemetry, mode: str) -> None:
    """One duration a request on each side; the tool and the error are told, no session and no id."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
        await client.call_tool("fail", {})
    for side in ("client", "server"):
        points = [dict(point.attributes) for point in otel.metrics()[f"mcp.{side}.operation.duration"]]
        tools = {point["gen_ai.tool.name"]: point for point in points if "gen_ai.tool.name" in point}
        assert tools["add"]["mcp.method.name"] == "tools/call"
        assert "error.type" not in tools["add"]
        assert tools["fail"]["error.type"] == "tool_error"
        assert not any("jsonrpc.request.id" in point for point in points)


class _Theirs:
    """What the SDK's own tracer writes, were it left to."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.tracer = provider.get_tracer("mcp-python-sdk")

    @property
    def names(self) -> set[str]:
        return {span.name for span in self._spans.get_finished_spans()}


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Theirs]:
    """The SDK's tracer, as where a global provider is set."""
    it = _Theirs()
    monkeypatch.setattr(their_otel, "_tracer", it.tracer)
    return it  # type: ignore[return-value]


@pytest.mark.parametrize("mode", MODES)
async def test_their_own_spans(otel: Telemetry, theirs: _Theirs, mode: str) -> None:
    """Silent while we are on; theirs again where we are off or suppressed."""
    otel.instrument()
    async with Client(served.make_server(), mode=mode) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
        assert theirs.names == set()
        otel.clear()
        token = context.attach(context.set_value("suppress_instrumentation", True))
        try:
            await client.call_tool("add", {"a": 1, "b": 2})
        finally:
            context.detach(token)
        otelllm.uninstrument()
        await client.call_tool("add", {"a": 1, "b": 2})
    assert "tools/call add" in theirs.names
    assert [span for span in otel.spans if span.kind is SpanKind.CLIENT] == []


async def test_a_frameworks_tool_is_this_call(otel: Telemetry) -> None:
    """Inside a tool's run of the same name no second span is made; that one gets what MCP knows."""
    otel.instrument()
    async with Client(served.make_server(), mode="legacy") as client:
        otel.clear()

        @otelllm.tool(name="calculator_add")
        async def run(a: int, b: int) -> Any:
            return (await client.call_tool("add", {"a": a, "b": b})).structured_content

        assert await run(1, 2) == {"result": 3}
    calls = [span for span in otel.spans if span.name.endswith("add")]
    received, tool = sorted(calls, key=lambda span: span.kind is not SpanKind.SERVER)
    assert tool.name == "execute_tool calculator_add"
    assert received.parent is not None
    assert received.parent.span_id == _id(tool)
    attributes = _attributes(tool)
    assert attributes["mcp.method.name"] == "tools/call"
    assert attributes["gen_ai.tool.name"] == "calculator_add"
    assert attributes["jsonrpc.request.id"] == _attributes(received)["jsonrpc.request.id"]
    assert any(
        point.attributes["mcp.method.name"] == "tools/call" for point in otel.metrics()["mcp.client.operation.duration"]
    )


async def test_a_tool_that_uses_others(otel: Telemetry) -> None:
    """Another tool's call is a step of its own; a failure of the same one is the tool's."""
    otel.instrument()
    async with Client(served.make_server(), mode="legacy") as client:
        otel.clear()

        @otelllm.tool(name="fail")
        async def run() -> None:
            await client.call_tool("add", {"a": 1, "b": 2})
            await client.call_tool("fail", {})

        await run()
    sent = [span.name for span in otel.spans if span.kind is SpanKind.CLIENT and "call" in span.name]
    assert sent == ["tools/call add"]
    tool = next(span for span in otel.spans if span.name == "execute_tool fail")
    assert _attributes(tool)["error.type"] == "tool_error"
    assert tool.status.status_code is StatusCode.ERROR


async def test_a_tool_that_tries_again(otel: Telemetry) -> None:
    """The second call is a step of its own, and the first one's failure no longer the tool's."""
    otel.instrument()
    async with Client(served.make_server(), mode="legacy") as client:
        otel.clear()

        @otelllm.tool(name="fail")
        async def run() -> None:
            await client.call_tool("fail", {})
            await client.call_tool("fail", {})

        await run()
    sent = [span.name for span in otel.spans if span.kind is SpanKind.CLIENT and "call" in span.name]
    assert sent == ["tools/call fail"]
    tool = next(span for span in otel.spans if span.name == "execute_tool fail")
    assert "error.type" not in _attributes(tool)


@pytest.mark.parametrize("traceparent", [5, "", "00-zz", ["x"], None, {"a": 1}])
async def test_a_context_that_is_none(otel: Telemetry, traceparent: Any) -> None:
    """What somebody put under those names breaks nothing; the span's parent is then the one here."""
    otel.instrument()
    async with Client(served.make_server()) as client:
        meta: Any = {"traceparent": traceparent, "baggage": traceparent}
        result = await client.call_tool("add", {"a": 1, "b": 2}, meta=meta)
    assert result.structured_content == {"result": 3}
    sent, received = _named(otel, "tools/call add")
    assert received.parent is not None
    assert received.parent.span_id == _id(sent)


async def test_a_server_that_wants_no_telemetry(otel: Telemetry) -> None:
    """The app took the SDK's middleware off: the server has no spans, the client has."""
    otel.instrument()
    server = served.make_server()
    server._lowlevel_server.middleware.clear()
    async with Client(server) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
    assert {span.kind for span in otel.spans} == {SpanKind.CLIENT}


async def test_transports_are_the_sdks_own(otel: Telemetry) -> None:
    """What `stdio_client` gives is of the type that it would be."""
    otel.instrument()
    ours = type(mcp.stdio_client(StdioServerParameters(command="true")))
    otelllm.uninstrument()
    theirs = type(mcp.stdio_client(StdioServerParameters(command="true")))
    assert issubclass(ours, theirs)
    assert ours.__name__ == theirs.__name__


@pytest.mark.slow
async def test_stdio(otel: Telemetry, tmp_path: Path) -> None:
    """A program of its own: one trace over the pipe."""
    otel.instrument()
    out = tmp_path / "spans.jsonl"
    program = StdioServerParameters(
        command=sys.executable,
        args=[str(HERE / "served.py"), str(out)],
        env={"PYTHONPATH": str(Path(otelllm.__file__).parent.parent)},
    )
    async with Client(mcp.stdio_client(program)) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
    sent = next(span for span in otel.spans if span.name == "tools/call add")
    assert _attributes(sent)["network.transport"] == "pipe"
    told = [json.loads(line) for line in out.read_text().splitlines()]
    received = next(span for span in told if span["name"] == "tools/call add")
    assert received["kind"] == "SpanKind.SERVER"
    assert int(received["parent_id"], 16) == _id(sent)
    assert received["attributes"]["network.transport"] == "pipe"
    assert received["attributes"]["jsonrpc.request.id"] == _attributes(sent)["jsonrpc.request.id"]


@asynccontextmanager
async def _over_http(otel: Telemetry) -> AsyncIterator[str]:
    """The server on loopback, below a span for each HTTP request; its address."""
    inner = served.make_server().streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        with otel.tracer.start_as_current_span("HTTP", context=context.Context()):
            await inner(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        while not server.started:
            await anyio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True


@pytest.mark.parametrize("mode", MODES)
async def test_streamable_http(otel: Telemetry, mode: str) -> None:
    """The server's parent is the client's span; the HTTP request's own span is linked."""
    otel.instrument()
    async with _over_http(otel) as url, Client(url, mode=mode) as client:
        otel.clear()
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == {"result": 3}
    sent, received = _named(otel, "tools/call add")
    assert received.parent is not None
    assert received.parent.span_id == _id(sent)
    requests = {_id(span) for span in otel.all_spans if span.name == "HTTP"}
    assert [link.context.span_id in requests for link in received.links] == [True]
    port = int(url.split(":")[2].split("/")[0])
    client_side, server_side = _attributes(sent), _attributes(received)
    assert client_side["server.address"] == "127.0.0.1"
    assert client_side["server.port"] == port
    assert server_side["client.address"] == "127.0.0.1"
    for attributes in (client_side, server_side):
        assert attributes["network.transport"] == "tcp"
        assert attributes["network.protocol.name"] == "http"
    if mode == "legacy":
        assert client_side["mcp.session.id"] == server_side["mcp.session.id"] != ""
    else:
        assert "mcp.session.id" not in client_side
