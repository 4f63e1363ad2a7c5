"""Where spans go from here, and whether they arrive: one real span is sent, and what came back is told."""

from __future__ import annotations

import logging
import queue
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import BadConfig
from ..export import Delivery, exporter
from ..version import __version__
from ._client import ask
from ._failure import Failure
from ._finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["arrival", "collector"]

ANSWER_SECONDS = 10.0
SPAN = "otelllm doctor"


def arrival() -> Iterator[Finding]:
    """Where this environment's exporters, or those of the app that was imported, send to; what a span of ours got."""
    try:
        settings = config.read()
        if settings.sdk_disabled:
            return  # said already, of the environment
        exporters = _of_the_app() or [
            exporter("traces", settings.traces_exporter, settings.protocol, None, Delivery("the endpoint below"))
        ]
    except BadConfig as error:
        yield Finding("spans", False, f"spans: {error}")
        return
    for one in exporters:
        yield _sent(one)


def _of_the_app() -> list[Any]:
    """The span exporters of the global provider, where an app has set one."""
    from opentelemetry import trace  # noqa: PLC0415  the library, for this command only

    processors = getattr(getattr(trace.get_tracer_provider(), "_active_span_processor", None), "_span_processors", ())
    found = (getattr(one, "span_exporter", None) or getattr(one, "_exporter", None) for one in processors)
    return [one for one in found if one is not None]


def _sent(to: Any) -> Finding:
    if to is None:
        return Finding("spans", False, "spans go nowhere: OTEL_TRACES_EXPORTER is none", facts={"exporter": None})
    kind = f"{type(to).__mro__[0].__name__}"
    where = getattr(to, "_endpoint", None)
    protocol = "grpc" if any(".grpc." in base.__module__ for base in type(to).__mro__) else "http/protobuf"
    facts: dict[str, Any] = {"exporter": kind, "endpoint": where, "protocol": protocol if where else None}
    if where is None:
        text = f"spans go to a {kind}, which names no endpoint: no test span was sent"
        return Finding("spans", True, text, facts={**facts, "arrived": None, "answer": None})
    arrived, answer = _try(to)
    text = f"spans go by OTLP ({protocol}) to {where}: "
    text += "a test span was taken" if arrived else f"a test span did not arrive ({_short(answer)})"
    more = () if arrived else ("start a collector there (otelllm up), or set OTEL_EXPORTER_OTLP_ENDPOINT",)
    return Finding("spans", arrived, text, more, {**facts, "arrived": arrived, "answer": answer})


def _short(answer: str) -> str:
    """The point of an exporter's message: "401 Unauthorized", "Connection refused", else all of it."""
    if found := re.search(r"code: (\d+), reason: (.*)", answer):
        return f"{found[1]} {found[2]}"
    found = re.search(r"Transient error (.+?) encountered", answer)
    reason = re.search(r"\[Errno -?\d+\] ([\w ,.-]+)|(Connection refused|StatusCode\.\w+)", answer)
    return reason[1] or reason[2] if reason else found[1] if found else answer


def _try(to: Any) -> tuple[bool, str]:
    """Export one span: whether it was taken, and what the other side, or the way to it, said first."""
    heard: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()

    def export() -> None:
        try:
            result = to.export([_span()])
        except Exception as error:  # whatever an exporter raises is the answer
            heard.put((False, f"{type(error).__name__}: {error}"))
        else:
            taken = getattr(result, "name", "") == "SUCCESS"
            heard.put((taken, "taken" if taken else "the exporter says that it failed"))

    with _listening(heard):
        threading.Thread(target=export, daemon=True).start()  # it may go on retrying: its first word is enough
        try:
            return heard.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            return False, f"no answer in {ANSWER_SECONDS:.0f} s"


@contextmanager
def _listening(heard: queue.SimpleQueue[tuple[bool, str]]) -> Iterator[None]:
    """The exporters tell what went wrong by their loggers alone; for this long it is heard, and not printed."""

    class Ear(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if record.levelno >= logging.WARNING:
                heard.put((False, record.getMessage()))
            return False

    ear = Ear()
    names = [name for name in logging.root.manager.loggerDict if name.startswith("opentelemetry.exporter.")]
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.filters.insert(0, ear)  # before the one that keeps them quiet
    ours = logging.getLogger("otelllm.export")
    was, ours.disabled = ours.disabled, True
    try:
        yield
    finally:
        ours.disabled = was
        for logger in loggers:
            logger.removeFilter(ear)


def _span() -> Any:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": "otelllm-doctor"}), shutdown_on_exit=False)
    span = provider.get_tracer("otelllm", __version__).start_span(SPAN)
    span.end()
    return span


def collector(url: str, *, wanted: bool) -> Finding:
    """Whether our collector answers at `url`; where it is not `wanted`, because spans arrive elsewhere, it may not."""
    try:
        health = ask(url, "/healthz")
    except Failure as failure:
        text = str(failure) if wanted else f"no collector of ours at {url}, and none is needed: spans arrive elsewhere"
        return Finding("collector", not wanted, text, facts={"url": url, "version": None})
    text = f"collector {health.get('version')} answers at {url}"
    return Finding(
        "collector", health.get("status") == "ok", text, facts={"url": url, "version": health.get("version")}
    )
