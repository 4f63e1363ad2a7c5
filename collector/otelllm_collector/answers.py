"""Answers of the query API: JSON, and errors that name the value and the way out."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .questions import BadQuestion, Busy

__all__ = ["answer", "asking", "refusal"]

Handler = Callable[[Request], Awaitable[Response]]

OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME

RETRY_AFTER = {"retry-after": "1"}


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer; what JSON has no type for goes as text."""
    try:
        body = orjson.dumps(content, default=_as_text, option=OPTIONS)
    except orjson.JSONEncodeError:  # integers beyond 64 bits, keys that are no text: only a user's own SQL gives them
        body = orjson.dumps(_spelled_out(content), default=_as_text, option=OPTIONS)
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


def _spelled_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _spelled_out(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled_out(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def _as_text(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value)
