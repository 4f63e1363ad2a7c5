"""CrewAI, in an environment of its own (make test-matrix)."""

from __future__ import annotations

import gc
import os
import tempfile
from importlib.util import find_spec

import pytest

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
