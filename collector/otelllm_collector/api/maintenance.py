"""Keeping the data, and taking it out: exports, backups, prices, retention."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from typing import BinaryIO, cast, get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .. import arguments
from ..answers import answer
from ..asker import Asker
from ..commits import Commits
from ..encode import encode
from ..exporters.otlp_json import as_json
from ..operations import FILTERS, JSON, Answer, Body, Operation, choice, read_json, wanted_spans
from ..questions import FILTERS_OF, BadQuestion, Busy, Signal, SpanFilter
from ..rows import Batch
from ..stores.spec import TABLES, Record

__all__ = ["routes"]

FORMAT = choice(
    "format", "otlp: export requests of one signal in protobuf, each behind its length as a varint; jsonl: the same as "
    "OTLP/JSON, one a line; arrow: one table as an Arrow IPC stream.", ("otlp", "jsonl", "arrow"), "otlp",
)  # fmt: skip
SIGNAL = choice("signal", "Which signal, of format otlp and jsonl.", get_args(Signal), "traces")
TABLE = choice("table", "Which table, of format arrow.", TABLES, "spans")

DATABASE = "application/vnd.duckdb"
PIECE = 1024 * 1024
MEDIA_TYPES = {
    "otlp": "application/x-protobuf",
    "jsonl": "application/jsonl",
    "arrow": "application/vnd.apache.arrow.stream",
}


_DONE = {"type": "object", "additionalProperties": True}

SINCE_LIMIT = 10_000
"""Bytes of a request's body."""


def routes(asker: Asker, commits: Commits) -> list[Route]:
    """Routes of this group. `commits` has the thread that upkeep runs in."""
    return [_export(asker), *_upkeep(asker, commits)]


def _export(asker: Asker) -> Route:
    async def export(request: Request) -> Response:
        kind, table = FORMAT.read(request), TABLE.read(request)
        wanted = wanted_spans(request)
        if kind == "arrow":
            pieces = asker.store.table(table, wanted)
        else:
            signal = cast(Signal, SIGNAL.read(request))
            _check_filters(signal, wanted)
            as_bytes = _delimited if kind == "otlp" else _line
            pieces = (as_bytes(signal, batch) for batch in asker.store.batches(wanted, signal))
        # The first piece before the answer begins: what is wrong with the question still has a status to say it.
        first = await asker.ask_for_all(next, pieces, b"")
        return StreamingResponse(_rest(asker, first, pieces), media_type=MEDIA_TYPES[kind])

    return Operation(
        "/api/export", export, tag="maintenance",
        about="Everything that the filters choose, as a stream; one that ends without its last chunk is not whole.",
        arguments=(FORMAT, SIGNAL, TABLE, *FILTERS),
        answers={200: Answer("The stream.", {media_type: {} for media_type in MEDIA_TYPES.values()})},
    )  # fmt: skip


def _upkeep(asker: Asker, commits: Commits) -> list[Route]:
    async def backup(_: Request) -> Response:
        file = await asker.ask_for_all(asker.store.backup)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return StreamingResponse(_read(asker, file), media_type=DATABASE, headers={"content-length": str(size)})

    async def reprice(request: Request) -> Response:
        since = (await read_json(request, SINCE_LIMIT, '{"since": 0}')).get("since", 0)
        if isinstance(since, bool) or not isinstance(since, int) or not 0 <= since <= arguments.MAX_NS:
            raise BadQuestion(f"since {since!r} is no time in nanoseconds since 1970")
        return answer(await done(await asker.ask_for_all(asker.store.reprice, since)))

    async def retain(_: Request) -> Response:
        return answer(await done(await asker.ask_for_all(asker.store.retain)))

    async def state(_: Request) -> Response:
        return answer(await asker.ask(asker.store.state))

    async def done(job: Future[Record]) -> Record:
        commits.nudge()
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise Busy(f"it has broken off ({type(error).__name__}); the collector's log says where") from error

    return [
        Operation(
            "/api/maintenance", state, tag="maintenance", about="The size of the database, and what its upkeep did.",
            answers={200: Answer.json("Bytes, and what each job did last.", _DONE)},
        ),
        Operation(
            "/api/maintenance/backup", backup, method="POST", tag="maintenance",
            about="A copy of the whole database as it is now, made while it is written to; a collector starts on it.",
            answers={200: Answer("The database file.", {DATABASE: {}})},
        ),
        Operation(
            "/api/maintenance/reprice", reprice, method="POST", tag="maintenance",
            about="Compute costs by today's prices; those that somebody reported stay.",
            body=Body("From when on.", {JSON: {"type": "object", "properties": {"since": {"type": "integer"}}}}),
            answers={200: Answer.json("How many calls were looked at, and how many have another cost.", _DONE)},
        ),
        Operation(
            "/api/maintenance/retention", retain, method="POST", tag="maintenance",
            about="Drop what the settings say now, and give free blocks back to the disk.",
            answers={200: Answer.json("How many rows of each table are gone.", _DONE)},
        ),
    ]  # fmt: skip


async def _read(asker: Asker, file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asker.go_on(file.read, PIECE):
            yield piece


async def _rest(asker: Asker, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = await asker.go_on(next, pieces, b"")


def _check_filters(signal: Signal, wanted: SpanFilter) -> None:
    known = FILTERS_OF.get(signal)
    for name in (argument.name for argument in FILTERS if known):
        if name not in (known or ()) and getattr(wanted, name) != getattr(SpanFilter(), name):
            raise BadQuestion(f"{signal} have no {name!r} to be chosen by; they have {', '.join(known or ())}")


def _delimited(signal: Signal, batch: Batch) -> bytes:
    body = encode(signal, batch)
    return _varint(len(body)) + body


def _line(signal: Signal, batch: Batch) -> bytes:
    return as_json(signal, encode(signal, batch)) + b"\n"


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
