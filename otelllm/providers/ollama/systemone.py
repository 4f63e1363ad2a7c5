"""Questions with given answers: a choice, a yes or no, a score, for a state of things; no text is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request, Usage
from ...fields import count, members
from ...parts import text
from ...whole import Whole
from .parameters import read_parameters
from .wire import read_end, said_by

__all__ = ["SYSTEM_ONE"]


class _SystemOne(Whole):
    operation = semconv.CLASSIFY

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return read_parameters(kwargs)

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        given = [kwargs.get("state"), kwargs.get("questions")]
        texts = [one if isinstance(one, str) else orjson.dumps(one, default=str).decode() for one in given if one]
        request.messages = [{"role": "user", "parts": [text(one) for one in texts]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = said_by(reading, body)
        read_end(reading, said)
        reading.partial = None
        usage = members(said.get("usage"))
        reading.usage = Usage(input=count(usage.get("input_tokens")), output=count(usage.get("output_tokens")))
        if captures and (answers := said.get("answers")):
            reading.messages.append({"role": "assistant", "parts": [text(orjson.dumps(answers, default=str).decode())]})


SYSTEM_ONE = _SystemOne()
