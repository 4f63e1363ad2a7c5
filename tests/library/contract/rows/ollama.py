"""The ollama SDK."""

from __future__ import annotations

from typing import Any

import httpx
from library.contract.row import Row
from library.ollama.app import MODEL, QUESTION, AsyncApp, SyncApp
from wire import files
from wire.server import ndjson

from otelllm import semconv

__all__ = ["ROWS"]

EMBEDDER = "all-minilm"
PROMPT = "When was the lighthouse at Skagen lit?"
KNOWN_AT_ONCE = {semconv.RESPONSE_MODEL: MODEL}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_OUTPUT: 50,
    semconv.USAGE_CACHE_READ: None,
    semconv.COST: 0.0,
    semconv.COST_STATUS: "free",
    semconv.SERVER_TIMING + "load": 0.001334875,
}
TEXT = "The lighthouse at Skagen was lit in 1858."
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "ollama",
    "refusal": (404, files.body("ollama/error_404.json")),
    "refusal_type": "404",
    "error_event": files.lines("ollama/chat_stream_error.ndjson")[-1],
    "error_event_type": "error",
}


def _with(client: Any, timeout_s: float | None) -> Any:
    """Timeouts are the client's."""
    if timeout_s is not None:
        client._client.timeout = httpx.Timeout(timeout_s)
    return client


def _chat(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return _with(client, timeout_s).chat, {"model": MODEL, "messages": QUESTION, "stream": streamed}


def _generate(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return _with(client, timeout_s).generate, {"model": MODEL, "prompt": PROMPT, "stream": streamed}


def _embed(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return _with(client, timeout_s).embed, {"model": EMBEDDER, "input": ["Skagen", "Thy"]}


def _embeddings(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return _with(client, timeout_s).embeddings, {"model": EMBEDDER, "prompt": "Skagen"}


ROWS = [
    Row(
        name="ollama chat", caches=True, ask=_chat, span=f"chat {MODEL}", **COMMON,
        answer=files.body("ollama/chat.json"), facts=FACTS, text=TEXT,
        events=tuple(files.lines("ollama/chat_stream.ndjson")), stream_facts=FACTS, stream_text=TEXT, reply=ndjson,
        head=2, taken=2, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="ollama generate", caches=True, ask=_generate, span=f"text_completion {MODEL}", **COMMON,
        answer=files.body("ollama/generate.json"), facts=FACTS, text=TEXT,
        events=tuple(files.lines("ollama/generate_stream.ndjson")), stream_facts=FACTS, stream_text=TEXT,
        reply=ndjson, head=2, taken=2, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="ollama embed", caches=True, ask=_embed, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("ollama/embed.json"), speaks=False,
        facts={
            semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 8, semconv.USAGE_OUTPUT: None,
            semconv.EMBEDDINGS_DIMENSIONS: 3,
        },
    ),
    Row(
        name="ollama embeddings", caches=True, ask=_embeddings, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("ollama/embeddings.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: None, semconv.USAGE_INPUT: None, semconv.EMBEDDINGS_DIMENSIONS: 4},
    ),
]  # fmt: skip
