"""A provider on loopback that answers as a test tells it to, and remembers what it was asked.

HTTP/1.1 over plain sockets, a thread a connection: chunked streams that wait at gates, cut and reset connections,
silence, and a note of every client that left before its answer was whole. Nothing in here sleeps for a fixed time.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CUT", "RESET", "STALL", "Gate", "Provider", "Reply", "Request", "ndjson", "sse", "whole"]

PATIENCE_S = 20.0
"""How long a test waits for something that must come; reached only when it fails."""


class Gate:
    """A place in a reply where the server waits until the test opens it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        """Let the rest of the reply go on."""
        self._open.set()

    def wait_reached(self) -> None:
        """Return once everything before the gate has been sent."""
        assert self._reached.wait(PATIENCE_S), "the reply never came to this gate"


Ending = Literal["cut", "reset", "stall"]
CUT: Ending = "cut"
"""The connection is closed before the body is whole."""
RESET: Ending = "reset"
"""The connection is reset (RST) before the body is whole."""
STALL: Ending = "stall"
"""Nothing more comes, and the connection stays open until the client leaves."""

Step = bytes | Gate | Ending


@dataclass(slots=True)
class Reply:
    """One answer: a body known in advance, or the steps of a chunked one."""

    body: bytes | None = None
    steps: Iterable[Step] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def whole(body: bytes | str | Mapping[str, Any], *, status: int = 200, **headers: str) -> Reply:
    """A whole answer; an underscore in a header's name stands for a hyphen."""
    if isinstance(body, Mapping):
        body = json.dumps(body)
    return Reply(body=body.encode() if isinstance(body, str) else body, status=status, headers=_names(headers))


def sse(*steps: Step | Iterable[Step], **headers: str) -> Reply:
    """A stream of server-sent events; a list among the steps stands for its items. (A generator goes to `Reply`.)"""
    return Reply(steps=list(_flat(steps)), content_type="text/event-stream", headers=_names(headers))


def ndjson(*steps: Step | Iterable[Step], **headers: str) -> Reply:
    """A stream of JSON objects, one a line."""
    return Reply(steps=list(_flat(steps)), content_type="application/x-ndjson", headers=_names(headers))


def _flat(steps: Iterable[Step | Iterable[Step]]) -> Iterable[Step]:
    for step in steps:
        if isinstance(step, bytes | Gate | str):
            yield step
        else:
            yield from step


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(slots=True)
class Request:
    """What a client asked, and how its connection fared."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the client closed the connection before its answer was whole."""
    answered: threading.Event = field(default_factory=threading.Event)
    """Set when the whole answer was handed to the network."""

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def wait_left(self) -> None:
        """Return once the client has closed the connection early."""
        assert self.left.wait(PATIENCE_S), "the client never left"


class Provider:
    """The server. `reply` queues answers; a request with none waiting is refused and kept in `unexpected`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self.always: Reply | Callable[[Request], Reply] | None = None
        """What is answered when nothing is queued."""
        self._queue: deque[Reply] = deque()
        self._closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="provider", daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def reply(self, *replies: Reply) -> None:
        """Queue answers, one for each request to come."""
        self._queue.extend(replies)

    @property
    def last(self) -> Request:
        """The newest request."""
        return self.requests[-1]

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._closing.set()
        # shutdown wakes the accepting thread; close alone does not.
        _quietly(lambda: self._listener.shutdown(socket.SHUT_RDWR))
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _quietly(lambda it=connection: it.shutdown(socket.SHUT_RDWR))

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        try:
            while (request := _read(reader)) is not None:
                if not self._answer(connection, request, self._choose(request)):
                    break
        except OSError:
            pass
        finally:
            # The socket is really closed (and a reset sent) only when the reader's reference to it is gone too.
            reader.close()
            connection.close()
            with self._lock:
                self._connections.discard(connection)

    def _choose(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self._queue:
                return self._queue.popleft()
            if self.always is None:
                self.unexpected.append(request)
                return whole({"error": {"message": "this test did not expect a request"}}, status=418)
            return self.always if isinstance(self.always, Reply) else self.always(request)

    def _answer(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        """Whether the connection may carry another request."""
        try:
            if reply.body is not None:
                connection.sendall(_head(reply, f"content-length: {len(reply.body)}") + reply.body)
            elif not self._stream(connection, request, reply):
                return False
        except OSError:
            request.left.set()
            return False
        request.answered.set()
        return True

    def _stream(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        head: bytes | None = _head(reply, "transfer-encoding: chunked")
        for step in reply.steps:
            if step == STALL and head is not None:
                head = None  # silence from the start: not even the head is sent
            if head is not None:
                connection.sendall(head)
                head = None
            if isinstance(step, bytes):
                connection.sendall(b"%x\r\n%b\r\n" % (len(step), step))
            elif isinstance(step, Gate):
                step._reached.set()
                if not self._hold(connection, request, step._open):
                    return False
            elif step == STALL:
                return self._hold(connection, request, threading.Event())
            else:
                if step == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        connection.sendall((head or b"") + b"0\r\n\r\n")
        return True

    def _hold(self, connection: socket.socket, request: Request, opened: threading.Event) -> bool:
        """Wait until opened; False when the client left first. The poll looks for that; opening wakes it at once."""
        while not opened.wait(0.005):
            if self._closing.is_set():
                return False
            if _has_left(connection):
                request.left.set()
                return False
        return True


def _has_left(connection: socket.socket) -> bool:
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _read(reader: Any) -> Request | None:
    line = reader.readline().decode("latin1").split()
    if len(line) < 2:
        return None
    headers: dict[str, str] = {}
    while (row := reader.readline().decode("latin1").strip()) != "":
        name, _, value = row.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return Request(line[0], line[1], headers, reader.read(int(headers.get("content-length", "0"))))
    body = b""
    while size := int(reader.readline(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return Request(line[0], line[1], headers, body)


def _head(reply: Reply, length: str) -> bytes:
    rows = [f"HTTP/1.1 {reply.status} .", f"content-type: {reply.content_type}", length]
    rows += [f"{name}: {value}" for name, value in {"x-request-id": "req_wire", **reply.headers}.items()]
    return "\r\n".join([*rows, "", ""]).encode("latin1")


def _quietly(close: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        close()
