"""Whose words a body of InvokeModel is in: told from the model's id, and from the body where the id is opaque."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ...call import Reading, Request
from ...fields import fields, members
from ...openai_format.chat import Chat
from ...parts import as_list
from ...spec import Delta, Surface
from ..anthropic.messages import MESSAGES
from .converse import NOVA
from .texts import TEXTS, text_family
from .vectors import EMBEDDINGS, IMAGES, RERANK

__all__ = ["FAMILIES", "family_of"]


class _Chat(Chat):
    """Mistral, Qwen, gpt-oss, DeepSeek V3, Jamba and others: OpenAI's chat, with small words of their own."""

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        super().read_response(reading, fields(_spelt(members(body))), captures)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return super().fold_chunk(reading, fields(_spelt(members(chunk))), captures)

    def answer(self, request: Request, text: str) -> bytes | None:
        said = super().answer(request, text)
        if said is None:
            return None
        parts = said.split(b"data: ") if request.stream else [said]
        told = [_told(one) if one.startswith(b"{") else one for one in parts]
        return b"data: ".join(told)


def _told(said: bytes) -> bytes:
    """A static answer in both spellings: who reads it knows one of them."""
    body = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, **orjson.loads(said)}
    for one in body["choices"]:
        one["stop_reason"] = one["finish_reason"]
        if "delta" in one:
            one["message"] = one["delta"]
    return orjson.dumps(body) + b"\n\n"


def _spelt(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Mistral says stop_reason for finish_reason, and message for delta."""
    choices = [
        {"finish_reason": one.get("stop_reason"), "delta": one.get("message"), **one}
        for one in as_list(body.get("choices"))
        if isinstance(one, Mapping)
    ]
    return {**body, "choices": choices} if choices else body


CHAT = _Chat(api_type=None)
_IMAGE_WORDS = {"taskType", "text_prompts", "textToImageParams", "imageGenerationConfig"}
_VECTOR_WORDS = {"texts", "singleEmbeddingParams", "embeddingConfig"}
FAMILIES: tuple[Surface, ...] = (MESSAGES, NOVA, CHAT, *TEXTS, EMBEDDINGS, RERANK, IMAGES)


def family_of(model: str, body: Mapping[str, Any]) -> Surface:
    """The surface that reads `body` and its answer."""
    model = model.lower()
    if "messages" in body:
        if "anthropic_version" in body or "anthropic." in model:
            return MESSAGES
        return NOVA if ".nova" in model or "inferenceConfig" in body or "schemaVersion" in body else CHAT
    if "query" in body and "documents" in body:
        return RERANK
    # Titan asks for a text or for a vector of it by the same word.
    is_titan_text = "textGenerationConfig" in body or "titan-t" in model
    if "embed" in model or _VECTOR_WORDS & body.keys() or ("inputText" in body and not is_titan_text):
        return EMBEDDINGS
    if _IMAGE_WORDS & body.keys() or "stability." in model:
        return IMAGES
    return text_family(model, body)
