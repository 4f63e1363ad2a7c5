"""Answers that are no longer true: what they depend on has changed, or somebody drops them by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from library.cache.asking import Case
from library.cache.told import FOUR, WHOLE, Make, exact, outcomes
from wire import files
from wire.server import Reply, whole

import otelllm
import otelllm.cache

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider


@pytest.mark.parametrize(
    "where", ["memory", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sqlite", "redis"))]
)
@FOUR
def test_invalidating_and_expelling_by_hand(
    otel: Telemetry, make_app: Make, provider: Provider, case: Case, where: str, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    """In force at once: what depends on a document, and one bad answer, by the span that stored it or was given it."""
    places = {"memory": "memory", "sqlite": f"sqlite:{tmp_path / 'cache.db'}"}
    otel.instrument(policy=exact(where=places.get(where) or request.getfixturevalue("redis_url")))
    app = make_app(case.sdk)

    def ask() -> str:
        case.answer(provider)
        otel.clear()
        with otelllm.context(depends_on=["kb:42@v7", "kb:43@v1"]):
            case.ask(app)
        provider._queue.clear()
        return str(outcomes(otel)[0])

    assert [ask(), ask()] == ["stored", "hit"]
    otelllm.cache.invalidate("kb:44", "kb")
    assert ask() == "hit"
    otelllm.cache.invalidate("kb:42")
    assert [ask(), ask()] == ["stored", "hit"]
    otelllm.cache.invalidate("kb:43@v1")
    assert ask() == "stored"
    stored = otel.span.get_span_context().span_id
    assert otelllm.cache.expel(stored) is True
    assert otelllm.cache.expel(stored) is False
    assert [ask(), ask()] == ["stored", "hit"]
    assert otelllm.cache.expel(format(otel.span.get_span_context().span_id, "016x")) is True
    assert ask() == "stored"


def test_a_document_that_changes_while_its_answer_is_on_the_way(
    cached: Telemetry, make_app: Make, provider: Provider
) -> None:
    """The answer is of the old one: the app that asked gets it, nobody else does."""
    app = make_app("openai")

    def old(_: Any) -> Reply:
        otelllm.cache.invalidate("kb:42")
        return whole(files.body("openai/chat.json"))

    provider.always = old
    for _ in range(2):
        with otelllm.context(depends_on=["kb:42@v7"]):
            WHOLE.ask(app)
    assert len(provider.requests) == 2
    assert "hit" not in outcomes(cached)
