"""The ways of asking, what each is called with and answers: the rows of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wire import files
from wire.server import sse, whole

from .app import method

if TYPE_CHECKING:
    from wire.server import Provider

    from .app import App

__all__ = ["ARGUMENTS", "MODEL", "QUESTION", "TEXT", "answer", "call", "resource"]

MODEL = "mistral-small-latest"
TEXT = "The lighthouse at Skagen was lit in 1858."
QUESTION = "When was the lighthouse at Skagen lit?"
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "chat": CHAT,
    "agent": {"agent_id": "ag_1", "messages": CHAT["messages"]},
    "fim": {"model": "codestral-latest", "prompt": "def lit():", "suffix": "print(lit())"},
    "embeddings": {"model": "mistral-embed", "inputs": ["Skagen", "1858"]},
    "responses": {"model": MODEL, "input": QUESTION, "instructions": "Be brief."},
    "conversation": {"model": "mistral-medium-latest", "inputs": QUESTION},
    "ocr": {"model": "mistral-ocr-latest",
            "document": {"type": "document_url", "document_url": "https://example.org/skagen.pdf"}},
    "moderation": {"model": "mistral-moderation-latest", "inputs": QUESTION},
    "classification": {"model": "ft:classifier:1", "inputs": QUESTION},
    "transcription": {"model": "voxtral-mini-latest", "file_url": "https://example.org/skagen.mp3"},
    "speech": {"model": "voxtral-mini-tts-2603", "input": QUESTION},
}  # fmt: skip
# Kind of a wire file (its name's first word) -> where the resource is, and its methods, whole and streamed.
_METHODS = {
    "chat": ("chat", "complete", "stream"),
    "agent": ("agents", "complete", "stream"),
    "fim": ("fim", "complete", "stream"),
    "embeddings": ("embeddings", "create", ""),
    "responses": ("responses", "create", "create"),
    "conversation": ("beta.conversations", "start", "start_stream"),
    "ocr": ("ocr", "process", ""),
    "moderation": ("classifiers", "moderate", ""),
    "classification": ("classifiers", "classify", ""),
    "transcription": ("audio.transcriptions", "complete", "stream"),
    "speech": ("audio.speech", "complete", "complete"),
}


def resource(client: Any, kind: str) -> Any:
    """Where the methods of a kind are."""
    found = client
    for name in _METHODS[kind][0].split("."):
        found = getattr(found, name)
    return found


def call(app: App, kind: str, *, streamed: bool = False, **more: Any) -> Any:
    """One call: the answer, or the stream, unread."""
    _, one, other = _METHODS[kind]
    called = method(app.client, resource(app.client, kind), other if streamed else one)
    spoken = {"stream": True} if streamed and one == other else {}
    return app.call(called, **{**ARGUMENTS[kind], **spoken, **more})


def answer(app: App, provider: Provider, file: str, kind: str = "", **more: Any) -> Any:
    """One call answered by a wire file: the answer, or all events of the stream."""
    kind = kind or file.replace(".", "_").split("_")[0]
    if file.endswith(".sse"):
        provider.reply(sse(files.events(f"mistral/{file}")))
        return app.read(call(app, kind, streamed=True, **more))
    provider.reply(whole(files.body(f"mistral/{file}")))
    return call(app, kind, **more)
