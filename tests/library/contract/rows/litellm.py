"""LiteLLM: by the openai SDK below it, and by its own HTTP."""

from __future__ import annotations

from typing import Any

from library.contract.row import Row, asking
from library.litellm.app import AsyncApp, SyncApp
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

TEXT = "The lighthouse at Skagen was lit in 1858."
QUESTION = "When was the lighthouse at Skagen lit?"
QUESTIONS = [{"role": "user", "content": QUESTION}]
MINI, SONNET, EMBEDDER = "gpt-4o-mini-2024-07-18", "claude-sonnet-4-6", "text-embedding-3-small"
ERROR = {"error": {"message": "overloaded", "type": "server_error", "code": "server_error"}}
ANTHROPIC_ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "sends_at_once": True,
    "closes": ("async",),
    # Where the provider gave no id LiteLLM makes one; the second in which it made an object is in its errors, too.
    "changing_fields": ("created",),
    "changing_text": r"time taken=[\d.]+|created=\d+|chatcmpl-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "warnings": ("UserWarning", "DeprecationWarning"),
}
OPENAI: dict[str, Any] = {
    **COMMON,
    "provider": "openai",
    "refusal": (429, files.body("openai/error_429.json")),
    "refusal_type": "rate_limit_exceeded",
    "error_event": files.event(ERROR),
    "error_event_type": "server_error",
}
RESPONSES: dict[str, Any] = {
    **OPENAI,
    "closes": (),
    "changing_fields": ("created_at",),
    "refusal_type": "429",
    "minds_the_end": True,
    "speaks_streamed": False,
    "error_event": files.event({"type": "error", **ERROR}, "error"),  # it takes no notice of a code beside the type
}
USED = {semconv.USAGE_INPUT: 1200, semconv.USAGE_OUTPUT: 50, semconv.USAGE_ESTIMATED: None}
FACTS = {**USED, semconv.RESPONSE_MODEL: MINI, semconv.RESPONSE_FINISH_REASONS: ("stop",)}
WHOLE = {**FACTS, semconv.RESPONSE_ID: "chatcmpl-wire1"}
STREAMED = {**FACTS, semconv.RESPONSE_ID: "chatcmpl-wire2"}
STARTED = {semconv.RESPONSE_ID: "chatcmpl-wire2"}
RESPONDED = {**FACTS, semconv.RESPONSE_ID: "resp_wire1"}
CLAUDE = {
    **USED, semconv.RESPONSE_MODEL: SONNET, semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_CACHE_READ: 1000, semconv.USAGE_CACHE_WRITE: 24,
}  # fmt: skip

ROWS = [
    Row(
        name="litellm openai", span="chat gpt-4o-mini", **OPENAI, retrying={"num_retries": 5, "max_retries": 5},
        ask=asking(lambda client: client.completion, model="openai/gpt-4o-mini", messages=QUESTIONS),
        answer=files.body("openai/chat.json"), facts=WHOLE, text=TEXT,
        events=tuple(files.events("openai/chat_stream.sse")), stream_facts=STREAMED, stream_text=TEXT,
        head=4, taken=4, started="The lighthouse ", started_facts=STARTED,
    ),
    Row(
        name="litellm text", span="text_completion gpt-4o-mini", **{**OPENAI, "closes": ()},
        ask=asking(lambda client: client.text_completion, model="openai/gpt-4o-mini", prompt=QUESTION),
        answer=files.body("openai/chat.json"), facts=WHOLE, text=TEXT,
        events=tuple(files.events("openai/chat_stream.sse")), stream_facts=STREAMED, stream_text=TEXT,
        head=4, taken=4, started="The lighthouse ", started_facts=STARTED,
    ),
    Row(
        name="litellm responses", span="chat gpt-4o-mini", **RESPONSES,
        ask=asking(lambda client: client.responses, model="openai/gpt-4o-mini", input=QUESTION),
        answer=files.body("openai/responses.json"), facts=RESPONDED, text=TEXT,
        events=tuple(files.events("openai/responses_stream.sse")), stream_facts=RESPONDED, stream_text=TEXT,
        head=7, taken=7, started="The lighthouse ", started_facts={semconv.RESPONSE_ID: "resp_wire1"},
    ),
    Row(
        name="litellm anthropic", span=f"chat {SONNET}", provider="anthropic", **COMMON,
        ask=asking(lambda client: client.completion, model=f"anthropic/{SONNET}", messages=QUESTIONS),
        refusal=(429, files.body("anthropic/error_429.json")), refusal_type="429",
        answer=files.body("anthropic/message.json"), facts=CLAUDE, text=TEXT,
        events=tuple(files.events("anthropic/message_stream.sse")), stream_facts=CLAUDE, stream_text=TEXT,
        head=6, taken=3, started="The lighthouse at Skagen ", started_facts={semconv.RESPONSE_MODEL: SONNET},
        error_event=files.event(ANTHROPIC_ERROR, "error"), error_event_type="500", hangs_up=False,
    ),
    Row(
        name="litellm embedding", span=f"embeddings {EMBEDDER}", **OPENAI,
        ask=asking(lambda client: client.embedding, model=f"openai/{EMBEDDER}", input=["Skagen", "lighthouse"]),
        answer=files.body("openai/embeddings_float.json"), speaks=False,
        facts={
            semconv.RESPONSE_MODEL: EMBEDDER, semconv.USAGE_INPUT: 9, semconv.USAGE_OUTPUT: None,
            semconv.EMBEDDINGS_DIMENSIONS: 4,
        },
    ),
]  # fmt: skip
