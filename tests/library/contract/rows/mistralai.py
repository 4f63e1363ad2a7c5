"""The mistralai SDK."""

from __future__ import annotations

from typing import Any

from library.contract.row import Row
from library.mistralai.app import AsyncApp, SyncApp, method
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

MODEL = "mistral-small-latest"
CODER = "codestral-latest"
EMBEDDER = "mistral-embed"
QUESTION = {"role": "user", "content": "When was the lighthouse at Skagen lit?"}
KNOWN_AT_ONCE = {semconv.RESPONSE_ID: "a7952046ef794d1697627b54231df17a", semconv.RESPONSE_MODEL: MODEL}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_OUTPUT: 50,
}
TEXT = "The lighthouse at Skagen was lit in 1858."
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "mistral_ai",
    "refusal": (429, files.body("mistral/error_429.json")),
    "refusal_type": "rate_limited",
}
# The SDK opens its stream with "x-request-id" for every row of these.
STREAMED: dict[str, Any] = {
    "events": tuple(files.events("mistral/chat_stream.sse")),
    "stream_facts": {**FACTS, semconv.PROVIDER_REQUEST_ID: "req_wire"},
    "stream_text": TEXT,
    "head": 3,
    "taken": 3,
    "started": "The lighthouse ",
    "started_facts": KNOWN_AT_ONCE,
}


def _timeout(timeout_s: float | None) -> dict[str, Any]:
    return {} if timeout_s is None else {"timeout_ms": int(timeout_s * 1000)}


def _chat(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.chat, "stream" if streamed else "complete")
    return called, {"model": MODEL, "messages": [QUESTION], **_timeout(timeout_s)}


def _agents(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.agents, "stream" if streamed else "complete")
    return called, {"agent_id": "ag_1", "messages": [QUESTION], **_timeout(timeout_s)}


def _fim(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.fim, "stream" if streamed else "complete")
    return called, {"model": CODER, "prompt": "def lit():", "suffix": "print(lit())", **_timeout(timeout_s)}


def _embeddings(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.embeddings, "create")
    return called, {"model": EMBEDDER, "inputs": ["Skagen", "1858"], **_timeout(timeout_s)}


ROWS = [
    Row(
        name="mistralai chat", ask=_chat, span=f"chat {MODEL}", **COMMON, **STREAMED,
        answer=files.body("mistral/chat.json"), facts=FACTS, text=TEXT,
    ),
    Row(
        name="mistralai agents", ask=_agents, span="chat", **COMMON, **STREAMED,
        answer=files.body("mistral/chat.json"), facts={**FACTS, semconv.AGENT_ID: "ag_1"}, text=TEXT,
    ),
    Row(
        name="mistralai fim", ask=_fim, span=f"text_completion {CODER}", **COMMON,
        answer=files.body("mistral/fim.json"), text="    return 1858\n",
        facts={semconv.USAGE_INPUT: 15, semconv.USAGE_OUTPUT: 6, semconv.RESPONSE_MODEL: CODER},
        events=tuple(files.events("mistral/fim_stream.sse")), stream_text="    return 1858\n",
        stream_facts={semconv.USAGE_INPUT: 15, semconv.USAGE_OUTPUT: 6, semconv.RESPONSE_FINISH_REASONS: ("stop",)},
        head=2, taken=2, started="    return ", started_facts={semconv.RESPONSE_MODEL: CODER},
    ),
    Row(
        name="mistralai embeddings", ask=_embeddings, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("mistral/embeddings.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 15, semconv.USAGE_OUTPUT: None,
               semconv.EMBEDDINGS_DIMENSIONS: 3},
    ),
]  # fmt: skip
