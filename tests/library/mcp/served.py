"""The server of these tests: in the test's process, or a program of its own on stdio (`python served.py FILE`).

The oldest SDKs read annotations as they are, so they are not postponed here.
"""

import sys

import anyio
from mcp import types
from opentelemetry import baggage, trace

try:
    from mcp.server.mcpserver import Context, MCPServer
except ImportError:  # 1.x
    from mcp.server.fastmcp import Context
    from mcp.server.fastmcp import FastMCP as MCPServer


def make_server() -> MCPServer:
    """A server of tools, a prompt and a resource."""
    server = MCPServer("calculator")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def fail() -> str:
        """Never works."""
        raise RuntimeError("a secret text")

    @server.tool()
    async def wait() -> str:
        """Never answers."""
        await anyio.sleep_forever()

    @server.tool()
    def look() -> dict[str, str]:
        """What the handler sees of the context above it."""
        span = trace.get_current_span().get_span_context()
        return {"span": f"{span.span_id:016x}", "tenant": str(baggage.get_baggage("tenant"))}

    @server.tool()
    async def ask(ctx: Context) -> str:
        """Ask the client for a sample."""
        message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="hm?"))
        result = await ctx.session.create_message(messages=[message], max_tokens=10)
        return str(result.content.text)  # type: ignore[union-attr]

    @server.prompt()
    def greet(name: str) -> str:
        """Say hello."""
        return f"hello {name}"

    @server.resource("note://one")
    def note() -> str:
        """A text."""
        return "a note"

    return server


def main(path: str) -> None:
    """Serve on stdio; its spans go to `path`, a JSON line each."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    import otelllm

    provider = TracerProvider()
    with open(path, "w", encoding="utf-8") as out:
        exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        otelllm.instrument(tracer_provider=provider, capture="off")
        make_server().run("stdio")


if __name__ == "__main__":
    main(sys.argv[1])
