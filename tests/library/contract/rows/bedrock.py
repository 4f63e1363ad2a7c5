"""bedrock-runtime by botocore and aiobotocore."""

from __future__ import annotations

import json
from typing import Any

from library.bedrock.app import MODEL, QUESTION, AsyncApp, SyncApp
from library.contract.row import Row
from wire import files, frames

from otelllm import semconv

__all__ = ["ROWS"]

EMBEDDER = "amazon.titan-embed-text-v2:0"
TEXT = "The lighthouse at Skagen was lit in 1858."
FACTS = {
    semconv.RESPONSE_ID: None,
    semconv.RESPONSE_MODEL: None,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.FINISH_REASONS: ("end_turn",),
    semconv.USAGE_INPUT: 7520,
    semconv.USAGE_CACHE_READ: 7000,
    semconv.USAGE_CACHE_WRITE: 502,
    semconv.USAGE_OUTPUT: 503,
}
KNOWN_AT_ONCE = {
    semconv.RESPONSE_ID: "msg_bdrk_01wire",
    semconv.RESPONSE_MODEL: "claude-sonnet-4-5-20250929",
    semconv.USAGE_CACHE_WRITE_1H: 500,
}
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "aws.bedrock",
    "refusal": (400, files.body("bedrock/error_400.json")),
    "refusal_type": "ValidationException",
    "reply": frames.stream,
    "changing_headers": ("x-amz-date", "authorization", "amz-sdk-invocation-id"),
}


def _client(client: Any, timeout_s: float | None) -> Any:
    return client if timeout_s is None else client.app.again(read_timeout=timeout_s)


def _converse(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    asked = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
    asking = _client(client, timeout_s)
    return client.app.asking(asking.converse_stream, "stream") if streamed else asking.converse, asked


def _invoke(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    said = {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": QUESTION}]}
    asked = {"modelId": MODEL, "body": json.dumps({**said, "max_tokens": 100})}
    asking = _client(client, timeout_s)
    if streamed:
        return client.app.asking(asking.invoke_model_with_response_stream, "body"), asked
    return client.app.reading(asking.invoke_model), asked


def _embed(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    asking = client.app.reading(_client(client, timeout_s).invoke_model)
    return asking, {"modelId": EMBEDDER, "body": json.dumps({"inputText": "Skagen"})}


ROWS = [
    Row(
        name="bedrock converse", ask=_converse, span=f"chat {MODEL}", **COMMON,
        answer=files.body("bedrock/converse.json"), facts=FACTS, text=TEXT,
        events=tuple(frames.events("bedrock/converse_stream.jsonl")), stream_facts=FACTS, stream_text=TEXT,
        head=3, taken=3, started="The lighthouse at Skagen was ",
        started_facts={semconv.PROVIDER_REQUEST_ID: "req_stream"},
    ),
    Row(
        name="bedrock invoke", ask=_invoke, span=f"chat {MODEL}", **COMMON,
        answer=files.body("bedrock/invoke.json"), facts={**FACTS, **KNOWN_AT_ONCE}, text=TEXT,
        events=tuple(frames.events("bedrock/invoke_stream.jsonl", chunks=True)),
        stream_facts={**FACTS, **KNOWN_AT_ONCE}, stream_text=TEXT,
        head=3, taken=3, started="The lighthouse ", started_facts=KNOWN_AT_ONCE,
    ),
    Row(
        name="bedrock embeddings", ask=_embed, span=f"embeddings {EMBEDDER}", **COMMON,
        answer=b'{"embedding": [0.1, 0.2, 0.3], "inputTextTokenCount": 9}', speaks=False,
        facts={semconv.USAGE_INPUT: 9, semconv.USAGE_OUTPUT: None, semconv.EMBEDDINGS_DIMENSIONS: 3},
    ),
]  # fmt: skip
