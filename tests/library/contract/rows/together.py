"""The together SDK."""

from __future__ import annotations

from typing import Any

from library.contract.row import Row, asking
from library.together.app import AsyncApp, SyncApp
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
EMBEDDER = "BAAI/bge-base-en-v1.5"
RERANKER = "Salesforce/Llama-Rank-v1"
PAINTER = "black-forest-labs/FLUX.1-schnell"
VOICE = "cartesia/sonic"
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


QUESTIONS = [{"role": "user", "content": QUESTION}]
PLACES = ["Bovbjerg", "Hirtshals", "Skagen"]
_chat = asking(lambda client: client.chat.completions.create, model=MODEL, messages=QUESTIONS)
_completions = asking(lambda client: client.completions.create, model=MODEL, prompt=QUESTION)
_embeddings = asking(lambda client: client.embeddings.create, model=EMBEDDER, input="Skagen")
_rerank = asking(lambda client: client.rerank.create, model=RERANKER, query="Where?", documents=PLACES)
_images = asking(lambda client: client.images.generate, model=PAINTER, prompt="a lighthouse")
_speech = asking(lambda client: client.audio.speech.create, model=VOICE, input=TEXT, voice="v")

ROWS = [
    Row(
        name="together chat", retrying={"max_retries": 5}, views=True, caches=True, caches_streamed=True,
        ask=_chat, span=f"chat {MODEL}", **COMMON,
        answer=files.body("together/chat.json"), facts=FACTS, text=TEXT,
        events=tuple(files.events("together/chat_stream.sse")), stream_facts=FACTS, stream_text=TEXT,
        head=2, taken=2, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="together completions", caches=True, caches_streamed=True, ask=_completions,
        span=f"text_completion {MODEL}", **COMMON,
        answer=files.body("together/completions.json"), facts=LEGACY_FACTS, text=" In 1858.",
        events=tuple(files.events("together/completions_stream.sse")), stream_facts=LEGACY_FACTS,
        stream_text=" In 1858.", head=2, taken=2, started=" In 1858", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="together embeddings", caches=True, ask=_embeddings, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=files.body("together/embeddings.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 9, semconv.USAGE_OUTPUT: None},
    ),
    Row(
        name="together rerank", caches=True, ask=_rerank, span=f"rerank {RERANKER}", **COMMON,
        answer=files.body("together/rerank.json"), speaks=False,
        facts={semconv.RESPONSE_MODEL: RERANKER, semconv.USAGE_INPUT: 1837, semconv.RERANK_OUT: 2},
    ),
    Row(
        name="together images", ask=_images, span=f"image_generation {PAINTER}", **COMMON,
        answer=files.body("together/images.json"), speaks=False,
        facts={semconv.RESPONSE_ID: "oGqJGMf-4yUbBN-997", semconv.USAGE_OTHER + "images": 2},
    ),
    Row(
        name="together speech", ask=_speech, span=f"speech {VOICE}", **COMMON,
        answer=b"ID3 the sound of a voice", speaks=False, facts={semconv.USAGE_OTHER + "characters": len(TEXT)},
        events=tuple(files.events("together/speech_stream.sse")), head=1, taken=1,
        stream_facts={semconv.RESPONSE_MODEL: VOICE}, started_facts={semconv.RESPONSE_MODEL: VOICE},
        has_last_word=False,
    ),
]  # fmt: skip
