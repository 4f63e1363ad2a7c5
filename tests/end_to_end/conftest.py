"""One run of the example on the real model for all tests; its data then served by a collector started anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from end_to_end.app import Program, otelllm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Api:
    """The collector's API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def get(self, path: str, **arguments: Any) -> dict[str, Any]:
        answer = self._client.get(path, params=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def traces(self, **filters: Any) -> list[dict[str, Any]]:
        return self.get("/api/traces", **filters)["traces"]

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        return self.get(f"/api/traces/{trace_id}")["spans"]

    def span(self, trace_id: str, span_id: str) -> dict[str, Any]:
        return self.get(f"/api/traces/{trace_id}/spans/{span_id}")

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def demo(data: Path) -> Program:
    """`otelllm demo --once`, ended: the agent on the real model, its spans in the collector's folder."""
    program = otelllm("demo", "--once", "--data", str(data), "--http", "127.0.0.1:0", "--port", "0")
    program.wait()
    return program


@pytest.fixture(scope="session")
def api(demo: Program, data: Path) -> Iterator[Api]:
    """A collector started on the folder that the demo's left behind: what it tells was kept."""
    assert demo.process.returncode == 0, demo.output
    collector = otelllm("collector", "--data", str(data), "--http", "127.0.0.1:0")
    api = Api(collector.after("otelllm collector ready: ").split()[0])
    yield api
    api.close()
    assert collector.stop() == 0, collector.output
