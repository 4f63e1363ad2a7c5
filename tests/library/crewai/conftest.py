"""CrewAI, in an environment of its own (make test-matrix)."""

from __future__ import annotations

import gc
import os
import tempfile
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Read while it is imported: its telemetry and its traces go out over the network, and its first run asks questions.
if find_spec("crewai") is not None:
    os.environ.update(
        CREWAI_DISABLE_TELEMETRY="true",
        CREWAI_DISABLE_VERSION_CHECK="true",
        CREWAI_STORAGE_DIR=tempfile.mkdtemp(prefix="otelllm-crewai-"),
        CREWAI_TESTING="true",
        CREWAI_TRACING_ENABLED="false",
    )

pytest.importorskip("crewai", reason="in an environment of its own: make test-matrix")


@pytest.fixture(autouse=True)
def what_crewai_imported_is_not_looked_through() -> None:
    """Each test's end collects garbage, which takes a second in a heap of this size."""
    gc.freeze()


@pytest.fixture(autouse=True)
def events_are_handled() -> Iterator[None]:
    """CrewAI's own listeners, in threads of its own, are done before the next test."""
    yield
    import_module("crewai.events").crewai_event_bus.flush()
