"""Answers of the query API: JSON, and errors that name the value and the way out."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .questions import BadQuestion, Busy

__all__ = ["answer", "asking", "refusal"]

Handler = Callable[[Request], Awaitable[Response]]

RETRY_AFTER = {"retry-after": "1"}


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer; what JSON has no type for goes as text."""
    body = orjson.dumps(content, default=_as_text, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)
    return Response(body, status, headers, media_type="application/json")


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error in the shape that the whole API uses."""
    return answer({"error": message}, status, headers)


def asking(handler: Handler) -> Handler:
    """A handler whose wrong questions are answered with 400 and whose untimely ones with 503."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except BadQuestion as error:
            return refusal(400, str(error))
        except Busy as error:
            return refusal(503, str(error), RETRY_AFTER)

    return guarded


def _as_text(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, uuid.UUID):
        return value.hex
    return str(value)
