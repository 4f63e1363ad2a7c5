"""Questions with given answers: a choice, a yes or no, a score, for a state of things; no text is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request, Usage
from ...parts import text
from ...spec import Delta
from .parameters import read_parameters
from .wire import count

__all__ = ["SYSTEM_ONE"]


class _SystemOne:
    operation = semconv.CLASSIFY

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return read_parameters(kwargs)

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = [kwargs.get("state"), kwargs.get("questions")]
        texts = [one if isinstance(one, str) else orjson.dumps(one, default=str).decode() for one in given if one]
        request.messages = [{"role": "user", "parts": [text(one) for one in texts]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        reading.model = getattr(body, "model", None) or None
        usage = getattr(body, "usage", None)
        if usage is not None:
            reading.usage = Usage(
                input=count(getattr(usage, "input_tokens", None)), output=count(getattr(usage, "output_tokens", None))
            )
        if captures and (answers := getattr(body, "answers", None)):
            said = {name: one.model_dump(mode="json") for name, one in answers.items()}
            reading.messages.append({"role": "assistant", "parts": [text(orjson.dumps(said).decode())]})

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        return None

    def answer(self, request: Request, text: str) -> bytes | None:
        return None


SYSTEM_ONE = _SystemOne()
