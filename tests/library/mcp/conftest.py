"""MCP, in an environment of its own (make test-matrix)."""

import pytest

pytest.importorskip("mcp", reason="in an environment of its own: make test-matrix")


@pytest.fixture
def anyio_backend() -> str:
    """As the SDK's users run it."""
    return "asyncio"
