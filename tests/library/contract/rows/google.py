"""The google-genai SDK."""

from __future__ import annotations

from typing import Any

import google.genai  # noqa: F401  its absence shows by this line: `google` itself may be there
from library.contract.row import Row
from library.google.app import MODEL, QUESTION, AsyncApp, SyncApp
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

TEXT = "The lighthouse at Skagen was lit in 1858."
EMBEDDER = "gemini-embedding-001"
# Usage is a running total: an interrupted stream has what was counted until then.
KNOWN_AT_ONCE = {
    semconv.RESPONSE_ID: "resp_wire1",
    semconv.RESPONSE_MODEL: MODEL,
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_REASONING: 64,
    semconv.USAGE_ESTIMATED: None,
    semconv.PROVIDER_REQUEST_ID: "req_wire",
}
FACTS = {**KNOWN_AT_ONCE, semconv.RESPONSE_FINISH_REASONS: ("stop",), semconv.USAGE_OUTPUT: 114}
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "gcp.gemini",
    "refusal": (429, files.body("google/error_429.json")),
    "refusal_type": "RESOURCE_EXHAUSTED",
}


def _config(timeout_s: float | None) -> Any:
    return None if timeout_s is None else {"http_options": {"timeout": int(timeout_s * 1000)}}


def _generate(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    method = client.models.generate_content_stream if streamed else client.models.generate_content
    return method, {"model": MODEL, "contents": QUESTION, "config": _config(timeout_s)}


def _embed(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    return client.models.embed_content, {"model": EMBEDDER, "contents": "Skagen", "config": _config(timeout_s)}


ROWS = [
    Row(
        name="google generate", caches=True, ask=_generate, span=f"generate_content {MODEL}", **COMMON,
        answer=files.body("google/generate.json"), facts=FACTS, text=TEXT,
        events=tuple(files.events("google/generate_stream.sse")), stream_facts=FACTS, stream_text=TEXT,
        head=2, taken=2, started="The lighthouse ", started_facts={**KNOWN_AT_ONCE, semconv.USAGE_OUTPUT: 76},
        error_event=files.event(files.edited("google/error_503.json")), error_event_type="UNAVAILABLE",
        # The SDK's async generators leave those inside them to the garbage collector, closed or not.
        tells_closed=("sync",),
        retrying={"http_options": {"retry_options": {"attempts": 6, "initial_delay": 0.001, "max_delay": 0.002}}},
    ),
    Row(
        name="google embed", caches=True, ask=_embed, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("google/embed.json"), speaks=False,
        facts={semconv.EMBEDDINGS_DIMENSIONS: 4, semconv.USAGE_INPUT: None},
    ),
]  # fmt: skip
