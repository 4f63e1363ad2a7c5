"""The mistralai SDK."""

from __future__ import annotations

from typing import Any

from library.contract.row import Row
from library.mistralai.app import AsyncApp, SyncApp, has, method, of
from wire import files

from otelllm import semconv

__all__ = ["ROWS"]

MODEL = "mistral-small-latest"
RETRIES = of("utils", "RetryConfig")("backoff", of("utils", "BackoffStrategy")(1, 2, 1.1, 20), True)
CODER = "codestral-latest"
EMBEDDER = "mistral-embed"
READER = "mistral-ocr-latest"
JUDGE = "mistral-moderation-latest"
LISTENER = "voxtral-mini-latest"
SPEAKER = "voxtral-mini-tts-2603"
QUESTION = {"role": "user", "content": "When was the lighthouse at Skagen lit?"}
KNOWN_AT_ONCE = {semconv.RESPONSE_ID: "a7952046ef794d1697627b54231df17a", semconv.RESPONSE_MODEL: MODEL}
FACTS = {
    **KNOWN_AT_ONCE,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
    semconv.USAGE_INPUT: 1200,
    semconv.USAGE_CACHE_READ: 1024,
    semconv.USAGE_OUTPUT: 50,
    semconv.PROVIDER_REQUEST_ID: "req_wire",
}
TEXT = "The lighthouse at Skagen was lit in 1858."
COMMON: dict[str, Any] = {
    "apps": (SyncApp, AsyncApp),
    "provider": "mistral_ai",
    "refusal": (429, files.body("mistral/error_429.json")),
    "refusal_type": "rate_limited",
}
STREAMED: dict[str, Any] = {
    "events": tuple(files.events("mistral/chat_stream.sse")),
    "stream_facts": FACTS,
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


def _fim(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.fim, "stream" if streamed else "complete")
    return called, {"model": CODER, "prompt": "def lit():", "suffix": "print(lit())", **_timeout(timeout_s)}


def _embeddings(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.embeddings, "create")
    return called, {"model": EMBEDDER, "inputs": ["Skagen", "1858"], **_timeout(timeout_s)}


def _responses(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    more = {"stream": True} if streamed else {}
    called = method(client, client.responses, "create")
    return called, {"model": MODEL, "input": QUESTION["content"], **more, **_timeout(timeout_s)}


def _conversation(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.beta.conversations, "start_stream" if streamed else "start")
    return called, {"model": MODEL, "inputs": "When?", "completion_args": {"temperature": 0.2}, **_timeout(timeout_s)}


def _append(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.beta.conversations, "append_stream" if streamed else "append")
    return called, {"conversation_id": "conv_1", "inputs": "When?", **_timeout(timeout_s)}


def _ocr(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    document = {"type": "document_url", "document_url": "https://example.org/skagen.pdf"}
    return method(client, client.ocr, "process"), {"model": READER, "document": document, **_timeout(timeout_s)}


def _moderation(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.classifiers, "moderate")
    return called, {"model": JUDGE, "inputs": ["Skagen"], **_timeout(timeout_s)}


def _transcription(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    called = method(client, client.audio.transcriptions, "stream" if streamed else "complete")
    return called, {"model": LISTENER, "file_url": "https://example.org/skagen.mp3", **_timeout(timeout_s)}


def _speech(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
    more = {"stream": True} if streamed else {}
    return method(client, client.audio.speech, "complete"), {
        "model": SPEAKER, "input": "Skagen", "voice_id": "gb_jane", **more, **_timeout(timeout_s)}  # fmt: skip


CONVERSED = {semconv.CONVERSATION_ID: "conv_019caeab2a14717f98fa1d9f6d3d1c3e"}
CONVERSATION_FACTS = {
    **CONVERSED, semconv.RESPONSE_MODEL: "mistral-medium-latest", semconv.USAGE_INPUT: 429, semconv.USAGE_OUTPUT: 24,
    semconv.RESPONSE_FINISH_REASONS: ("stop",),
}  # fmt: skip
CONVERSATION: dict[str, Any] = {
    "answer": files.body("mistral/conversation.json"), "facts": CONVERSATION_FACTS, "text": TEXT,
    "events": tuple(files.events("mistral/conversation_stream.sse")), "stream_facts": CONVERSATION_FACTS,
    "stream_text": TEXT, "head": 3, "taken": 3, "started": "The lighthouse ", "started_facts": CONVERSED,
}  # fmt: skip
HEARD = {semconv.USAGE_INPUT: 378, semconv.USAGE_AUDIO_INPUT: 375, semconv.USAGE_OUTPUT: 41,
         semconv.USAGE_CACHE_READ: 0, semconv.USAGE_OTHER + "audio_seconds": 12}  # fmt: skip

ROWS = [
    Row(
        name="mistralai chat",
        retrying={"retry_config": RETRIES},
        caches=True,
        ask=_chat,
        span=f"chat {MODEL}",
        **COMMON,
        **STREAMED,
        answer=files.body("mistral/chat.json"),
        facts=FACTS,
        text=TEXT,
    ),
    Row(
        name="mistralai fim",
        caches=True,
        ask=_fim,
        span=f"text_completion {CODER}",
        **COMMON,
        answer=files.body("mistral/fim.json"),
        text="    return 1858\n",
        facts={semconv.USAGE_INPUT: 15, semconv.USAGE_OUTPUT: 6, semconv.RESPONSE_MODEL: CODER},
        events=tuple(files.events("mistral/fim_stream.sse")),
        stream_text="    return 1858\n",
        stream_facts={semconv.USAGE_INPUT: 15, semconv.USAGE_OUTPUT: 6, semconv.RESPONSE_FINISH_REASONS: ("stop",)},
        head=2,
        taken=2,
        started="    return ",
        started_facts={semconv.RESPONSE_MODEL: CODER},
    ),
    Row(
        name="mistralai embeddings",
        caches=True,
        ask=_embeddings,
        span=f"embeddings {EMBEDDER}",
        **COMMON,
        answer=files.body("mistral/embeddings.json"),
        speaks=False,
        facts={
            semconv.RESPONSE_MODEL: EMBEDDER,
            semconv.USAGE_INPUT: 15,
            semconv.USAGE_OUTPUT: None,
            semconv.EMBEDDINGS_DIMENSIONS: 3,
        },
    ),
]
RESPONDED = {
    semconv.RESPONSE_ID: "resp_a7952046", semconv.RESPONSE_MODEL: MODEL, semconv.USAGE_INPUT: 1200,
    semconv.USAGE_OUTPUT: 50, semconv.RESPONSE_FINISH_REASONS: ("stop",),
}  # fmt: skip
if has("responses"):
    ROWS.append(Row(
        name="mistralai responses", ask=_responses, span=f"chat {MODEL}", **COMMON,
        answer=files.body("mistral/responses.json"), facts=RESPONDED, text=TEXT,
        events=tuple(files.events("mistral/responses_stream.sse")), stream_facts=RESPONDED, stream_text=TEXT,
        head=5, taken=5, started="The lighthouse ", started_facts={semconv.RESPONSE_ID: "resp_a7952046"},
    ))  # fmt: skip
if has("conversations"):
    ROWS += [
        Row(name="mistralai start", ask=_conversation, span=f"chat {MODEL}", **COMMON, **CONVERSATION),
        Row(name="mistralai append", ask=_append, span="chat", **COMMON, **CONVERSATION),
    ]
if has("ocr"):
    ROWS += [
        Row(
            name="mistralai ocr",
            ask=_ocr,
            span=f"generate_content {READER}",
            **COMMON,
            speaks=False,
            answer=files.body("mistral/ocr.json"),
            text='# SkagenLit in 1858.{"lit": 1858}',
            facts={
                semconv.RESPONSE_MODEL: "mistral-ocr-2512",
                semconv.USAGE_OTHER + "pages": 2,
                semconv.USAGE_INPUT: None,
            },
        ),
        Row(
            name="mistralai moderation",
            caches=True,
            ask=_moderation,
            span=f"moderation {JUDGE}",
            **COMMON,
            speaks=False,
            answer=files.body("mistral/moderation.json"),
            facts={semconv.RESPONSE_MODEL: JUDGE, semconv.RESPONSE_ID: "4d71ae510af942108ef7344f903e2b88"},
        ),
    ]
if has("transcriptions"):
    ROWS.append(
        Row(
            name="mistralai transcription",
            ask=_transcription,
            span=f"transcription {LISTENER}",
            **COMMON,
            speaks=False,
            answer=files.body("mistral/transcription.json"),
            facts=HEARD,
            text=TEXT,
            events=tuple(files.events("mistral/transcription_stream.sse")),
            stream_facts=HEARD,
            stream_text=TEXT,
            head=3,
            taken=3,
            started="The lighthouse ",
        )
    )
if has("speech"):
    ROWS.append(
        Row(
            name="mistralai speech",
            ask=_speech,
            span=f"speech {SPEAKER}",
            **COMMON,
            speaks=False,
            answer=files.body("mistral/speech.json"),
            facts={semconv.OUTPUT_TYPE: "speech"},
            events=tuple(files.events("mistral/speech_stream.sse")),
            stream_facts={semconv.USAGE_INPUT: 250, semconv.USAGE_OUTPUT: 99840},
            head=2,
            taken=2,
        )
    )
# fmt: skip
