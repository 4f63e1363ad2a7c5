"""For every test: our own failures are fatal, the environment is clean, the OpenTelemetry context is left as it was."""

from __future__ import annotations

import gc
import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context

from otelllm import safely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

# Settings of whoever runs the tests; a proxy would also catch requests to loopback.
_LEAKING = (
    "OTEL_",
    "OTELLLM_",
    "OPENAI_",
    "AZURE_OPENAI_",
    "ANTHROPIC_",
    "OLLAMA_",
    "CO_API_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)

# Whose fixtures of the whole run are costly, or which start a local model that needs the machine to itself.
_TOGETHER = {"dashboard": "dashboard", "end_to_end": "model", "packaging": "packaging", "test_local_model.py": "model"}


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side (`-n 2 --dist loadgroup`) a file's tests stay in one process, and the long files begin."""
    if not hasattr(config, "workerinput"):
        return
    groups = {
        item: next((_TOGETHER[it] for it in item.path.parts if it in _TOGETHER), str(item.path)) for item in items
    }
    long = {groups[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: groups[item] not in long)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item]))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.upper().startswith(_LEAKING):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """What the library would swallow in production fails the test."""
    before = safely.strict(True)
    yield
    safely.strict(before)


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def context_is_left_alone() -> Iterator[None]:
    """The current context is the same object after a test, and no token was reset in a foreign one."""
    log = logging.getLogger("opentelemetry.context")
    records = _Records()
    log.addHandler(records)
    before = context.get_current()
    yield
    log.removeHandler(records)
    assert context.get_current() is before, "a context was attached and never detached"
    assert records.messages == [], "a context token was reset in another context"


@pytest.fixture
def otel() -> Iterator[Telemetry]:
    """The library instrumented, capture off, exporters in memory; `otel.instrument(capture="full")` does it anew."""
    from telemetry import Telemetry

    import otelllm

    telemetry = Telemetry()
    telemetry.instrument()
    yield telemetry
    # Streams that a test abandoned in a reference cycle end now, not in a later test.
    gc.collect()
    otelllm.uninstrument()
    telemetry.shutdown()
