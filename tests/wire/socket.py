"""A provider on loopback that speaks over a websocket, from a script: what it waits for, and what it then sends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

__all__ = ["Close", "Heard", "SocketProvider", "Step", "Until"]

PATIENCE_S = 10


@dataclass(frozen=True, slots=True)
class Until:
    """Wait for an event of this kind from the client."""

    kind: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code; without one, drop it as a network does."""

    code: int | None = 1000
    reason: str = ""


Step = dict[str, Any] | Until | Close


@dataclass(slots=True)
class Heard:
    """What one client asked for, and said."""

    path: str
    headers: dict[str, str]
    events: list[dict[str, Any]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the client is gone."""


class SocketProvider:
    """The server: each connection is answered by the next script; after its last step it waits for the client to go."""

    def __init__(self) -> None:
        self.connections: list[Heard] = []
        self._scripts: list[list[Step]] = []
        self.refusal: tuple[int, bytes] | None = None
        """A status and a body that every handshake gets in place of a connection."""
        self._server = serve(
            self._talk, "127.0.0.1", 0, process_request=self._admit, compression=None,
            process_response=self._sign,
        )  # fmt: skip
        self.port: int = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, name="sockets", daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Heard:
        """The newest connection."""
        return self.connections[-1]

    def script(self, *steps: Step | Iterable[Step]) -> None:
        """What the next connection gets; a list among the steps stands for its items."""
        flat: list[Step] = []
        for step in steps:
            flat.extend([step] if isinstance(step, dict | Until | Close) else step)
        self._scripts.append(flat)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def _admit(self, connection: ServerConnection, request: Any) -> Any:
        if self.refusal is None:
            return None
        status, body = self.refusal
        return connection.respond(status, body.decode())

    def _sign(self, connection: ServerConnection, request: Any, response: Any) -> Any:
        response.headers["x-request-id"] = "req_wire"
        return response

    def _talk(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        heard = Heard(request.path, {name.lower(): value for name, value in request.headers.raw_items()})
        self.connections.append(heard)
        try:
            for step in self._scripts.pop(0):
                if isinstance(step, Until):
                    _wait(connection, heard, lambda event, kind=step.kind: event["type"] == kind)
                elif isinstance(step, Close):
                    if step.code is None:
                        connection.socket.shutdown(2)
                    else:
                        connection.close(step.code, step.reason)
                    return
                else:
                    connection.send(json.dumps(step))
            _wait(connection, heard, lambda event: False)
        except ConnectionClosed:
            pass
        finally:
            heard.left.set()


def _wait(connection: ServerConnection, heard: Heard, found: Callable[[dict[str, Any]], bool]) -> None:
    while True:
        event = json.loads(connection.recv(timeout=PATIENCE_S))
        heard.events.append(event)
        if found(event):
            return
