"""The openai SDK."""

from __future__ import annotations

from typing import Any

from library.contract.row import Ask, Row
from library.openai.app import AsyncApp, SyncApp
from library.openai.surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Surface
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

ERROR = {"error": {"message": "overloaded", "type": "server_error", "code": "server_error"}}
TEXT = "The lighthouse at Skagen was lit in 1858."


def _ask(surface: Surface) -> Ask:
    def ask(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
        arguments = surface.streaming if streamed else surface.arguments
        return surface.method(client), {**arguments, "timeout": timeout_s}

    return ask


def _row(
    surface: Surface, answer_id: str | None, model: str, finish: str | None = None, *, stream_id: str | None = None,
    **more: Any,
) -> Row:  # fmt: skip
    known = {semconv.RESPONSE_ID: answer_id, semconv.RESPONSE_MODEL: model}
    used = {semconv.USAGE_INPUT: surface.tokens[0], semconv.USAGE_OUTPUT: surface.tokens[1]}
    facts = {**known, **used, semconv.RESPONSE_FINISH_REASONS: (finish,) if finish else None}
    streamed = {}
    if surface.stream:
        known = {**known, semconv.RESPONSE_ID: stream_id, semconv.PROVIDER_REQUEST_ID: "req_wire"}
        streamed = {
            "events": tuple(surface.events), "head": surface.head, "taken": surface.head, "started": surface.started,
            "started_facts": known, "stream_facts": {**facts, **known, semconv.RESPONSE_FINISH_REASONS: ("stop",)},
            "error_event": files.event(ERROR), "error_event_type": "server_error", "sends_at_once": True,
            "blocks": True, "caches_streamed": True,
        }  # fmt: skip
    return Row(
        name=f"openai {surface.name}", apps=(SyncApp, AsyncApp), ask=_ask(surface), provider="openai",
        span=surface.span_name, answer=surface.body, facts=facts,
        refusal=(429, files.body("openai/error_429.json")), refusal_type="rate_limit_exceeded",
        caches=surface is not COMPLETIONS, views=surface is CHAT, closes_raw=False,
        retrying={"max_retries": 5} if surface is CHAT else None, **streamed, **more,
    )  # fmt: skip


MINI, LEGACY, EMBEDDER = "gpt-4o-mini-2024-07-18", "gpt-3.5-turbo-instruct:20230824-v2", "text-embedding-3-small"
TEXTS = {"text": TEXT, "stream_text": TEXT}
LEGACY_TEXTS = {"text": "\n\nSkagen.", "stream_text": "\n\nSkagen."}

ROWS = [
    _row(CHAT, "chatcmpl-wire1", MINI, "stop", stream_id="chatcmpl-wire2", **TEXTS),
    _row(RESPONSES, "resp_wire1", MINI, "stop", stream_id="resp_wire1", **TEXTS),
    _row(COMPLETIONS, "cmpl-wire1", LEGACY, "length", stream_id="cmpl-wire1", **LEGACY_TEXTS),
    _row(EMBEDDINGS, None, EMBEDDER, speaks=False),
]
