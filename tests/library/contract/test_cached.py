"""The exact cache with every provider: what is asked again is not sent again, and the app can't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wire.server import whole

import otelllm
from otelllm import semconv

from .ways import Seen, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .row import Row

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

POLICY = {"cache": {"exact": {"scope": "all"}}}


def _asked(app: Any, provider: Provider, row: Row, streamed: bool) -> Any:
    provider._queue.clear()
    provider.reply(row.reply(row.events) if streamed else whole(row.answer))
    seen = Seen(0, row)
    with otelllm.context(cache=True):
        result = ask(app, row, streamed=streamed)
        seen.got(result)
        if streamed:
            seen.got(*app.read(result))
    return seen.things


def test_asked_again(
    otel: Telemetry, make_app: Callable[[], Any], provider: Provider, row: Row, kind: str, streamed: bool
) -> None:
    """Same objects, one request where this surface's answers are kept; else two, and the span says why."""
    otel.instrument(policy=POLICY)
    app = make_app()
    first, second, third = (_asked(app, provider, row, streamed) for _ in range(3))
    assert first == second == third  # the first hit is made by the SDK's own method, the next by what that showed
    outcomes = [(span.attributes or {}).get(semconv.CACHE_OUTCOME) for span in otel.spans]
    is_kept = row.caches_streamed if streamed else row.caches
    if is_kept:
        assert outcomes == ["stored", "hit", "hit"]
        assert len(provider.requests) == 1
        (usage, saved) = ((otel.spans[1].attributes or {}).get(name) for name in (semconv.USAGE_INPUT, semconv.COST))
        assert (usage, saved) == (None, 0)
    else:
        assert outcomes[0] == outcomes[1] == outcomes[2] != "hit"
        assert len(provider.requests) == 3
    provider._queue.clear()
