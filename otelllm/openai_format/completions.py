"""Legacy completions: a prompt in, texts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from .. import semconv
from ..call import Message, Reading, Request
from ..estimate import size_of
from ..fields import field
from ..parts import as_list, text
from ..sampling import read_stops
from ..spec import Delta
from ..stainless import merged, read_error_body
from .chat import read_attributes
from .chunks import finish_reason
from .messages import text_size
from .parameters import LEFT_OUT, read_common
from .usage import merge_usage, read_usage

__all__ = ["COMPLETIONS"]


class Completions:
    operation = semconv.TEXT_COMPLETION
    left_out = LEFT_OUT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        kwargs = merged(kwargs)
        request = read_common(kwargs)
        if kwargs.get("n") not in (None, 1) and isinstance(kwargs["n"], int):
            request.attributes[semconv.REQUEST_CHOICE_COUNT] = kwargs["n"]
        read_stops(request.attributes, kwargs.get("stop"))
        if request.stream:
            request.input_chars = text_size(kwargs.get("prompt"))
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        prompt = merged(kwargs).get("prompt")
        texts = [prompt] if isinstance(prompt, str) else [one for one in as_list(prompt) if isinstance(one, str)]
        request.messages = [{"role": "user", "parts": [text(one)]} for one in texts]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        merge_usage(reading, read_usage(getattr(body, "usage", None)))
        choices = as_list(getattr(body, "choices", None))
        for choice in choices:
            own = getattr(choice, "finish_reason", None)
            if isinstance(own, str):
                reading.own_finish_reasons.append(own)
                reading.finish_reasons.append(finish_reason(own))
            if captures:
                reading.messages.append(_message(getattr(choice, "text", None) or ""))
        if not choices:
            read_error_body(reading, body)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if (usage := getattr(chunk, "usage", None)) is not None:
            merge_usage(reading, read_usage(usage))
        if reading.id is None or reading.model is None:
            read_attributes(reading, chunk)
        if reading.partial is None:
            reading.partial = {}
        delta: Delta = 0
        for choice in getattr(chunk, "choices", None) or ():
            # index -> the texts so far, and how it finished
            state = reading.partial.setdefault(getattr(choice, "index", 0) or 0, ([], []))
            piece = getattr(choice, "text", None) or field(getattr(choice, "delta", None), "content")
            if isinstance(piece, str) and piece:
                delta = 2
                reading.output_chars += size_of(piece)
                if captures:
                    state[0].append(piece)
            if own := getattr(choice, "finish_reason", None) or getattr(chunk, "finish_reason", None):
                state[1].append(own)
        return delta

    def finish(self, reading: Reading, captures: bool) -> None:
        states: dict[int, tuple[list[str], list[str]]] = reading.partial or {}
        reading.partial = {}
        for _, (texts, finishes) in sorted(states.items()):
            if finishes:
                reading.own_finish_reasons.append(finishes[-1])
                reading.finish_reasons.append(finish_reason(finishes[-1]))
            if captures:
                reading.messages.append(_message("".join(texts)))

    def answer(self, request: Request, text: str) -> bytes | None:
        choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
        head = {"id": "otelllm", "object": "text_completion", "created": 0, "model": request.model or ""}
        body = orjson.dumps({**head, "choices": [choice]})
        return b"data: " + body + b"\n\ndata: [DONE]\n\n" if request.stream else body


def _message(content: str) -> Message:
    return {"role": "assistant", "parts": [text(content)] if content else []}


COMPLETIONS = Completions()
