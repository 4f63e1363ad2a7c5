"""The running collector sends onward what it takes in: through outages, restarts and a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from collector.backends import Backend, http_backend, until
from collector.exports import as_otlp_json, request, span

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start


pytestmark = pytest.mark.slow  # processes of its own


def _settings(folder: Path, endpoint: str, **more: Any) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"endpoint": endpoint, **more}.items()]
    path = folder / "collector.toml"
    path.write_text("\n".join(["[[exporter]]", *lines, ""]), encoding="utf-8")
    return str(path)


def _status(collector: Collector) -> dict[str, Any]:
    (one,) = collector.get("/api/exporters")["exporters"]
    return dict(one)


def _send(collector: Collector, *names: str) -> None:
    for name in names:
        assert collector.send(request(span(name=name))).status_code == 200


def test_what_comes_in_goes_on(tmp_path: Path, start: Start) -> None:
    """Both encodings; JSON as protobuf. Its lag and counts can be asked for."""
    with http_backend() as backend:
        collector = start(tmp_path / "data", "--config", _settings(tmp_path, backend.endpoint))
        _send(collector, "one")
        answer = collector.client.post("/v1/traces", json=as_otlp_json(request(span(name="two"))))
        assert answer.status_code == 200
        backend.wait(lambda: len(backend.spans) == 2)
        assert [one.name for one in backend.spans] == ["one", "two"]
        until(lambda: _status(collector)["waiting_records"] == 0)
        status = _status(collector)
        assert (status["name"], status["sent_records"], status["last_error"]) == ("otlp", {"traces": 2}, None)
        assert 'otelllm_collector_exporter_sent_total{exporter="otlp"} 2.0' in collector.client.get("/metrics").text
        assert collector.sql("select count(*) from spans") == [[2]]


def test_a_kill_and_an_outage_cost_nothing(tmp_path: Path, start: Start) -> None:
    """At least once: what was acknowledged comes, though the collector was killed before the backend was there."""
    backend = Backend()
    with http_backend(backend):
        port = int(backend.endpoint.rpartition(":")[2])
    config = _settings(tmp_path, backend.endpoint)
    names = [f"span {number}" for number in range(20)]
    first = start(tmp_path / "data", "--config", config)
    _send(first, *names[:10])
    until(lambda: _status(first)["failing_for_s"] is not None)
    assert _status(first)["waiting_records"] == 10
    first.kill()
    second = start(tmp_path / "data", "--config", config)
    _send(second, *names[10:])
    with http_backend(backend, port):
        backend.wait(lambda: len(backend.spans) >= 20)
        until(lambda: _status(second)["waiting_records"] == 0)
    assert [one.name for one in backend.spans] == names


def test_a_backend_that_is_away_holds_up_no_intake_and_no_stop(tmp_path: Path, start: Start) -> None:
    collector = start(tmp_path / "data", "--config", _settings(tmp_path, "http://127.0.0.1:9", timeout_s=1))
    _send(collector, *map(str, range(5)))
    assert collector.stop() == 0


def test_a_wrong_setting_ends_the_start(tmp_path: Path) -> None:
    config = _settings(tmp_path, "http://127.0.0.1:9", kind="tempoo")
    for given, told in ((config, "tempoo"), (str(tmp_path / "none.toml"), "none.toml")):
        done = subprocess.run(
            [sys.executable, "-m", "otelllm_collector", "--data", tmp_path / "data", "--http", "127.0.0.1:0",
             "--config", given],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert told in done.stderr


def test_without_exporters_there_are_none(collector: Collector) -> None:
    assert collector.get("/api/exporters") == {"exporters": []}
    assert httpx.get(f"{collector.url}/healthz").status_code == 200
