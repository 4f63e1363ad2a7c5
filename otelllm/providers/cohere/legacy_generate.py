"""Completions of version 1: a prompt in, one text or several out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request
from ...estimate import size_of
from ...fields import field, members, plain
from ...parts import as_list, text
from ...spec import Delta
from .legacy_chat import read_invocation
from .parameters import asked, finish_reason, read_common
from .usage import read_usage

__all__ = ["GENERATE", "GENERATE_STREAM"]


class _Generate:
    operation = semconv.TEXT_COMPLETION

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        given = asked(kwargs)
        request = read_common(given, stream=self._stream)
        count = given.get("num_generations")
        if isinstance(count, int) and count != 1:
            request.attributes[semconv.REQUEST_CHOICE_COUNT] = count
        stops = [*as_list(given.get("stop_sequences")), *as_list(given.get("end_sequences"))]
        if stops and all(isinstance(one, str) for one in stops):
            request.attributes[semconv.REQUEST_STOP_SEQUENCES] = stops
        if self._stream:
            request.input_chars = size_of(plain(given.get("prompt")) or "")
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        if prompt := plain(asked(kwargs).get("prompt")):
            request.messages = [{"role": "user", "parts": [text(prompt)]}]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id")) or reading.id
        read_usage(reading, said.get("meta"))
        self._read(reading, as_list(said.get("generations")), captures)

    def _read(self, reading: Reading, generations: Any, captures: bool) -> None:
        own = [found for one in generations if (found := plain(field(one, "finish_reason")))]
        if own:
            reading.own_finish_reasons, reading.finish_reasons = own, [finish_reason(one) for one in own]
        if captures and generations:
            texts = [field(one, "text") or "" for one in generations]
            reading.messages = [{"role": "assistant", "parts": [text(one)]} for one in texts]

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = members(chunk)
        if reading.partial is None:
            reading.partial = {}
        kind = said.get("event_type")
        if kind == "text-generation":
            reading.unfinished = True
            piece = plain(said.get("text"))
            if piece is None:
                return 0
            reading.output_chars += size_of(piece)
            if captures:
                reading.partial.setdefault(said.get("index") or 0, []).append(piece)
            return 2
        if kind == "stream-end":
            reading.unfinished = False
            read_invocation(reading, said)
            response = members(said.get("response"))
            reading.id = plain(response.get("id")) or reading.id
            read_usage(reading, response.get("meta"))
            self._read(reading, as_list(response.get("generations")), captures)
            if not reading.finish_reasons and (own := plain(said.get("finish_reason"))):
                reading.own_finish_reasons, reading.finish_reasons = [own], [finish_reason(own)]
        elif kind == "stream-error":
            reading.unfinished = False
            reading.error_type, reading.error_message = "error", plain(said.get("err"))
            if own := plain(said.get("finish_reason")):
                reading.own_finish_reasons, reading.finish_reasons = [own], [finish_reason(own)]
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        pieces, reading.partial = reading.partial, None
        if not captures or not pieces or reading.messages:  # the last event has the whole texts
            return
        reading.messages = [{"role": "assistant", "parts": [text("".join(pieces[index]))]} for index in sorted(pieces)]

    def answer(self, request: Request, text: str) -> bytes | None:
        made = {"id": "otelllm", "text": text, "finish_reason": "COMPLETE"}
        whole = {"id": "otelllm", "generations": [made]}
        if not self._stream:
            return orjson.dumps(whole)
        events: list[dict[str, Any]] = [
            {"event_type": "text-generation", "text": text, "is_finished": False},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole, "is_finished": True},
        ]
        return b"".join(orjson.dumps(event) + b"\n" for event in events)


GENERATE = _Generate(stream=False)
GENERATE_STREAM = _Generate(stream=True)
