"""`otelllm import PATH…`: send files that `otelllm export` wrote, or any file exporter of OTLP, to a collector."""

from __future__ import annotations

import json
import re
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
SIGNALS = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}
"""What a request in JSON holds, and where it is sent. One in protobuf doesn't say."""


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("import", help="send exported spans, logs and metrics to a collector")
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a folder of `otelllm export`, or files of it; format otlp or jsonl"
    )
    parser.add_argument(
        "--signal", choices=sorted(SIGNALS.values()),
        help="what protobuf files hold that are not named traces, logs or metrics (traces)",
    )  # fmt: skip
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send all requests of all files. Spans that are there already are stored once; logs and metrics have no ids."""
    rejected = 0
    for path in [file for name in args.paths for file in _files(Path(name))]:
        named = path.stem if path.stem in SIGNALS.values() else args.signal or "traces"
        try:
            with path.open("rb") as file:
                is_json = file.read(1) == b"{"
                file.seek(0)
                requests = 0
                for body in _lines(file) if is_json else _delimited(file, path):
                    signal = _signal(body, path) if is_json else named
                    rejected += _send(args.url, f"/v1/{signal}", body, is_json=is_json)
                    requests += 1
        except OSError as error:
            raise Failure(f"{str(path)!r} can't be read ({error.strerror or error})") from error
        print(f"{path}: {requests:,} requests sent")
    if rejected:
        print(
            f"{rejected:,} records were rejected: the collector's limits are narrower than those of where they are from"
        )
    return int(bool(rejected))


def _files(path: Path) -> list[Path]:
    """A file itself, of a folder those that an export has made in it."""
    if not path.is_dir():
        return [path]
    found = [path / f"{signal}.{kind}" for signal in SIGNALS.values() for kind in ("otlp", "jsonl")]
    if not any(file.exists() for file in found):
        raise Failure(f"{str(path)!r} holds no traces, logs or metrics of format otlp or jsonl")
    return [file for file in found if file.exists()]


def _signal(line: bytes, path: Path) -> str:
    """What a request in JSON holds, by its first name."""
    found = re.match(rb'\s*\{\s*"(\w+)"', line)
    name = found[1].decode() if found else ""
    if name not in SIGNALS:
        raise Failure(f"{str(path)!r} has a line that is no OTLP/JSON: it begins with {line[:40]!r}")
    return SIGNALS[name]


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


def _send(url: str, path: str, body: bytes, *, is_json: bool) -> int:
    """Send one request, again while the collector has too much in hand; how many records were rejected."""
    kind = "application/json" if is_json else "application/x-protobuf"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with send(url, path, {}, content=body, headers={"Content-Type": kind, "Accept": kind}) as answer:
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
            said = json.loads(content or b"{}").get("partialSuccess", {})
            return sum(int(count) for name, count in said.items() if name.startswith("rejected"))
        return _rejected(content)


def _rejected(answer: bytes) -> int:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415  40 ms, for this command only

    # The answers of all three signals are alike on the wire.
    return int(trace_service_pb2.ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
