"""Senders as OpenTelemetry's SDKs are: each batch is sent again until it is taken; they know which batches were."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import grpc
from collector.exports import PROTOBUF, request, span

if TYPE_CHECKING:
    from collector.process import Collector
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Batches", "Sender", "free_ports", "missing", "percentile", "senders"]

MARK = b"SOAK"
"""What the trace ids of all batches begin with."""
_NUMBER = b"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7"
_TEXT = b"batch-number----"
_STEPS = ("invoke_agent", "retrieval", "chat", "execute_tool", "chat", "embeddings", "chat", "guardrail")
_AT_ONCE = 60_000
"""Batches asked for in one query: of more than 100,000 rows the answer is cut."""
LONGEST_PAUSE_S = 1.0
"""The SDKs double theirs up to 64 s; here the moments in which something is under way are to be many."""


class Batches:
    """Export requests of so many spans in traces of eight; two with different numbers share nothing but their shape."""

    def __init__(self, spans: int = 64) -> None:
        self.spans = spans
        made = [_span(number) for number in range(spans)]
        self._template = request(*made, service="soak").SerializeToString()

    def body(self, number: int) -> bytes:
        """The request of this number, the same each time."""
        told = self._template.replace(_NUMBER, number.to_bytes(8))
        return told.replace(_TEXT, f"{number:016x}".encode())


def _span(number: int) -> Span:
    chance = random.Random(number)
    text = f"{_TEXT.decode()} " + " ".join(f"word{chance.randrange(5000)}" for _ in range(60))
    operation = _STEPS[number % 8]
    attributes = {
        "gen_ai.operation.name": operation, "session.id": f"s-{number // 8}", "user.id": f"user-{number % 97}",
        "app.note": text, "app.flags": ["a", "b"], "server.port": 443, "app.score": chance.random(),
    }  # fmt: skip
    if operation == "chat":
        message = [{"role": "user", "parts": [{"type": "text", "content": f"{number} {text}"}]}]
        attributes |= {
            "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 900,
            "gen_ai.usage.output_tokens": 120, "gen_ai.input.messages": json.dumps(message),
        }  # fmt: skip
    place = number.to_bytes(4)
    return span(attributes, trace_id=MARK + _NUMBER + (number // 8).to_bytes(4), span_id=b"\x01\x02\x03\x04" + place)


class Answer(NamedTuple):
    """What a receiver said of one request."""

    is_taken: bool
    why: str = ""
    is_final: bool = False
    """Whether it never will be."""
    after_s: float | None = None


Send = Callable[[bytes], Answer]


def by_http(url: str) -> Send:
    """Sends over one connection, made anew where it is lost."""
    held: list[http.client.HTTPConnection] = []

    def send(body: bytes) -> Answer:
        if not held:
            held.append(http.client.HTTPConnection(url.removeprefix("http://"), timeout=30))
        try:
            held[0].request("POST", "/v1/traces", body, PROTOBUF)
            answer = held[0].getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            held.pop().close()
            return Answer(is_taken=False, why=type(error).__name__)
        after = answer.headers.get("retry-after")
        is_final = answer.status not in (200, 429, 502, 503, 504)
        return Answer(answer.status == 200, f"HTTP {answer.status}", is_final, float(after) if after else None)

    return send


def by_grpc(address: str) -> Send:
    """Sends over one channel."""
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
    channel = grpc.insecure_channel(address.removeprefix("http://"), options)
    call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    again = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"}

    def send(body: bytes) -> Answer:
        try:
            call(body, timeout=30)
        except grpc.RpcError as error:
            name = error.code().name
            return Answer(is_taken=False, why=name, is_final=name not in again)
        return Answer(is_taken=True)

    return send


class Sender(threading.Thread):
    """Sends batch after batch, numbered from `first` on, until it is told to stop or has sent `count`."""

    def __init__(
        self, send: Send, batches: Batches, first: int, count: int | None = None, *, pause_s: float = 0
    ) -> None:
        super().__init__(daemon=True)
        self._pause_s = pause_s
        self._send, self._batches, self._first, self._count = send, batches, first, count
        self._stopping = threading.Event()
        self.taken: list[int] = []
        """Numbers of the batches that were acknowledged."""
        self.waits: list[tuple[float, float]] = []
        """When each was, and how long its last sending took, in seconds."""
        self.again: dict[str, int] = {}
        """Answers after which it was sent again, and how many."""
        self.refused: list[str] = []

    def run(self) -> None:
        """Until the end."""
        number = self._first
        while not self._stopping.is_set() and (self._count is None or number < self._first + self._count):
            self._deliver(number, self._batches.body(number))
            number += 1
            self._stopping.wait(self._pause_s)

    def _deliver(self, number: int, body: bytes) -> None:
        pause_s = 0.05
        while not self._stopping.is_set():
            began = time.monotonic()
            answer = self._send(body)
            if answer.is_taken:
                self.taken.append(number)
                self.waits.append((time.monotonic(), time.monotonic() - began))
                return
            if answer.is_final:
                self.refused.append(answer.why)
                return
            self.again[answer.why] = self.again.get(answer.why, 0) + 1
            self._stopping.wait(answer.after_s if answer.after_s is not None else pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def stop(self) -> None:
        """After the request that is under way."""
        self._stopping.set()


def senders(
    batches: Batches, *, http: tuple[str, int] = ("", 0), grpc: tuple[str, int] = ("", 0), count: int | None = None,
    part: int = 0, pause_s: float = 0,
) -> list[Sender]:  # fmt: skip
    """So many to each address, begun; no two send the same batch, nor do those of two parts."""
    sends = [by_http(http[0]) for _ in range(http[1])] + [by_grpc(grpc[0]) for _ in range(grpc[1])]
    made = [
        Sender(send, batches, (part * 256 + place + 1) << 40, count, pause_s=pause_s)
        for place, send in enumerate(sends)
    ]
    for one in made:
        one.start()
    return made


def missing(collector: Collector, batches: Batches, numbers: Iterable[int]) -> tuple[list[int], int]:
    """Those of the batches that are not there whole, by their ids; and how many spans are there twice, of all."""
    wanted, found, twice = set(numbers), dict[int, int](), 0
    for sender in sorted({number >> 40 for number in wanted}):
        prefix = f"{MARK.hex()}{sender << 40:016x}"[: 8 + 6]
        query = (
            "select substr(trace_id, 9, 16) as number, count(*), count(distinct trace_id || span_id) "
            f"from spans where starts_with(trace_id, '{prefix}') group by 1 order by 1"
        )
        rows = collector.sql(query)
        assert len(rows) < _AT_ONCE
        for number, spans, different in rows:
            found[int(number, 16)] = different
            twice += spans - different
    return sorted(number for number in wanted if found.get(number) != batches.spans), twice


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which this share of them is; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def free_ports(number: int) -> list[int]:
    """Ports of loopback that are free at the moment: a collector that comes back has to be where it was."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in listeners]
    for one in listeners:
        with suppress(OSError):
            one.close()
    return ports
