"""The HTTP server: its socket, its limits, its certificate, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from .config import BadSetting, Settings, Tls
from .time_limits import protocol

__all__ = ["STOP_WITHIN_S", "WebServer", "check_certificates", "listen", "room_for"]

BREAK_OFF_AFTER_S = 1

STOP_WITHIN_S = 3
"""Requests in hand get this long to end; with the checkpoint a stop takes less than 5 s."""


class WebServer(uvicorn.Server):
    """uvicorn, with signals that end it with exit code 0.

    At the first of them `stopping` is called; `break_off` a second later, for what still is not done.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, stopping: Callable[[], object], break_off: Callable[[], None]
    ) -> None:
        tls = settings.tls
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(settings.body_timeout_s, settings.connection_limit),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=STOP_WITHIN_S,
                # Exporters send every 5 s, uvicorn's own limit: each would meet a connection that is just closing.
                timeout_keep_alive=75,
                ssl_certfile=tls and tls.cert,
                ssl_keyfile=tls and tls.key,
                ssl_ca_certs=str(tls.client_ca) if tls and tls.client_ca else None,
                ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca else ssl.CERT_NONE,
            )
        )
        self._stopping, self._break_off = stopping, break_off

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; uvicorn's own would raise the signal again once it has stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        if not self.should_exit:
            self._stopping()
        self.should_exit = True
        asyncio.get_running_loop().call_later(BREAK_OFF_AFTER_S, self._break_off)


def listen(settings: Settings) -> socket.socket:
    """The socket; `BadSetting` where it can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without its protocol named asyncio does not set TCP_NODELAY, and every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise BadSetting(
            f"--http {settings.http} can't be taken ({error.strerror}); "
            "stop what listens there, or choose another port (0 is any free one)"
        ) from error
    return listener


def check_certificates(tls: Tls) -> None:
    """`BadSetting` where the files make no server's certificate: gRPC itself would only say that a port is taken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert, tls.key, password="")
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
    except (ssl.SSLError, OSError) as error:
        raise BadSetting(
            f"the files of --tls-cert, --tls-key or --tls-client-ca can't be used ({error}); "
            "are they PEM, the key without a password, and that certificate's own?"
        ) from error


def room_for(connections: int) -> None:
    """Let this process open so many files more than it needs itself, as far as the machine allows."""
    try:
        import resource  # noqa: PLC0415  Windows has none, and no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    if soft not in (resource.RLIM_INFINITY,) and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
