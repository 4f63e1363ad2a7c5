"""Anthropic's Messages API as LiteLLM offers it for every provider: plain dicts, and streams of an event's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...bodies import Body
from ...call import Reading, Request
from ...fields import fields
from ...spec import Delta
from ..anthropic.messages import MESSAGES

__all__ = ["messages"]


class _Messages:
    """The surface of one call: it keeps what came of an event that is not whole yet."""

    operation = MESSAGES.operation
    _body: Body | None = None

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return MESSAGES.read_request(kwargs)

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        MESSAGES.read_input(request, kwargs)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        MESSAGES.read_response(reading, fields(body), captures)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if isinstance(chunk, str):
            chunk = chunk.encode()
        if not isinstance(chunk, bytes):
            return MESSAGES.fold_chunk(reading, fields(chunk), captures)
        if self._body is None:
            self._body = Body("text/event-stream", takes_bytes=False)
        found: Delta = 0
        for event in self._body.feed(chunk):
            found = max(found, MESSAGES.fold_chunk(reading, event, captures))
        return found

    def finish(self, reading: Reading, captures: bool) -> None:
        MESSAGES.finish(reading, captures)

    def answer(self, request: Request, text: str) -> bytes | None:
        """LiteLLM has no mock of this one."""
        return None


def messages() -> _Messages:
    """The surface of one call."""
    return _Messages()
