"""The cohere SDK: both versions of its API."""

from __future__ import annotations

import inspect
import json
from typing import Any

import cohere
from library.cohere.app import MODEL, QUESTION, AsyncApp, LegacyAsyncApp, LegacySyncApp, SyncApp
from library.contract.row import Row
from wire import files
from wire.server import ndjson

from otelllm import semconv

__all__ = ["ROWS"]

EMBEDDER, RANKER = "embed-v4.0", "rerank-v3.5"
PROMPT = "When was the lighthouse at Skagen lit?"
CHAT_ID = "c14c80c3-18eb-4519-9460-6c92edd8cfb4"
LEGACY_ID = "b4f3c2a1-0000-4000-8000-9460fee1dead"
TEXT = "The lighthouse at Skagen was lit in 1858."
USED = {
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.FINISH_REASONS: ("COMPLETE",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_OUTPUT: 50,
    semconv.USAGE_OTHER + "billed.input_tokens": 5,
    semconv.COST: (5 * 2.5 + 50 * 10) / 1e6,
    semconv.RESPONSE_MODEL: None,
    semconv.PROVIDER_REQUEST_ID: "req_wire",
}
FACTS = {**USED, semconv.RESPONSE_ID: CHAT_ID}
LEGACY_FACTS = {**USED, semconv.RESPONSE_ID: LEGACY_ID}
GENERATED = {
    semconv.RESPONSE_ID: CHAT_ID,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_OUTPUT: 50,
}
COMMON: dict[str, Any] = {
    "provider": "cohere",
    "refusal": (429, files.body("cohere/error_429.json")),
    "refusal_type": "429",
}
# The last event may say an error; the SDK raises none.
FAILED: dict[str, Any] = {"type": "message-end", "id": CHAT_ID, "delta": {"error": "an internal failure"}}
FAILED_GENERATION = {"event_type": "stream-error", "is_finished": True, "err": "an internal failure"}
V2: dict[str, Any] = {**COMMON, "apps": (SyncApp, AsyncApp)}
V1: dict[str, Any] = {**COMMON, "apps": (LegacySyncApp, LegacyAsyncApp)}
# Older ones retry by a default of their own.
RETRIES = {"max_retries": 5} if "max_retries" in inspect.signature(cohere.Client.__init__).parameters else {}


def _arguments(timeout_s: float | None, **given: Any) -> dict[str, Any]:
    more = {} if timeout_s is None else {"timeout_in_seconds": timeout_s}
    return {**given, "request_options": {"max_retries": 0, **more}}


def _chat(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return client.chat_stream if streamed else client.chat, _arguments(timeout_s, model=MODEL, messages=QUESTION)


def _embed(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    given = {"model": EMBEDDER, "texts": ["Skagen", "Thy"], "input_type": "search_document"}
    return client.embed, _arguments(timeout_s, **given)


def _rerank(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    given = {"model": RANKER, "query": PROMPT, "documents": ["a", "b", "c", "d"], "top_n": 2}
    return client.rerank, _arguments(timeout_s, **given)


def _legacy_chat(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return client.chat_stream if streamed else client.chat, _arguments(timeout_s, model=MODEL, message=PROMPT)


def _generate(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    method = client.generate_stream if streamed else client.generate
    return method, _arguments(timeout_s, model=MODEL, prompt=PROMPT)


ROWS = [
    Row(
        name="cohere chat", ask=_chat, span=f"chat {MODEL}", **V2, retrying=RETRIES, not_retrying=("request_options",),
        answer=files.body("cohere/chat.json"), facts=FACTS, text=TEXT,
        events=tuple(files.events("cohere/chat_stream.sse")), stream_facts=FACTS, stream_text=TEXT,
        head=4, taken=4, started="The lighthouse ", started_facts={semconv.RESPONSE_ID: CHAT_ID},
        error_event=files.event(FAILED), error_event_type="error", error_stays=True,
    ),
    Row(
        name="cohere embed", ask=_embed, span=f"embeddings {EMBEDDER}", **V2,
        answer=files.body("cohere/embed.json"), speaks=False,
        facts={
            semconv.USAGE_INPUT: 8, semconv.USAGE_OUTPUT: None, semconv.EMBEDDINGS_DIMENSIONS: 3,
            semconv.COST: 8 * 0.12 / 1e6,
        },
    ),
    Row(
        name="cohere rerank", ask=_rerank, span=f"rerank {RANKER}", **V2,
        answer=files.body("cohere/rerank.json"), speaks=False,
        facts={
            semconv.USAGE_INPUT: None, semconv.USAGE_OTHER + "searches": 1, semconv.RERANK_IN: 4,
            semconv.RERANK_OUT: 2, semconv.RETRIEVAL_TOP_K: 2,
        },
    ),
    Row(
        name="cohere v1 chat", ask=_legacy_chat, span=f"chat {MODEL}", **V1,
        answer=files.body("cohere/v1_chat.json"), facts=LEGACY_FACTS, text=TEXT,
        events=tuple(files.lines("cohere/v1_chat_stream.ndjson")), stream_facts=LEGACY_FACTS, stream_text=TEXT,
        reply=ndjson, head=3, taken=3, started="The lighthouse ", started_facts={semconv.RESPONSE_ID: LEGACY_ID},
    ),
    Row(
        name="cohere v1 generate", ask=_generate, span=f"text_completion {MODEL}", **V1,
        answer=files.body("cohere/v1_generate.json"), facts=GENERATED, text=TEXT,
        events=tuple(files.lines("cohere/v1_generate_stream.ndjson")), stream_facts=GENERATED, stream_text=TEXT,
        reply=ndjson, head=2, taken=2, started="The lighthouse ",
        error_event=json.dumps(FAILED_GENERATION).encode() + b"\n", error_event_type="error",
        error_stays=True,
    ),
    Row(
        name="cohere v1 embed", caches=True, ask=_embed, span=f"embeddings {EMBEDDER}", **V1,
        answer=files.body("cohere/v1_embed.json"), speaks=False,
        facts={semconv.USAGE_INPUT: 8, semconv.USAGE_OUTPUT: None, semconv.EMBEDDINGS_DIMENSIONS: 3},
    ),
    Row(
        name="cohere v1 rerank", ask=_rerank, span=f"rerank {RANKER}", **V1,
        answer=files.body("cohere/v1_rerank.json"), speaks=False,
        facts={semconv.USAGE_OTHER + "searches": 1, semconv.RERANK_IN: 4, semconv.RERANK_OUT: 2},
    ),
]  # fmt: skip
