"""The collector as a process: wires its parts, runs until it is told to stop. The only place that exits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from .answers import refusal
from .api import (
    about,
    aggregates,
    exporters,
    feedback,
    kill,
    maintenance,
    own_metrics,
    policy,
    policy_history,
    signals,
    spans,
    sql,
    tail,
    traces,
)
from .asker import Asker
from .auth import Auth, refuse_open_doors
from .clocks import SteadyClock
from .commits import Commits
from .config import Address, BadSetting, Settings, is_loopback, read_settings
from .exporter_status import Status
from .exporters import Exporters, read_destinations
from .hosts import OnlyKnownOrigins, OnlyLoopbackHosts
from .journal import STORE, Journal
from .listening import STOP_WITHIN_S, WebServer, check_certificates, listen, room_for
from .live import Live
from .policies import Policies
from .priority import step_back
from .questions import Busy
from .receivers.http import OtlpHttp
from .receivers.intake import Intake
from .recovery import Following, recover
from .retention import read_retention
from .stores.duckdb import open_store
from .stores.spec import Store
from .telemetry import Telemetry, otlp_readers, prometheus_reader
from .time_limits import BodyInTime

__all__ = ["build", "main", "serve"]

log = logging.getLogger(__name__)

ROOM_LOOKED_FOR_S = 1.0
OBJECTS_A_COLLECTION = 50_000
"""More of them than before: some 10 MB of spans, or of cycles, which hardly anything makes here."""


class _Onward:
    """The journal, and the exporters that read it, where there are any."""

    def __init__(self, settings: Settings) -> None:
        self._to = read_destinations(settings.config) if settings.config is not None else []
        names = [STORE, *(one.name for one in self._to)]
        self.journal = Journal(
            settings.data / "journal", names, size=settings.journal_size, age_s=settings.journal_age_s
        )
        self._exporters: Exporters | None = None

    def start(self, store: Store, commits: Commits) -> None:
        """Let the exporters go on where they were left."""
        if self._to:
            self._exporters = Exporters(self._to, self.journal, store, commits.catch_up)
            self._exporters.start()

    def statuses(self) -> list[Status]:
        """Of each, as of now."""
        return self._exporters.statuses if self._exporters else []

    def close(self) -> None:
        """What was not sent is sent after the next start."""
        if self._exporters is not None:
            self._exporters.close()
        self.journal.close()


def build(
    settings: Settings, store: Store, intake: Intake, auth: Auth, questions: Executor, live: Live, policies: Policies,
    onward: _Onward,
) -> ASGIApp:  # fmt: skip
    """The application: OTLP in, the query API out. `questions` are threads: decoding has others, neither may starve."""
    asker = Asker(
        store, intake.commits, questions, sql_timeout_s=settings.sql_timeout_s, sql_row_limit=settings.sql_row_limit
    )
    otlp = OtlpHttp(intake, body_limit=settings.body_limit)
    groups = (traces, spans, aggregates, signals, sql)
    app = Starlette(
        routes=[
            auth.guard(route)
            for route in (
                *about.routes(),
                *otlp.routes,
                *(route for group in groups for route in group.routes(asker)),
                *tail.routes(live),
                *feedback.routes(intake.commits),
                *maintenance.routes(asker, intake.commits),
                *policy.routes(policies),
                *policy_history.routes(policies),
                *kill.routes(policies),
                *own_metrics.routes(),
                *exporters.routes(onward.statuses),
            )
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False  # exporters follow no redirect: they are told the right path
    guarded = OnlyKnownOrigins(BodyInTime(app, settings.body_timeout_s), settings.cors_origins)
    return OnlyLoopbackHosts(guarded) if is_loopback(settings.host) else guarded


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


async def serve(settings: Settings, store: Store) -> None:
    """Serve until told to stop; then store what was accepted."""
    with (
        listen(settings) as listener,
        ThreadPoolExecutor(2, initializer=step_back) as decoding,
        ThreadPoolExecutor(4) as questions,
    ):
        live, policies = Live(), Policies(settings.data)
        telemetry = Telemetry([prometheus_reader(), *otlp_readers()])
        onward = _Onward(settings)
        telemetry.watch_exporters(onward.statuses)
        stored = store.follow(onward.journal.identity)
        commits = Commits(telemetry.timed(store.write), store.tidy, live.publish, store.upkeep)
        try:
            commits.spine = Following(onward.journal, settings.data / "set-aside", telemetry.set_aside)
            await asyncio.to_thread(recover, onward.journal, commits, stored)
            onward.start(store, commits)
            intake = Intake(
                commits,
                decoding,
                in_flight_limit=settings.in_flight_limit,
                telemetry=telemetry,
                journal=onward.journal,
                now_ns=SteadyClock(),  # of the journal's scale
                span_columns=store.span_columns,
            )
            telemetry.watch(lambda: intake.in_flight, commits, settings.data)
            auth = Auth(settings, telemetry.unauthorized)
            async with _grpc(settings, intake, auth) as (grpc, stop_grpc):
                app = build(settings, store, intake, auth, questions, live, policies, onward)

                def stopping() -> None:
                    stop_grpc()
                    live.close()
                    policies.close()

                server = WebServer(app, settings, stopping, store.break_off)
                running = asyncio.create_task(server.serve(sockets=[listener]))
                while not (server.started or running.done()):
                    await asyncio.sleep(0.01)
                if server.started:
                    _say_ready(settings, Address(*listener.getsockname()[:2]), grpc)
                with _collecting_seldom():
                    await running
        finally:
            commits.close()
            onward.close()
            telemetry.close()
            store.close()


@contextlib.contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Spans are trees, which need no collector of cycles, and it would look again and again at all that wait to be
    written: at Python's own pace that is a sixth of what a span costs.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()  # what is there by now stays: modules, routes, settings
    gc.set_threshold(OBJECTS_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.asynccontextmanager
async def _grpc(
    settings: Settings, intake: Intake, auth: Auth
) -> AsyncIterator[tuple[Address | None, Callable[[], None]]]:
    """OTLP/gRPC while the block runs: where it listens, and what makes it take no more."""
    if settings.grpc is None:
        yield None, lambda: None
        return
    from .receivers.grpc import OtlpGrpc  # noqa: PLC0415  30 MB that nobody needs who switched it off

    receiver = OtlpGrpc(intake, auth, message_limit=settings.message_limit, timeout_s=settings.body_timeout_s)
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        stopping.append(asyncio.create_task(receiver.stop(STOP_WITHIN_S)))

    try:
        yield await receiver.start(settings.grpc, settings.tls), stop
    finally:
        await asyncio.gather(receiver.stop(STOP_WITHIN_S), *stopping)


def _say_ready(settings: Settings, http: Address, grpc: Address | None) -> None:
    scheme = "https" if settings.tls else "http"
    beside = f" and {scheme}://{grpc} for gRPC" if grpc else ""
    # The one line that starters wait for.
    print(f"otelllm collector ready: {scheme}://{http}{beside} (data in {settings.data})", flush=True)  # noqa: T201


def _open(settings: Settings) -> Store:
    """The store; where its disk is full, once there is room again: whoever frees it need not think of us."""
    retention, is_told = read_retention(settings), False
    while True:
        try:
            return open_store(settings.data, settings.memory_limit, retention)
        except Busy as error:
            if not is_told:
                log.error("%s; waiting until there is room", error)
                is_told = True
            time.sleep(ROOM_LOOKED_FOR_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)  # DuckDB makes its files as the umask says, and prompts are nobody else's to read
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
        refuse_open_doors(settings)
        if settings.tls is not None:
            check_certificates(settings.tls)
        room_for(settings.connection_limit)
        store = _open(settings)
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
