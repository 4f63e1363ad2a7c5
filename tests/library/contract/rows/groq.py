"""The groq SDK."""

from __future__ import annotations

from typing import Any

import groq._streaming
from library.contract.row import Row, asking
from library.groq.app import AsyncApp, SyncApp
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

MODEL = "llama-3.3-70b-versatile"
EMBEDDER = "nomic-embed-text-v1_5"
REQUEST_ID = "req_01jadadp0femyae9kav1gpkhe8"
HEARER = "whisper-large-v3"
QUESTION = {"role": "user", "content": "When was the lighthouse at Skagen lit?"}
KNOWN_AT_ONCE = {semconv.RESPONSE_ID: "chatcmpl-5f0b6a7e-9d3c-4a53-8f6a-0d2a6a1f7c11", semconv.RESPONSE_MODEL: MODEL}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_OUTPUT: 50,
    semconv.PROVIDER_REQUEST_ID: REQUEST_ID,
}
TEXT = "The lighthouse at Skagen was lit in 1858."
ERROR = {"error": {"message": "over capacity", "type": "internal_server_error", "code": "over_capacity"}}
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "groq",
    "refusal": (429, files.body("groq/error_429.json")),
    "refusal_type": "rate_limit_exceeded",
    "error_event": files.event(ERROR),
    "error_event_type": "over_capacity",
    "error_stays": not hasattr(groq._streaming, "APIError"),  # the oldest ones give it to the app as a chunk
    "sends_at_once": True,
    "blocks": True,
}


_chat = asking(lambda client: client.chat.completions.create, model=MODEL, messages=[QUESTION])
_embeddings = asking(lambda client: client.embeddings.create, model=EMBEDDER, input="Skagen")
_transcription = asking(lambda client: client.audio.transcriptions.create, model=HEARER, file=("a.wav", b"RIFF"))

ROWS = [
    Row(
        name="groq chat", retrying={"max_retries": 5}, views=True, caches=True, caches_streamed=True,
        ask=_chat, span=f"chat {MODEL}", **COMMON,
        answer=files.body("groq/chat.json"), facts=FACTS, text=TEXT,
        events=tuple(files.events("groq/chat_stream.sse")), stream_facts=FACTS, stream_text=TEXT,
        head=3, taken=3, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="groq embeddings", caches=True, ask=_embeddings, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("groq/embeddings.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 9, semconv.USAGE_OUTPUT: None},
    ),
    Row(
        name="groq transcription", ask=_transcription, span=f"transcription {HEARER}", **COMMON,
        answer=files.body("groq/transcription_verbose.json"), text=" " + TEXT, speaks=False,
        facts={semconv.USAGE_OTHER + "audio_seconds": 4.5, semconv.PROVIDER_REQUEST_ID: REQUEST_ID},
    ),
]  # fmt: skip
