"""`otelllm import FILE…`: send files that `otelllm export` wrote, or any file exporter of OTLP, to a collector."""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import _options
from ._client import send
from ._failure import Failure

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers

MOST = 64 * 1024 * 1024
"""Bytes of one request: the collector takes no more."""
PATIENCE_S = 300.0
"""How long a collector may be too busy for a request."""
TOO_MUCH = (429, 503)


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("import", help="send exported spans to a collector")
    parser.add_argument("files", metavar="FILE", nargs="+", help="of `otelllm export`, format otlp or jsonl")
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send all requests of all files; what is there already is stored once, so an import can be done again."""
    rejected = 0
    for name in args.files:
        path = Path(name)
        try:
            with path.open("rb") as file:
                is_json = file.read(1) == b"{"
                file.seek(0)
                requests = 0
                for body in _lines(file) if is_json else _delimited(file, path):
                    rejected += _send(args.url, body, is_json=is_json)
                    requests += 1
        except OSError as error:
            raise Failure(f"{name!r} can't be read ({error.strerror or error})") from error
        print(f"{path}: {requests:,} requests sent")
    if rejected:
        print(
            f"{rejected:,} spans were rejected: the collector's limits are narrower than those of where they are from"
        )
    return int(bool(rejected))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return (line for line in file if line.strip())


def _delimited(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The requests of a file, each of which stands behind its length as a varint."""
    while (size := _length(file, path)) is not None:
        body = file.read(size)
        if len(body) < size:
            raise Failure(f"{str(path)!r} ends in the middle of a request: export it again")
        yield body


def _length(file: BinaryIO, path: Path) -> int | None:
    number = shift = 0
    while byte := file.read(1):
        number |= (byte[0] & 127) << shift
        shift += 7
        if number > MOST or shift > 35:
            break
        if byte[0] < 128:
            return number
    if shift:
        raise Failure(f"{str(path)!r} is no export of format otlp or jsonl")
    return None


def _send(url: str, body: bytes, *, is_json: bool) -> int:
    """Send one request, again while the collector has too much in hand; how many spans were rejected."""
    kind = "application/json" if is_json else "application/x-protobuf"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with send(url, "/v1/traces", {}, content=body, headers={"Content-Type": kind, "Accept": kind}) as answer:
                content = answer.read()
        except Failure as failure:
            error = failure.__cause__
            if not isinstance(error, urllib.error.HTTPError) or error.code not in TOO_MUCH:
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(min(float(error.headers.get("Retry-After") or 1), 10))
            continue
        if is_json:
            return int(json.loads(content or b"{}").get("partialSuccess", {}).get("rejectedSpans", 0))
        return _rejected(content)


def _rejected(answer: bytes) -> int:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415  40 ms, for this command only

    return int(trace_service_pb2.ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
