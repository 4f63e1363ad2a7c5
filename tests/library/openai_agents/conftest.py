"""The OpenAI Agents SDK, in an environment of its own (make test-matrix); it sends its own traces nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

pytest.importorskip("agents", reason="in an environment of its own: make test-matrix")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wire.server import Provider


@pytest.fixture(autouse=True)
def sends_no_traces() -> Iterator[None]:
    """Its exporter is taken off: nothing leaves the machine. (Ours is added by `instrument()`, after it.)"""
    from agents.tracing import get_trace_provider

    many: Any = get_trace_provider()._multi_processor  # type: ignore[attr-defined]
    before = many._processors
    many._processors = tuple(one for one in before if type(one).__name__ == "_Processor")
    yield
    many._processors = tuple(one for one in many._processors if type(one).__name__ == "_Processor")


@pytest.fixture
def client(provider: Provider) -> Any:
    """The real SDK's client, pointed at loopback."""
    return openai.AsyncOpenAI(api_key="sk-test", base_url=provider.url, max_retries=0)
