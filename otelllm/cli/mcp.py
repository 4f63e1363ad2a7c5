"""`otelllm mcp`: a Model Context Protocol server on standard input and output, for coding agents."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ..version import __version__
from . import _options
from ._extras import need
from ._failure import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("mcp", help="let a coding agent ask the collector (Model Context Protocol, stdio)")
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the agent closes standard input."""
    need("otelllm mcp", "mcp")
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415  0.7 s that no other command has to wait
    from mcp.types import ToolAnnotations  # noqa: PLC0415

    from ._mcp_tools import INSTRUCTIONS, Tools  # noqa: PLC0415

    server = MCPServer("otelllm", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    only_reads = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    for tool in Tools(args.url).all():
        server.add_tool(_told(tool), annotations=only_reads, structured_output=False)
    print(f"otelllm: serving MCP on standard input; the collector is {args.url}", file=sys.stderr)
    server.run("stdio")
    return 0


def _told(tool: Callable[..., str]) -> Callable[..., str]:
    """The same, whose failures are told to the model, which can mend most of them."""
    from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415

    @functools.wraps(tool)
    def told(*args: Any, **kwargs: Any) -> str:
        try:
            return tool(*args, **kwargs)
        except Failure as failure:
            raise ToolError(str(failure)) from failure

    return told
