"""Ending streams that are under way from outside: a kill switch that goes on reaches them too."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from .call import Call
from .errors import Blocked
from .relay import Relay, open_relays
from .safely import safely

__all__ = ["interrupt_open"]


def interrupt_open(refused: Callable[[Call], Blocked | None]) -> int:
    """End each open stream whose call is `refused`, at its next chunk or, where it is silent, at once; how many.

    Called from any thread. The reader gets the refusal in place of its next chunk.
    """
    ended = 0
    for relay in open_relays():
        with safely("interrupting a stream"):
            refusal = refused(relay.call)
            if refusal is not None:
                relay.interrupt(refusal)
                _hang_up(relay)
                ended += 1
    return ended


def _hang_up(relay: Relay) -> None:
    """Wake a reader that waits for bytes: closing its socket would not, shutting it down does, sync and async alike."""
    response = relay.response() if relay.response is not None else None
    if response is None or getattr(response, "http_version", "").startswith("HTTP/2"):
        return  # a connection that other streams share: this one ends at its next chunk
    stream: Any = getattr(response, "extensions", {}).get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    if isinstance(sock, socket.socket):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket's own would drop its state under the reader
    elif sock is not None:
        sock.shutdown(socket.SHUT_RDWR)
