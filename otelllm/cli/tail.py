"""`otelllm tail`: a line a span, as spans come in."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from . import _options
from ._client import Away, send

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ._options import Subparsers

FILTERS = {
    "service": "of this service", "provider": "of this provider", "model": "this model was asked for, or answered",
    "operation": "this operation, such as chat", "user": "of this user", "session": "of this session",
    "feature": "of this feature",
}  # fmt: skip

SILENCE_S = 45.0
"""Longer than two of the collector's heartbeats: the connection is dead, though nobody said so."""
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)

COLUMNS = (
    ("time", 12, "<"), ("service", 14, "<"), ("operation", 16, "<"), ("model", 24, "<"), ("in", 7, ">"),
    ("out", 6, ">"), ("cost", 10, ">"), ("ms", 8, ">"), ("ttft", 7, ">"), ("error", 0, "<"),
)  # fmt: skip


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("tail", help="print spans as they come in")
    for name, text in FILTERS.items():
        parser.add_argument(f"--{name}", action="append", help=f"only spans {text}; may be repeated")
    parser.add_argument("--error", action="store_const", const="true", help="only what failed")
    parser.add_argument("--min-ms", type=float, help="only what lasted so long")
    parser.add_argument("-q", metavar="TEXT", help="only where a prompt or an answer holds this text")
    _options.url(parser)
    parser.add_argument("--format", choices=["table", "json"], default="table", help="json: one object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C, which is how it is meant to end: 0."""
    names = [*FILTERS, "error", "min_ms", "q"]
    wanted = {name: value for name in names if (value := getattr(args, name)) is not None}
    shown = _as_json if args.format == "json" else _as_line
    if args.format == "table":
        print(_row([name for name, _, _ in COLUMNS]), flush=True)
    try:
        for kind, content in _events(args.url, wanted):
            if kind == "span":
                print(shown(content), flush=True)
            elif kind == "skipped":
                _say(f"{content['spans']} spans came faster than they could be shown, and were skipped")
    except KeyboardInterrupt:
        pass
    return 0


def _events(url: str, wanted: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The collector's events without end; a collector that goes away is waited for, one that was never there is not."""
    last: dict[str, str] = {}
    attempts = -1  # before the first answer
    while True:
        try:
            headers = {"Accept": "text/event-stream", **last}
            with send(url, "/api/tail", wanted, headers=headers, timeout=SILENCE_S) as answer:
                if attempts > 0:
                    _say("the collector is back")
                attempts = 0
                for name, number, content in _read(answer):
                    last = {"Last-Event-ID": number}
                    if content is not None:
                        yield name, content
        except Away:
            if attempts < 0:
                raise
        if attempts == 0:
            _say(f"the collector at {url} is away; waiting for it")
        time.sleep(RETRY_S[min(attempts, len(RETRY_S) - 1)])
        attempts += 1


def _read(lines: Any) -> Iterator[tuple[str, str, Any]]:
    """Events of a stream as (event, id, data); data is None where an event only moves the id on."""
    fields: dict[str, str] = {}
    for line in lines:
        text = line.decode().rstrip("\r\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
            continue
        if "id" in fields:
            yield fields.get("event", ""), fields["id"], json.loads(fields["data"]) if "data" in fields else None
        fields = {}


def _as_json(span: dict[str, Any]) -> str:
    return json.dumps(span, ensure_ascii=False)


def _as_line(span: dict[str, Any]) -> str:
    at_s, ns = divmod(span["end_ns"], 1_000_000_000)
    cost = span["cost_usd"]
    return _row([
        f"{time.strftime('%H:%M:%S', time.localtime(at_s))}.{ns // 1_000_000:03d}",
        span["service"],
        span["operation"] or span["name"],
        span["response_model"] or span["request_model"] or span["tool_name"] or span["agent_name"],
        span["input_tokens"],
        span["output_tokens"],
        None if cost is None else f"${cost:.6f}",
        f"{span['duration_ms']:.0f}",
        None if span["ttft_ms"] is None else f"{span['ttft_ms']:.0f}",
        (span["error_type"] or "error") if span["status"] == "error" else None,
    ])  # fmt: skip


def _row(cells: list[Any]) -> str:
    """Cells in columns of a fixed width: what comes later must stand below what came before."""
    return " ".join(
        f"{_plain(cell, width):{side}{width or 1}}" for cell, (_, width, side) in zip(cells, COLUMNS, strict=True)
    ).rstrip()


def _plain(cell: Any, width: int) -> str:
    """A stranger's text must not move the cursor, nor break the line."""
    text = "".join(letter if letter.isprintable() else " " for letter in ("" if cell is None else str(cell)))
    return text if not width or len(text) <= width else f"{text[: width - 1]}…"


def _say(text: str) -> None:
    print(f"otelllm: {text}", file=sys.stderr, flush=True)
