"""`otelllm up` and an interrupted demo: they start what they should, and nothing outlives them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest
from end_to_end.app import otelllm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_runs_collector_and_dashboard_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    program = otelllm("up", "--data", str(tmp_path), "--http", "127.0.0.1:0", "--port", "0")
    dashboard = program.after("otelllm dashboard ready: ")
    collector = program.after("otelllm collector ready: ").split()[0]
    assert answers(f"{collector}/healthz")
    assert answers(dashboard)
    assert program.stop(number) == 0, program.output
    assert not answers(f"{collector}/healthz")
    assert not answers(dashboard)
    assert program.left() == []


def test_a_demo_that_is_interrupted_while_the_agent_runs_stops_cleanly(tmp_path: Path) -> None:
    program = otelllm("demo", "--http", "127.0.0.1:0", "--port", "0", TMPDIR=str(tmp_path))
    program.after("otelllm dashboard ready: ")
    assert program.stop() == 0, program.output
    assert program.left() == []
    assert list(tmp_path.iterdir()) == [], "its own data folder is gone"


def test_the_commands_take_their_options_from_variables_too(tmp_path: Path) -> None:
    program = otelllm("collector", OTELLLM_DATA=str(tmp_path / "kept"), OTELLLM_HTTP="127.0.0.1:0")
    address = program.after("otelllm collector ready: ")
    assert str(tmp_path / "kept") in address
    asked = otelllm("query", "select count(*) as spans from spans", "--format", "csv", OTELLLM_URL=address.split()[0])
    assert asked.wait() == 0
    assert asked.output == "spans\n0\n"
    assert program.stop() == 0, program.output
