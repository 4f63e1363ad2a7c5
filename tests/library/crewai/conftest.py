"""CrewAI, in an environment of its own (make test-matrix)."""

import os
import tempfile

import pytest

# Read while it is imported: its telemetry and its traces go out over the network, and its first run asks questions.
os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true",
    CREWAI_DISABLE_VERSION_CHECK="true",
    CREWAI_STORAGE_DIR=tempfile.mkdtemp(prefix="otelllm-crewai-"),
    CREWAI_TESTING="true",
    CREWAI_TRACING_ENABLED="false",
)

pytest.importorskip("crewai", reason="in an environment of its own: make test-matrix")
