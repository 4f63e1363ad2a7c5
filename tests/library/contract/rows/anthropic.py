"""The anthropic SDK."""

from __future__ import annotations

from typing import Any

from library.anthropic.app import AsyncApp, SyncApp
from library.anthropic.surfaces import ARGUMENTS, EVENTS, HEAD, MODEL, PLAIN, STREAMING, TEXT, Surface
from library.contract.row import Ask, Row
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
KNOWN_AT_ONCE = {semconv.RESPONSE_ID: "msg_wire1", semconv.RESPONSE_MODEL: MODEL, semconv.USAGE_INPUT: 1200}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.FINISH_REASONS: ("end_turn",),
    semconv.USAGE_OUTPUT: 50,
    semconv.USAGE_CACHE_READ: 1000,
    semconv.USAGE_CACHE_WRITE: 24,
    semconv.USAGE_ESTIMATED: None,
}


def _ask(surface: Surface) -> Ask:
    def ask(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
        more = {"stream": True} if streamed and not surface.is_manager else {}
        method = surface.method(client)
        if surface.is_manager:

            def method(**arguments: Any) -> Any:
                manager = surface.method(client)(**arguments)
                return manager.__aenter__() if hasattr(manager, "__aenter__") else manager.__enter__()

        return method, {**ARGUMENTS, "timeout": timeout_s, **more}

    return ask


def _row(surface: Surface) -> Row:
    return Row(
        name=f"anthropic {surface.name}", apps=(SyncApp, AsyncApp), ask=_ask(surface), provider="anthropic",
        span=f"chat {MODEL}", is_slow="beta" in surface.name, views=surface is PLAIN,
        retrying={"max_retries": 5} if surface is PLAIN else None,
        answer=b"" if surface.is_manager else files.body("anthropic/message.json"), facts=FACTS, text=TEXT,
        refusal=(429, files.body("anthropic/error_429.json")), refusal_type="rate_limit_error",
        events=tuple(EVENTS), stream_facts=FACTS, stream_text=TEXT,
        head=HEAD, taken=surface.taken, started="The lighthouse at Skagen ",
        # The input was counted at the start; the output was not, and the first event's 1 is no count of it.
        started_facts={**KNOWN_AT_ONCE, semconv.USAGE_ESTIMATED: True, semconv.COST_STATUS: "estimated"},
        error_event=files.event(ERROR, "error"), error_event_type="overloaded_error", sends_at_once=True, blocks=True,
        caches=True, caches_streamed=True,
    )  # fmt: skip


ROWS = [_row(surface) for surface in STREAMING]
