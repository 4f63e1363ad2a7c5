"""Moderations, and classifications by models of one's own: texts or chats in, scores out; no usage is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...openai_format.messages import chat_message
from ...parts import as_list, text
from ...speakeasy import as_sent
from .whole import Asked, read_head

__all__ = ["CLASSIFIER"]


class _Classifier(Asked):
    operation = semconv.MODERATION

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = as_sent(kwargs.get("inputs"))
        request.messages = _messages(given)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = as_sent(body)
        read_head(reading, said)
        if captures:
            results = as_list(said.get("results"))
            reading.messages = [{"role": "assistant", "parts": [_verdict(one)]} for one in results]


def _messages(given: Any) -> list[Message]:
    """A text, a chat, an object with a chat, or a list of either."""
    if isinstance(given, str):
        return [{"role": "user", "parts": [text(given)]}]
    if isinstance(given, Mapping):
        return [chat_message(given)] if "role" in given else _messages(given.get("messages"))
    return [message for one in as_list(given) for message in _messages(one)]


def _verdict(result: Mapping[str, Any]) -> Part:
    """What each category, or each target of a classifier, scored."""
    if "category_scores" in result or "categories" in result:
        flags: Mapping[str, Any] = result.get("categories") or {}
        flagged = [name for name, is_flagged in flags.items() if is_flagged]
        scores = result.get("category_scores") or {}
        return {"type": "moderation", "flagged": bool(flagged), "categories": flagged, "scores": scores}
    return {"type": "classification", "scores": {name: one.get("scores") for name, one in result.items()}}


CLASSIFIER = _Classifier()
