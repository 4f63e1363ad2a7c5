from __future__ import annotations

import contextlib
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from driving import collections_when_asked_for, tls  # noqa: F401  one is a fixture of every test here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

pytest.importorskip("langgraph")
pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_anthropic")


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def nothing_of_ours_failed_or_stayed() -> Iterator[None]:
    """LangChain swallows what a handler raises: its warning fails the test. Nothing is open at a test's end."""
    from otelllm.enclosing import enclosing
    from otelllm.frameworks.langchain.open_steps import FRAME, steps

    from .apps import clients

    log, warnings = logging.getLogger("langchain_core.callbacks.manager"), _Warnings()
    log.addHandler(warnings)
    yield
    log.removeHandler(warnings)
    clients.clear()
    assert warnings.messages == []
    assert len(steps) == 0, "a run was started and never ended"
    assert FRAME.get() is None
    assert enclosing() is None


@pytest.fixture
def openai_model(provider: Provider) -> Iterator[Any]:
    """langchain_openai's chat model, of the provider on loopback."""
    import openai
    from langchain_openai import ChatOpenAI

    from .apps import clients

    # HTTP clients of its own: LangChain's are kept by their URL, and a port comes back in another test.
    with openai.DefaultHttpxClient(verify=tls()) as client:
        model = ChatOpenAI(
            model="gpt-4o-mini", api_key="sk-test", base_url=provider.url, max_retries=0, http_client=client,
            http_async_client=openai.DefaultAsyncHttpxClient(verify=tls()),
        )  # fmt: skip
        clients.append(lambda: model.root_async_client)
        yield model


@pytest.fixture
def anthropic_model(provider: Provider) -> Iterator[Any]:
    """langchain_anthropic's chat model, of the provider on loopback."""
    from langchain_anthropic import ChatAnthropic

    from .apps import clients

    url = provider.url.removesuffix("/v1")
    model = ChatAnthropic(model="claude-opus-4-8", api_key="sk-test", base_url=url, max_retries=0)
    clients.append(lambda: model._async_client)
    yield model
    model._client.close()
    with contextlib.suppress(ImportError):
        kept = import_module("langchain_anthropic._client_utils")
        kept._get_default_httpx_client.cache_clear()
        kept._get_default_async_httpx_client.cache_clear()


@pytest.fixture
def full(otel: Telemetry) -> Telemetry:
    """Instrumented, with content."""
    otel.instrument(capture="full")
    return otel
