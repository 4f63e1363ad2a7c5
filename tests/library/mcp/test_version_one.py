"""Version 1.x: the SDK makes no spans and carries no context; both are ours, the app's requests as they were."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import mcp
import pytest
import uvicorn
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.shared.memory import create_connected_server_and_client_session
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, StatusCode

import otelllm

from . import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent


def _connected(**settings: Any) -> Any:
    """A client of the server, in this process."""
    return create_connected_server_and_client_session(served.make_server()._mcp_server, **settings)


def _named(otel: Telemetry, name: str) -> tuple[ReadableSpan, ReadableSpan]:
    """The client's and the server's one span of that name."""
    found = [span for span in otel.spans if span.name == name]
    assert len(found) == 2
    spans = {span.kind: span for span in found}
    return spans[SpanKind.CLIENT], spans[SpanKind.SERVER]


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def _parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else int(span.parent.span_id)


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_tool_call(otel: Telemetry) -> None:
    """Both sides name the tool; the server's span is the client's child, that the app's."""
    otel.instrument(capture="full")
    async with _connected() as client:
        otel.clear()
        with otel.tracer.start_as_current_span("app") as app:
            result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.content[0].text == "3"
    sent, received = _named(otel, "tools/call add")
    assert _parent(sent) == app.get_span_context().span_id
    assert _parent(received) == _id(sent)
    assert _attributes(sent)["jsonrpc.request.id"] == _attributes(received)["jsonrpc.request.id"]
    for span in (sent, received):
        attributes = _attributes(span)
        assert attributes["mcp.method.name"] == "tools/call"
        assert attributes["gen_ai.operation.name"] == "execute_tool"
        assert attributes["gen_ai.tool.name"] == "add"
        assert attributes["mcp.protocol.version"].startswith("202")
        assert json.loads(attributes["gen_ai.tool.call.arguments"]) == {"a": 1, "b": 2}
        assert "3" in attributes["gen_ai.tool.call.result"]
        assert span.status.status_code is StatusCode.UNSET
    _named(otel, "tools/call add")
    for side in ("client", "server"):
        points = [dict(point.attributes) for point in otel.metrics()[f"mcp.{side}.operation.duration"]]
        assert [point["gen_ai.tool.name"] for point in points if "gen_ai.tool.name" in point] == ["add"]


async def test_the_handshake(otel: Telemetry) -> None:
    """It has its spans, with the version that came of it."""
    otel.instrument()
    async with _connected():
        pass
    sent, received = _named(otel, "initialize")
    assert _parent(received) == _id(sent)
    assert _attributes(sent)["mcp.protocol.version"] == _attributes(received)["mcp.protocol.version"]


async def test_failures(otel: Telemetry) -> None:
    """A tool's, and one of the protocol; their texts are content."""
    otel.instrument()
    async with _connected() as client:
        assert (await client.call_tool("fail", {})).isError
        with pytest.raises(McpError) as raised:
            await client.get_prompt("nothing", {})
    for span in _named(otel, "tools/call fail"):
        assert _attributes(span)["error.type"] == "tool_error"
        assert span.status.status_code is StatusCode.ERROR
    for span in _named(otel, "prompts/get nothing"):
        assert _attributes(span)["rpc.response.status_code"] == str(raised.value.error.code)
        assert span.status.status_code is StatusCode.ERROR
    assert "a secret text" not in otel.everything()
    assert raised.value.error.message not in otel.everything()


async def test_what_the_handler_sees(otel: Telemetry) -> None:
    """The server's span is current in it, and baggage came along; the app's own request is as it was."""
    otel.instrument()
    async with _connected() as client:
        request = types.ClientRequest(
            types.CallToolRequest(method="tools/call", params=types.CallToolRequestParams(name="look", arguments={}))
        )
        before = request.model_dump_json()
        token = context.attach(baggage.set_baggage("tenant", "t1"))
        try:
            result = await client.send_request(request, types.CallToolResult)
        finally:
            context.detach(token)
    assert request.model_dump_json() == before
    _, received = _named(otel, "tools/call look")
    assert json.loads(result.content[0].text) == {"span": f"{_id(received):016x}", "tenant": "t1"}


async def test_what_the_server_asks(otel: Telemetry) -> None:
    """A sample: the server sends, the client answers, inside the tool's call."""

    async def sample(*_: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="m", content=types.TextContent(type="text", text="well")
        )

    otel.instrument()
    async with _connected(sampling_callback=sample) as client:
        result = await client.call_tool("ask", {})
    assert result.content[0].text == "well"
    sent, received = _named(otel, "sampling/createMessage")
    _, tool = _named(otel, "tools/call ask")
    assert _parent(sent) == _id(tool)
    assert _parent(received) == _id(sent)


async def test_a_frameworks_tool_is_this_call(otel: Telemetry) -> None:
    """Inside a tool's run of the same name no second span is made; that one gets what MCP knows."""
    otel.instrument()
    async with _connected() as client:
        otel.clear()

        @otelllm.tool(name="add")
        async def run() -> Any:
            return (await client.call_tool("add", {"a": 1, "b": 2})).content[0].text

        assert await run() == "3"
    tool = next(span for span in otel.spans if span.name == "execute_tool add")
    received = next(span for span in otel.spans if span.name == "tools/call add")
    assert received.kind is SpanKind.SERVER
    assert _parent(received) == _id(tool)
    assert _attributes(tool)["mcp.method.name"] == "tools/call"


async def test_stdio(otel: Telemetry, tmp_path: Path) -> None:
    """A program of its own: one trace over the pipe."""
    otel.instrument()
    out = tmp_path / "spans.jsonl"
    program = StdioServerParameters(
        command=sys.executable,
        args=[str(HERE / "served.py"), str(out)],
        env={"PYTHONPATH": str(Path(otelllm.__file__).parent.parent)},
    )
    async with mcp.stdio_client(program) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        await client.call_tool("add", {"a": 1, "b": 2})
    sent = next(span for span in otel.spans if span.name == "tools/call add")
    assert _attributes(sent)["network.transport"] == "pipe"
    told = [json.loads(line) for line in out.read_text().splitlines()]
    received = next(span for span in told if span["name"] == "tools/call add")
    assert int(received["parent_id"], 16) == _id(sent)
    assert received["attributes"]["network.transport"] == "pipe"


@asynccontextmanager
async def _over_http() -> AsyncIterator[str]:
    """The server on loopback; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(served.make_server().streamable_http_app(), log_level="warning"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        while not server.started:
            await anyio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_streamable_http(otel: Telemetry) -> None:
    """Both sides know the session and the address."""
    from mcp.client.streamable_http import streamablehttp_client

    otel.instrument()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_over_http())
        read, write, _ = await stack.enter_async_context(streamablehttp_client(url))
        client = await stack.enter_async_context(ClientSession(read, write))
        await client.initialize()
        await client.call_tool("add", {"a": 1, "b": 2})
    sent, received = _named(otel, "tools/call add")
    assert _parent(received) == _id(sent)
    ours, theirs = _attributes(sent), _attributes(received)
    assert ours["server.address"] == "127.0.0.1"
    assert ours["server.port"] == int(url.split(":")[2].split("/")[0])
    assert theirs["client.address"] == "127.0.0.1"
    assert ours["mcp.session.id"] == theirs["mcp.session.id"] != ""
    assert ours["network.transport"] == theirs["network.transport"] == "tcp"
