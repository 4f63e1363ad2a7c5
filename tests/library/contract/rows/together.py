"""The together SDK."""

from __future__ import annotations

from typing import Any

from library.contract.row import Row
from library.together.app import AsyncApp, SyncApp
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
EMBEDDER = "BAAI/bge-base-en-v1.5"
QUESTION = "When was the lighthouse at Skagen lit?"
TEXT = "The lighthouse at Skagen was lit in 1858."
KNOWN_AT_ONCE = {semconv.RESPONSE_ID: "oCfwJ4t-4yUbBN-8b43a5cfadf99e5c", semconv.RESPONSE_MODEL: MODEL}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_OUTPUT: 50,
}
LEGACY_FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.FINISH_REASONS: ("eos",),
    semconv.USAGE_INPUT: 10,
    semconv.USAGE_OUTPUT: 6,
}
ERROR = {"error": {"message": "over capacity", "type": "internal_server_error", "code": "over_capacity"}}
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "together_ai",
    "refusal": (401, files.body("together/error_401.json")),
    "refusal_type": "invalid_api_key",
    "error_event": files.event(ERROR),
    "error_event_type": "over_capacity",
    "sends_at_once": True,
    "blocks": True,
}


def _chat(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    more = {"stream": True} if streamed else {}
    messages = [{"role": "user", "content": QUESTION}]
    return client.chat.completions.create, {"model": MODEL, "messages": messages, "timeout": timeout_s, **more}


def _completions(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    more = {"stream": True} if streamed else {}
    return client.completions.create, {"model": MODEL, "prompt": QUESTION, "timeout": timeout_s, **more}


def _embeddings(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return client.embeddings.create, {"model": EMBEDDER, "input": "Skagen", "timeout": timeout_s}


ROWS = [
    Row(
        name="together chat", views=True, ask=_chat, span=f"chat {MODEL}", **COMMON,
        answer=files.body("together/chat.json"), facts=FACTS, text=TEXT,
        events=tuple(files.events("together/chat_stream.sse")), stream_facts=FACTS, stream_text=TEXT,
        head=2, taken=2, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="together completions", ask=_completions, span=f"text_completion {MODEL}", **COMMON,
        answer=files.body("together/completions.json"), facts=LEGACY_FACTS, text=" In 1858.",
        events=tuple(files.events("together/completions_stream.sse")), stream_facts=LEGACY_FACTS,
        stream_text=" In 1858.", head=2, taken=2, started=" In 1858", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="together embeddings", ask=_embeddings, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("together/embeddings.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 9, semconv.USAGE_OUTPUT: None},
    ),
]  # fmt: skip
