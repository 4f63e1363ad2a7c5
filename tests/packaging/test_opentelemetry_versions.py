"""The oldest OpenTelemetry that pyproject.toml says we support (the newest is what every other test runs on)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, checked

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

# What touches OpenTelemetry: spans, metrics, events, exporters, exits. The parsers don't.
CHOSEN = (
    "tests/library/openai/test_whole.py",
    "tests/library/openai/test_streams.py",
    "tests/library/test_decorators.py",
    "tests/library/test_setup.py",
    "tests/library/test_processes.py",
)


def test_the_library_works_on_the_oldest_opentelemetry(
    built: dict[str, Path], environment: Callable[..., Path]
) -> None:
    """API, SDK and exporter at the lower bound, in an environment of their own."""
    text = (ROOT / "pyproject.toml").read_text()
    oldest = re.findall(r'"(opentelemetry-[a-z-]*(?:sdk|api|http))>=([\d.]+)"', text)
    assert len(oldest) == 3
    pins = [f"{name}=={version}.0" for name, version in oldest]
    python = environment(built["wheel"], *pins, "openai", "pytest", "gunicorn")
    chosen = [str(ROOT / one) for one in CHOSEN]
    printed = checked(python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, cwd=ROOT)
    assert re.search(r"\d+ passed", printed)
