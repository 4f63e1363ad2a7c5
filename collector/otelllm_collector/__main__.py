"""The collector as a process: wires its parts, runs until it is told to stop. The only place that exits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from otelllm.version import __version__

from .answers import answer, refusal
from .api import aggregates, signals, spans, sql, traces
from .asker import Asker
from .commits import Commits
from .config import BadSetting, Settings, is_loopback, read_settings
from .hosts import OnlyLoopbackHosts
from .receivers.http import OtlpHttp
from .stores.duckdb import open_store
from .stores.spec import Store

__all__ = ["build", "main", "serve"]

QUESTIONS_END_WITHIN_S = 1

STOP_WITHIN_S = 3
"""Requests in hand get this long to end; with the checkpoint a stop takes less than 5 s."""


def build(
    settings: Settings, store: Store, commits: Commits, threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor]
) -> ASGIApp:
    """The application: OTLP in, the query API out. `threads` decode and ask: neither may starve the other."""
    decoding, questions = threads
    asker = Asker(store, questions, sql_timeout_s=settings.sql_timeout_s, sql_row_limit=settings.sql_row_limit)
    otlp = OtlpHttp(commits, decoding, body_limit=settings.body_limit, in_flight_limit=settings.in_flight_limit)
    groups = (traces, spans, aggregates, signals, sql)
    app = Starlette(
        routes=[
            Route("/healthz", _health),
            *otlp.routes,
            *(route for group in groups for route in group.routes(asker)),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False  # exporters follow no redirect: they are told the right path
    return OnlyLoopbackHosts(app) if is_loopback(settings.host) else app


async def _health(_: Request) -> Response:
    return answer({"status": "ok", "version": __version__})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, headers = request.url.path, dict(error.headers or {})
    message = {
        404: f"there is no {path!r} here; OTLP is at /v1/traces, /v1/metrics and /v1/logs, questions are at /api/",
        405: f"{request.method} is not allowed for {path!r}; use {headers.get('Allow', 'another')}",
    }
    return refusal(error.status_code, message.get(error.status_code, str(error.detail)), headers)


async def _failed(_: Request, error: Exception) -> Response:
    return refusal(500, f"the collector failed at this ({type(error).__name__}); its log says where")


class _Server(uvicorn.Server):
    """uvicorn, with signals that end it with exit code 0; `break_off` is called a second after the first of them."""

    def __init__(self, config: uvicorn.Config, break_off: Callable[[], None]) -> None:
        super().__init__(config)
        self._break_off = break_off

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; uvicorn's own would raise the signal again once it has stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True
        asyncio.get_running_loop().call_later(QUESTIONS_END_WITHIN_S, self._break_off)


async def serve(settings: Settings, store: Store) -> None:
    """Serve until told to stop; then commit what was accepted."""
    with _listening(settings) as listener, ThreadPoolExecutor(2) as decoding, ThreadPoolExecutor(4) as questions:
        commits = Commits(store.write, store.tidy)
        try:
            server = _Server(
                uvicorn.Config(
                    build(settings, store, commits, (decoding, questions)),
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    timeout_graceful_shutdown=STOP_WITHIN_S,
                    # Exporters send every 5 s, uvicorn's own limit: each would meet a connection that is just closing.
                    timeout_keep_alive=75,
                ),
                store.break_off,
            )
            running = asyncio.create_task(server.serve(sockets=[listener]))
            while not (server.started or running.done()):
                await asyncio.sleep(0.01)
            if server.started:
                host, port = listener.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                print(f"otelllm collector ready: http://{shown}:{port} (data in {settings.data})", flush=True)  # noqa: T201  the one line that starters wait for
            await running
        finally:
            commits.close()
            store.close()


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without its protocol named asyncio does not set TCP_NODELAY, and every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise BadSetting(
            f"--http {settings.host}:{settings.port} can't be taken ({error.strerror}); "
            "stop what listens there, or choose another port (0 is any free one)"
        ) from error
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)  # DuckDB makes its files as the umask says, and prompts are nobody else's to read
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
        store = open_store(settings.data, settings.memory_limit)
        try:
            asyncio.run(serve(settings, store))
        finally:
            store.close()
    except BadSetting as error:
        print(f"otelllm collector: {error}", file=sys.stderr)  # noqa: T201  for whoever started it
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
