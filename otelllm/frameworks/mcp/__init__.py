"""MCP, client and server: one span a request on either side, on every transport, in place of the SDK's own spans
(which 2.x makes; in 1.x we carry the context too).

The side that sends has the `mcp.client` span, be it a client that calls a tool or a server that asks for a sample; the
side that answers has the `mcp.server` span, whose parent comes in the request's `_meta`.
"""

from __future__ import annotations

from importlib.util import find_spec

from ...spec import Hook, Wrapper
from ...supported import installed
from .received import answered_by_client, in_middleware
from .sent import own_span, sending
from .transports import posting, sse_client, stdio_client, stdio_server
from .version_one import answered_by_session, answering, responding, sending_by_session

__all__ = ["FRAMEWORK"]


_BOTH = (
    Wrapper("mcp.client.streamable_http:StreamableHTTPTransport.post_writer", posting, optional=True),
    Wrapper("mcp.client.sse:sse_client", sse_client, optional=True),
    # Each by every name under which it is called: who imported it before we came has the original.
    *(
        Wrapper(f"{module}:stdio_client", stdio_client, optional=True)
        for module in ("mcp.client.stdio", "mcp", "mcp.client.client", "mcp.client.session_group")
    ),
    *(
        Wrapper(f"{module}:stdio_server", stdio_server, optional=True)
        for module in ("mcp.server.stdio", "mcp", "mcp.server.mcpserver.server", "mcp.server.fastmcp.server")
    ),
)
_TWO = (
    Wrapper("mcp.shared.jsonrpc_dispatcher:JSONRPCDispatcher.send_raw_request", sending),
    Wrapper("mcp.shared.jsonrpc_dispatcher:otel_span", own_span),
    Wrapper("mcp.shared.direct_dispatcher:DirectDispatcher.send_raw_request", sending),
    Wrapper("mcp.server._otel:OpenTelemetryMiddleware.__call__", in_middleware),
    Wrapper("mcp.client.session:ClientSession._on_request", answered_by_client),
)
_ONE = (
    Wrapper("mcp.shared.session:BaseSession.send_request", sending_by_session),
    Wrapper("mcp.shared.session:RequestResponder.respond", responding),
    Wrapper("mcp.server.lowlevel.server:Server._handle_request", answering),
    Wrapper("mcp.server.session:ServerSession._received_request", answered_by_session),
    Wrapper("mcp.client.session:ClientSession._received_request", answered_by_session),
)


class _MCP:
    name = "mcp"
    package = "mcp"
    oldest = "1.10"
    newest = "2.3.0"

    @property
    def hooks(self) -> tuple[Wrapper | Hook, ...]:
        """Those of the version that is here: the two have hardly a module in common."""
        here = installed(self.package) if find_spec("mcp") is not None else None
        return (*(_ONE if here is not None and here.startswith("1.") else _TWO), *_BOTH)


FRAMEWORK = _MCP()
