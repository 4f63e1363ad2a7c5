"""`otelllm demo`: the example agent on a real model of this machine, and its traces in the explorer."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .. import semconv
from . import _options
from ._children import Children
from ._client import ask
from ._extras import need
from ._failure import Failure
from ._options import LOOPBACK, Address
from ._ports import free_or_any
from ._servers import start_collector, start_dashboard
from ._table import render

if TYPE_CHECKING:
    import argparse

    from ._children import Child
    from ._options import Subparsers

AGENT = "rag_agent"
COLUMNS = ("feature", "calls", "errors", "input tokens", "output tokens", "cost in USD", "TTFT p50 in ms")
EXAMPLE_SQL = (
    "select name, request_model, input_tokens, output_tokens, ttft_ms from spans order by start_time desc limit 5"
)
FIELDS = ("key", "calls", "errors", "input_tokens", "output_tokens", "cost_usd", "ttft_p50_ms")


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("demo", help="an example agent on a real local model, traced")
    _options.data(parser)
    _options.http(parser, default=None)
    _options.port(parser, default=None)
    parser.add_argument("--once", action="store_true", help="end when the agent has run, instead of at Ctrl-C")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C. What the user named is used or refused; a default port that is taken is stepped around."""
    need("the demo", "demo", "collector", "dashboard")
    http = _options.address(args.http) if args.http else free_or_any(_options.address(_options.HTTP))
    port = free_or_any(Address(LOOPBACK, _options.PORT)).port if args.port is None else args.port
    with ExitStack() as folders, Children() as children:
        # Streamlit and DuckDB may still write when a failure ends the block.
        data = args.data or folders.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        collector = start_collector(children, http, data, "--grpc", "off")
        if not children.ready(collector):
            return children.code()
        dashboard = start_dashboard(children, port, collector.address)
        agent = _start_agent(children, collector.address)
        if not (children.ready(dashboard) and children.until(lambda: agent.code is not None)):
            return children.code()
        if agent.code != 0:
            raise Failure(f"the example agent ended with exit code {agent.code}; what it said is above")
        _sum_up(collector.address)
        if not args.once:
            _invite(collector.address, dashboard.address)
            children.stay(collector, dashboard)
    return children.code()


def _start_agent(children: Children, endpoint: str) -> Child:
    """The example, from the installed package or from the checkout that this file is in."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    print(
        "The example agent starts; its model is on this machine, and its first start unpacks the weights.", flush=True
    )
    if find_spec(f"{__package__}.{AGENT}") is not None:
        return children.start(f"{__package__}.{AGENT}", env=env)
    examples = Path(__file__).parents[2] / "examples"
    if not (examples / AGENT).is_dir():
        raise Failure(f"the example agent is neither installed nor in {examples}; install otelllm again")
    return children.start(AGENT, env={**env, "PYTHONPATH": str(examples)})


def _sum_up(collector: str) -> None:
    """What the agent's calls came to."""
    rows = ask(collector, "/api/aggregates", by="feature")["rows"]
    if not rows:
        raise Failure(f"the agent ran, but the collector at {collector} has no call of it")
    print(f"\n{render(COLUMNS, [[row[field] for field in FIELDS] for row in rows], 'table')}\n", flush=True)


def _invite(collector: str, dashboard: str) -> None:
    """Where to look at them."""
    tool = f"{semconv.EXECUTE_TOOL} order_status"
    [answer] = ask(collector, "/api/traces", name=tool, error="false", limit=1)["traces"]
    print(f"All traces:  {dashboard}/traces")
    print(f"One answer:  {dashboard}/trace?trace_id={answer['trace_id']}")
    print(f"By SQL:      otelllm query --url {collector} '{EXAMPLE_SQL}'")
    print("Ctrl-C ends it.", flush=True)
