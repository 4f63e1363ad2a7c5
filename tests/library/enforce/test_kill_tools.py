"""Tools that are switched off are not run: decorated functions of each kind, and tools of MCP servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import otelllm
from otelllm import semconv
from otelllm.policy import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from telemetry import Telemetry

RULE: Any = {"kill": [{"name": "no money", "when": {"tool": "refund*"}}]}
ran: list[str] = []


@otelllm.tool
def refund(amount: int) -> str:
    ran.append("refund")
    return f"paid {amount}"


@otelllm.tool(name="refund_later")
async def later(amount: int) -> str:
    ran.append("later")
    return f"will pay {amount}"


@otelllm.tool(name="refund_stepwise")
def stepwise(amount: int) -> Iterator[int]:
    ran.append("stepwise")
    yield amount


@otelllm.tool(name="refund_in_steps")
async def in_steps(amount: int) -> AsyncIterator[int]:
    ran.append("in_steps")
    yield amount


@otelllm.tool
def look_up(name: str) -> str:
    return name


async def _all(steps: AsyncIterator[int]) -> list[int]:
    return [step async for step in steps]


@pytest.mark.parametrize(
    "run",
    [
        lambda: refund(5),
        lambda: asyncio.run(later(5)),
        lambda: list(stepwise(5)),
        lambda: asyncio.run(_all(in_steps(5))),
    ],
    ids=["sync", "async", "generator", "async generator"],
)
def test_a_tool_that_is_switched_off_is_not_run(run: Any, otel: Telemetry) -> None:
    otel.instrument(policy=RULE)
    ran.clear()
    with pytest.raises(otelllm.KillSwitchOn, match="'no money' is on for tool=refund\\*; the tool was not run"):
        run()
    assert ran == []
    assert otel.span.name.startswith("execute_tool refund")
    assert otel.attributes[semconv.ERROR_TYPE] == "KillSwitchOn"


def test_other_tools_run(otel: Telemetry) -> None:
    otel.instrument(policy=RULE)
    assert look_up("x") == "x"


def test_a_rule_may_say_for_whom(otel: Telemetry) -> None:
    otel.instrument(policy={"kill": [{"when": {"tool": "refund", "user": "u-1"}}]})
    assert refund(1) == "paid 1"
    with otelllm.context(user="u-1"), pytest.raises(otelllm.KillSwitchOn):
        refund(1)


def test_in_shadow_it_runs_and_the_span_says_that_it_would_not(otel: Telemetry) -> None:
    otel.instrument(policy={"kill": [{"name": "try", "mode": "shadow", "when": {"tool": "refund"}}]})
    assert refund(1) == "paid 1"
    assert _decided(otel) == [("kill_switch", "try", "shadow", "would_block", "tool=refund")]
    assert otel.attributes[semconv.POLICY_VERSION]
    assert _counted(otel) == [("try", "would_block", 1)]


def test_a_refusal_is_a_decision_too(otel: Telemetry) -> None:
    otel.instrument(policy=RULE)
    with pytest.raises(otelllm.KillSwitchOn):
        refund(1)
    assert _decided(otel) == [("kill_switch", "no money", "enforce", "block", "tool=refund*")]
    assert _counted(otel) == [("no money", "block", 1)]


def _decided(otel: Telemetry) -> list[tuple[Any, ...]]:
    events = [dict(event.attributes or {}) for event in otel.span.events if event.name == semconv.EVENT_DECISION]
    return [tuple(one[name] for name in ("stage", "rule", "mode", "outcome", "scope")) for one in events]


def _counted(otel: Telemetry) -> list[tuple[Any, ...]]:
    points = otel.metrics()[semconv.METRIC_DECISIONS]
    return [(point.attributes["rule"], point.attributes["outcome"], point.value) for point in points]


def test_without_a_policy_it_runs_again(otel: Telemetry) -> None:
    otel.instrument(policy=RULE)
    otelllm.uninstrument()
    assert refund(2) == "paid 2"


def test_the_variable_names_tools_too(otel: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTELLLM_KILL", "tool:refund")
    otel.instrument(policy=Policy())
    with pytest.raises(otelllm.KillSwitchOn, match="'OTELLLM_KILL tool:refund' is on"):
        refund(1)
