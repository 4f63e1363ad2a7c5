"""MCP, in an environment of its own (make test-matrix)."""

from importlib.metadata import version

import pytest

pytest.importorskip("mcp", reason="in an environment of its own: make test-matrix")

collect_ignore = ["test_mcp.py"] if version("mcp").startswith("1.") else ["test_version_one.py"]


@pytest.fixture
def anyio_backend() -> str:
    """As the SDK's users run it."""
    return "asyncio"
