"""What these tests share: the four ways of asking, a policy of one rule, and what spans tell of the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from library.cache.asking import ANTHROPIC, OPENAI

from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry

__all__ = [
    "FOUR", "MESSAGE", "MESSAGE_STREAM", "MOSTLY_SYNC", "STREAM", "WHOLE", "Make", "decisions", "exact", "outcomes",
]  # fmt: skip

Make = Callable[..., Any]
WHOLE = OPENAI[0]
STREAM = next(case for case in OPENAI if case.is_stream)
MESSAGE, MESSAGE_STREAM = ANTHROPIC[0], next(case for case in ANTHROPIC if case.is_stream)
FOUR = pytest.mark.parametrize("case", [WHOLE, STREAM, MESSAGE, MESSAGE_STREAM], ids=str)

# Where nothing depends on how the client waits.
MOSTLY_SYNC = pytest.mark.parametrize("kind", [0, pytest.param(1, marks=pytest.mark.slow)], ids=["sync", "async"])


def exact(**rule: Any) -> dict[str, Any]:
    """A policy of one rule."""
    return {"cache": {"exact": {"scope": "all", **rule}}}


def outcomes(otel: Telemetry) -> list[Any]:
    """Of each span."""
    return [(span.attributes or {}).get(semconv.CACHE_OUTCOME) for span in otel.spans]


def decisions(otel: Telemetry) -> list[tuple[Any, ...]]:
    """Rule, mode, outcome, scope and reason of each."""
    names = ("rule", "mode", "outcome", "scope", "reason")
    events = [event for span in otel.spans for event in span.events if event.name == semconv.EVENT_DECISION]
    return [tuple((event.attributes or {})[name] for name in names) for event in events]
