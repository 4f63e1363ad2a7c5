"""MCP tools of an agent: the SDK's function span is the MCP call, told once."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import agents
from agents.mcp import MCPServerStdio
from wire.server import whole

from .test_agents import _agent, _by_name, _chat, _parent, _told

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

SERVER = """
try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("calculator")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


server.run("stdio")
"""


def test_a_tool_of_an_mcp_server(otel: Telemetry, client: Any, provider: Provider, tmp_path: Path) -> None:
    """One span for the call, with what both know; the lists of tools once each too."""
    (tmp_path / "served.py").write_text(SERVER)
    provider.reply(whole(_chat(name="add", arguments={"a": 1, "b": 2})))
    provider.reply(whole(_chat("It is three.")))

    async def go() -> Any:
        params: Any = {"command": sys.executable, "args": [str(tmp_path / "served.py")]}
        async with client, MCPServerStdio(params=params, client_session_timeout_seconds=30) as server:
            return await agents.Runner.run(_agent(client, tools=[], mcp_servers=[server]), "1 + 2?")

    assert asyncio.run(go()).final_output == "It is three."
    spans = _by_name(otel)
    assert "tools/call add" not in spans
    (tool,) = spans["execute_tool add"]
    told = _told(tool)
    assert _parent(tool) == spans["invoke_agent helper"][0].context.span_id
    assert told["mcp.method.name"] == "tools/call"
    assert told["gen_ai.tool.name"] == "add"
    assert told["jsonrpc.request.id"]
    lists = [span for span in otel.spans if _told(span).get("mcp.method.name") == "tools/list"]
    requests = [_told(span).get("jsonrpc.request.id") for span in lists]
    assert None not in requests
    assert len(requests) == len(set(requests))
