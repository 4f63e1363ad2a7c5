"""InvokeModel and InvokeModelWithResponseStream: the models' own bodies, and what the service says of all of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from ... import semconv
from ...call import Reading, Request, Usage
from ...fields import fields, members, plain
from ...spec import Delta, Selected, Surface
from .families import FAMILIES, family_of
from .frames import frame
from .metadata import forget_static
from .parameters import tier_of
from .usage import fill_usage, metrics_counts

__all__ = ["invoked"]

_GUARDRAIL = "amazon-bedrock-guardrailAction"


class _Invoke:
    """One family's surface inside InvokeModel."""

    def __init__(self, family: Surface, *, is_streamed: bool) -> None:
        self._family = family
        self._is_streamed = is_streamed
        self.operation = family.operation

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = self._family.read_request(kwargs["said"])
        request.stream = self._is_streamed
        if guardrail := plain(kwargs.get("guardrailIdentifier")):
            request.attributes[semconv.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
        request.tier = tier_of(kwargs.get("serviceTier"), kwargs.get("performanceConfigLatency")) or request.tier
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        self._family.read_input(request, kwargs["said"])

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        counted, reading.usage = reading.usage, None
        self._family.read_response(reading, body, captures)
        if counted is not None and self.operation == semconv.EMBEDDINGS:
            counted.output = None  # there is none to count
        fill_usage(reading, counted)
        if members(body).get(_GUARDRAIL) == "INTERVENED":
            _intervene(reading)
        forget_static(reading)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        payload = (chunk.get("chunk") or {}).get("bytes") or b""
        if not payload.startswith(b"{"):
            return 0
        said = orjson.loads(payload)
        state: _State = reading.partial or _State()
        reading.partial = state.family
        try:
            found = self._family.fold_chunk(reading, fields(said), captures)
        finally:
            state.family, reading.partial = reading.partial, state
        state.counted = metrics_counts(said.get("amazon-bedrock-invocationMetrics")) or state.counted
        state.intervened = state.intervened or said.get(_GUARDRAIL) == "INTERVENED"
        return found

    def finish(self, reading: Reading, captures: bool) -> None:
        state: _State | None = reading.partial
        reading.partial = None
        if state is None:
            return
        reading.partial = state.family
        self._family.finish(reading, captures)
        reading.partial = None
        fill_usage(reading, state.counted)
        if state.intervened:
            _intervene(reading)
        forget_static(reading)

    def answer(self, request: Request, text: str) -> bytes | None:
        body = self._family.answer(request, text)
        if body is None or not request.stream:
            return body
        payloads = (line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: {"))
        return b"".join(frame("chunk", orjson.dumps({"bytes": base64.b64encode(one).decode()})) for one in payloads)


class _State:
    """Of one stream: what its family keeps, and what the service said beside."""

    __slots__ = ("counted", "family", "intervened")

    def __init__(self) -> None:
        self.family: Any = None
        self.counted: Usage | None = None
        self.intervened = False


def _intervene(reading: Reading) -> None:
    """A guardrail wrote the answer, or part of it; the model's own word for its end stays beside."""
    reading.own_finish_reasons = reading.own_finish_reasons or ["guardrail_intervened"]
    reading.finish_reasons = ["content_filter"]


_SURFACES = {
    is_streamed: {id(family): _Invoke(family, is_streamed=is_streamed) for family in FAMILIES}
    for is_streamed in (False, True)
}


def invoked(params: Mapping[str, Any], *, is_streamed: bool) -> Selected:
    """The surface of an InvokeModel, and its arguments with what the body says."""
    model = params.get("modelId")
    body = _body(params.get("body"))
    family = family_of(model if isinstance(model, str) else "", body)
    said = {**body, "model": model, "modelId": model, "stream": is_streamed}
    return Selected(_SURFACES[is_streamed][id(family)], {**params, "said": said})


def _body(given: Any) -> Mapping[str, Any]:
    """A body's JSON object, where reading it takes nothing from the app's call."""
    if isinstance(given, str | bytes | bytearray | memoryview):
        content = given
    elif hasattr(given, "read") and hasattr(given, "seek"):
        content = _peek(given)
    else:
        return {}
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(content)
        if isinstance(body, dict):
            return body
    return {}


def _peek(file: Any) -> Any:
    """What a file holds from where it is, and back to there; nothing of one that can't go back."""
    try:
        if not file.seekable():
            return b""
        at = file.tell()
    except (AttributeError, OSError):
        return b""
    try:
        return file.read()
    finally:
        file.seek(at)
